"""The table of ``docs/reliability.md``: rows of a run, what the run was, and both put into the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.faults.report import Outcome

BEGIN, END = "<!-- faults: written by make test-faults -->", "<!-- /faults -->"
COLUMNS = ("fault", "database", "rounds", "acked", "stored", "lost", "duplicated", "recovery")

TESTS_FAILED = 1  # pytest's exit code; a higher one says that it did not come to its end


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How the tests of a run ended; ``failed`` by name. ``broken_off``: not all of them had their turn."""

    passed: int
    failed: tuple[str, ...]
    broken_off: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run, of the ``parts`` or of all where there are none; ``patience``: of what the tests allow for."""

    parts: tuple[str, ...]
    ended: datetime
    seconds: float
    at_once: int
    cores: int
    patience: float
    tests: Ended

    @property
    def what(self) -> str:
        """What ran, as the page names it."""
        return f"Of {', '.join(f'`{part}`' for part in self.parts)} alone" if self.parts else "Everything"

    def __str__(self) -> str:
        where = f"{self.seconds / 60:.0f} minutes on {self.cores} cores, {self.at_once} tests at once"
        if self.patience != 1:
            where += f", beside other work (with {self.patience:g} times the usual patience)"
        return f"{self.what}, {self.ended:%Y-%m-%d %H:%M} UTC, {where}: {self._how}"

    @property
    def _how(self) -> str:
        named = ", ".join(f"`{name}`" for name in self.tests.failed)
        failed = f"**{len(self.tests.failed)} failed**: {named}" if named else "none failed"
        end = "; **broken off**, the rest did not run." if self.tests.broken_off else "."
        return f"{self.tests.passed} tests passed, {failed}{end}"


def ended_of(results: Path, *, code: int) -> Ended:
    """What pytest's JUnit file says, and its exit code. A skipped test has failed: its fault did not happen."""
    if not results.exists():
        return Ended(passed=0, failed=(), broken_off=True)
    cases = list(ET.parse(results).getroot().iter("testcase"))
    names = {f"{case.get('classname')}.{case.get('name')}".removeprefix("tests.") for case in cases}
    failed = {
        f"{case.get('classname')}.{case.get('name')}".removeprefix("tests.") for case in cases
        if any(case.find(trouble) is not None for trouble in ("failure", "error", "skipped"))
    }  # fmt: skip
    return Ended(passed=len(names - failed), failed=tuple(sorted(failed)), broken_off=code > TESTS_FAILED)


def table(outcomes: Iterable[Outcome]) -> str:
    """The rows as Markdown."""
    head = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * 2 + "---:|" * (len(COLUMNS) - 2)]
    return "\n".join([*head, *(row_of(outcome) for outcome in outcomes)])


def row_of(outcome: Outcome) -> str:
    """The outcome as a line of the table."""
    recovery = "" if outcome.recovery_seconds is None else f"{outcome.recovery_seconds:.1f} s"
    numbers = (outcome.rounds, outcome.acked, outcome.stored, outcome.lost, outcome.twice)
    return "| " + " | ".join([outcome.fault, outcome.database, *(f"{n:,}" for n in numbers), recovery]) + " |"


def outcome_of(row: str) -> Outcome:
    """What a line of the table says."""
    fault, database, *numbers, recovery = (cell.strip() for cell in row.strip().strip("|").split("|"))
    rounds, acked, stored, lost, twice = (int(number.replace(",", "")) for number in numbers)
    return Outcome(fault=fault, database=database, rounds=rounds, acked=acked, stored=stored, lost=lost, twice=twice,
                   recovery_seconds=float(recovery.removesuffix(" s")) if recovery else None)  # fmt: skip


def write(page: Path, outcomes: Sequence[Outcome], *, run: Run) -> None:
    """Puts run and rows between the markers of the page, ``ValueError`` where they are missing.

    A run of everything replaces what is there; one of parts replaces the rows that it made, and what an earlier run
    of the same parts said of itself.
    """
    block = between(page, begin=BEGIN, end=END)
    said, rows = _read(block) if run.parts else ([], [])
    said = [line for line in said if not line.startswith(f"{run.what}, ")] + [str(run)]
    made = {(outcome.fault, outcome.database) for outcome in outcomes}
    rows = [row for row in rows if (row.fault, row.database) not in made] + list(outcomes)
    shown = "\n\n".join([*said, table(sorted(rows, key=lambda row: (row.fault, row.database)))])
    put_between(page, begin=BEGIN, end=END, text=shown)


def between(page: Path, *, begin: str, end: str) -> str:
    """What stands between two lines of the page; ``ValueError`` where they are missing."""
    _, found, rest = page.read_text(encoding="utf-8").partition(begin)
    block, closed, _ = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"{page} has no {begin} … {end} around its table")
    return block


def put_between(page: Path, *, begin: str, end: str, text: str) -> None:
    """Puts the text between two lines of the page; ``ValueError`` where they are missing."""
    block = between(page, begin=begin, end=end)
    whole = page.read_text(encoding="utf-8").replace(f"{begin}{block}{end}", f"{begin}\n\n{text}\n\n{end}")
    page.write_text(whole, encoding="utf-8")


def _read(block: str) -> tuple[list[str], list[Outcome]]:
    """(what runs said of themselves, the rows) of a block that ``write`` has written; nothing of another."""
    lines = block.splitlines()
    said = [line for line in lines if " UTC, " in line and not line.startswith("|")]
    rows = [line for line in lines if line.startswith("|")][2:]
    return said, [outcome_of(row) for row in rows]
