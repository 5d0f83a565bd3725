"""The report itself: what it says is what happened, and a loss cannot pass as a success."""

from __future__ import annotations

import pytest

from tests.faults.report import BEGIN, END, GATHERED, judge, read, write


@pytest.mark.parametrize(
    ("acked", "stored", "refused", "said"),
    [
        ({"a", "b"}, ["a"], (), "lost=1"),
        ({"a"}, ["a", "a"], (), "twice=1"),
        ({"a"}, ["a", "x"], (), "never sent"),
        ({"a"}, ["a", "b"], ("b",), "refused and stored"),
        (set(), [], (), "nothing was acknowledged"),
    ],
)
def test_what_breaks_the_promise_fails(acked, stored, refused, said, monkeypatch):
    monkeypatch.delenv(GATHERED, raising=False)  # these are no rows of a run of the whole
    with pytest.raises(AssertionError, match=said):
        judge("f", database="SQLite", rounds=1, sent={"a", "b"}, acked=acked, stored=stored, refused=refused)


def test_what_was_judged_is_a_row_of_the_page(tmp_path, monkeypatch):
    monkeypatch.setenv(GATHERED, str(tmp_path / "rows"))
    judge("kill -9", database="SQLite", rounds=2, sent={"a", "b"}, acked={"a"}, stored=["a", "b"], recovery_seconds=1.5)
    judge("SIGTERM", database="PostgreSQL", rounds=3, sent={"a"}, acked={"a"}, stored=["a"])
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    write(page, read(tmp_path / "rows"))
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"before\n{BEGIN}\n")
    assert text.endswith(f"{END}\nafter\n")
    assert [line for line in text.splitlines() if line.startswith("|")][2:] == [
        "| kill -9 | SQLite | 2 | 1 | 2 | 0 | 0 | 1.5 s |",
        "| SIGTERM | PostgreSQL | 3 | 1 | 1 | 0 | 0 |  |",
    ]


def test_a_page_without_markers_is_not_written(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("nothing", encoding="utf-8")
    with pytest.raises(ValueError, match="around its table"):
        write(page, [])
    assert page.read_text(encoding="utf-8") == "nothing"
