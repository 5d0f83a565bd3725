"""The runner and its page: what it says is what happened, whole or in parts, also when something failed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.faults import __main__ as runner
from tests.faults.page import BEGIN, END, Ended, Run, write
from tests.faults.report import Outcome
from tests.faults.selection import FAULTS, TESTS, parts, paths_of, select

KILL = Outcome(fault="kill -9", database="SQLite", rounds=20, acked=1_234, stored=1_240, lost=0, twice=0,
               recovery_seconds=1.52)  # fmt: skip
TERM = Outcome(fault="SIGTERM", database="PostgreSQL", rounds=3, acked=1, stored=1, lost=0, twice=0,
               recovery_seconds=None)  # fmt: skip
HEAD = ["| fault | database | rounds | acked | stored | lost | duplicated | recovery |",
        "|---|---|---:|---:|---:|---:|---:|---:|"]  # fmt: skip
KILL_ROW, TERM_ROW = (
    "| kill -9 | SQLite | 20 | 1,234 | 1,240 | 0 | 0 | 1.5 s |",
    "| SIGTERM | PostgreSQL | 3 | 1 | 1 | 0 | 0 |  |",
)
ALL_PASSED = Ended(passed=9, failed=())


def run_of(*parts: str, tests: Ended = ALL_PASSED, patience: float = 1) -> Run:
    ended = datetime(2026, 11, 26, 17, 30, tzinfo=UTC)
    return Run(parts=parts, ended=ended, seconds=1_830, at_once=3, cores=2, patience=patience, tests=tests)


@pytest.fixture
def page(tmp_path: Path) -> Path:
    made = tmp_path / "page.md"
    made.write_text(f"before\n{BEGIN}\n\nNot run yet.\n\n{END}\nafter\n", encoding="utf-8")
    return made


def block(page: Path) -> list[str]:
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"before\n{BEGIN}\n\n")
    assert text.endswith(f"\n\n{END}\nafter\n")
    return [line for line in text.partition(BEGIN)[2].partition(END)[0].splitlines() if line]


def test_a_run_of_everything_is_the_page(page):
    write(page, [KILL, TERM], run=run_of())
    write(page, [TERM, KILL], run=run_of())
    said = "Everything, 2026-11-26 17:30 UTC, 30 minutes on 2 cores, 3 tests at once: 9 tests passed, none failed."
    assert block(page) == [said, *HEAD, TERM_ROW, KILL_ROW]


def test_a_run_of_parts_replaces_its_rows_and_what_it_said_before(page):
    write(page, [KILL, TERM], run=run_of())
    write(page, [KILL], run=run_of("kill", tests=Ended(passed=0, failed=(), broken_off=True), patience=4))
    everything, broken_off, *rows = block(page)
    assert everything.startswith("Everything, ")
    assert broken_off.startswith("Of `kill` alone, ")
    assert "at once, beside other work (with 4 times the usual patience): 0 tests passed, none failed; " in broken_off
    assert broken_off.endswith("**broken off**, the rest did not run.")
    assert rows == [*HEAD, TERM_ROW, KILL_ROW]
    write(page, [], run=run_of("kill", tests=Ended(passed=1, failed=("faults.test_kill.test_x[sqlite]",))))
    _, failed, *rows = block(page)
    assert failed.endswith("1 tests passed, **1 failed**: `faults.test_kill.test_x[sqlite]`.")
    assert rows == [*HEAD, TERM_ROW, KILL_ROW]
    write(page, [TERM], run=run_of())
    assert len(block(page)) == 1 + len(HEAD) + 1


def test_a_page_without_markers_is_not_written(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("nothing", encoding="utf-8")
    with pytest.raises(ValueError, match="around its table"):
        write(page, [], run=run_of())
    assert page.read_text(encoding="utf-8") == "nothing"


FAILS = """
import pytest
from tests.faults.report import judge
from tests.faults.selection import WHOLE

@pytest.mark.parametrize("stored", [["a"], ["a", "a"]])
def test_it(stored):
    assert WHOLE
    judge(f"{len(stored)} stored", database="SQLite", rounds=1, sent={"a"}, acked={"a"}, stored=stored)

def test_what_cannot_run_here():
    pytest.skip("no such thing")
"""


def test_a_run_with_a_failure_writes_its_rows_says_so_and_does_not_end_with_0(page, tmp_path, monkeypatch):
    (tmp_path / "test_fails.py").write_text(FAILS, encoding="utf-8")
    monkeypatch.setattr(runner, "PAGE", page)
    monkeypatch.setattr(runner, "paths_of", lambda names: [tmp_path / "test_fails.py"])
    assert runner.main(["-n", "1"]) == 1
    said, *rows = block(page)
    assert "1 tests passed, **2 failed**" in said
    assert "test_what_cannot_run_here" in said
    assert rows == [
        *HEAD,
        "| 1 stored | SQLite | 1 | 1 | 1 | 0 | 0 |  |",
        "| 2 stored | SQLite | 1 | 1 | 1 | 0 | 1 |  |",
    ]


def test_every_file_of_faults_and_every_file_that_marks_something_whole_is_in_one_part():
    named = [path for paths in parts().values() for path in paths]
    found = [file for path in named for file in (sorted(path.rglob("test_*.py")) if path.is_dir() else [path])]
    marked = [path for path in TESTS.rglob("test_*.py") if "mark.whole" in path.read_text(encoding="utf-8")]
    assert sorted(found) == sorted({*FAULTS.rglob("test_*.py"), *marked})
    assert {"kill", "replicas"} <= set(parts())
    assert paths_of([]) == named
    with pytest.raises(ValueError, match=r"no such part: walk; there are: .*kill"):
        paths_of(["kill", "walk"])


class Item:
    """What ``select`` asks of a test."""

    def __init__(self, path: Path, **marks: float | None) -> None:
        self.path, self.marks = path, marks

    def get_closest_marker(self, name: str) -> pytest.Mark | None:
        return getattr(pytest.mark, name)(self.marks[name]).mark if name in self.marks else None


def test_the_whole_is_every_fault_and_what_is_marked_the_longest_first_and_every_day_has_neither():
    quick, long = Item(FAULTS / "test_a.py"), Item(FAULTS / "test_a.py", whole=None, timeout=900.0)
    other, marked = Item(TESTS / "store" / "test_b.py"), Item(TESTS / "store" / "test_b.py", whole=None)
    items = [other, quick, marked, long]
    assert select(items, whole=False) == ([other, quick], [marked, long])
    assert select(items, whole=True) == ([long, quick, marked], [other])
