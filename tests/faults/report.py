"""What became of what an acking client sent, fault by fault: judged here, and a row of ``docs/reliability.md``."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

# The whole suite instead of the quick selection; and where its rows are gathered. Both are set by ``tests.faults``.
WHOLE = os.environ.get("FAULTS") == "whole"
GATHERED = "FAULT_REPORT"
BEGIN, END = "<!-- faults: written by make test-faults -->", "<!-- /faults -->"
COLUMNS = ("fault", "database", "rounds", "acked", "stored", "lost", "twice", "recovery")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One fault on one database. ``recovery_seconds`` is the longest time until work went on; None: nothing stopped."""

    fault: str
    database: str
    rounds: int
    acked: int
    stored: int
    lost: int
    twice: int
    recovery_seconds: float | None

    def row(self) -> str:
        """The outcome as a line of the table."""
        recovery = "" if self.recovery_seconds is None else f"{self.recovery_seconds:.1f} s"
        numbers = (self.rounds, self.acked, self.stored, self.lost, self.twice)
        return "| " + " | ".join([self.fault, self.database, *(f"{n:,}" for n in numbers), recovery]) + " |"


def judge(
    fault: str, *,
    database: str, rounds: int, sent: Collection[str], acked: Collection[str], stored: Sequence[str],
    refused: Collection[str] = (), recovery_seconds: float | None = None,
) -> Outcome:  # fmt: skip
    """Acked ⊆ stored ⊆ sent, nothing twice, nothing that was only refused: asserted, and noted for the report."""
    kept = set(stored)
    note(outcome := Outcome(
        fault=fault, database=database, rounds=rounds, acked=len(acked), stored=len(kept),
        lost=len(set(acked) - kept), twice=len(stored) - len(kept), recovery_seconds=recovery_seconds,
    ))  # fmt: skip
    assert len(acked) > 0, "nothing was acknowledged: the run says nothing"
    assert (outcome.lost, outcome.twice) == (0, 0), outcome
    assert kept - set(sent) == set(), "stored and never sent"
    assert kept & set(refused) == set(), "refused and stored"
    return outcome


def note(outcome: Outcome) -> None:
    """Adds the row to those of this run, where they are gathered."""
    if GATHERED in os.environ:
        with Path(os.environ[GATHERED]).open("a", encoding="utf-8") as gathered:
            gathered.write(json.dumps(asdict(outcome)) + "\n")


def read(gathered: Path) -> list[Outcome]:
    """The rows of a run in the order in which they came."""
    return [Outcome(**json.loads(line)) for line in gathered.read_text(encoding="utf-8").splitlines()]


def table(outcomes: Iterable[Outcome]) -> str:
    """The rows as Markdown."""
    head = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * 2 + "---:|" * (len(COLUMNS) - 2)]
    return "\n".join([*head, *(outcome.row() for outcome in outcomes)])


def write(page: Path, outcomes: Iterable[Outcome]) -> None:
    """Puts the table between the markers of the page; ``ValueError`` where they are missing."""
    put_between(page, begin=BEGIN, end=END, text=table(outcomes))


def put_between(page: Path, *, begin: str, end: str, text: str) -> None:
    """Puts the text between two lines of the page; ``ValueError`` where they are missing."""
    before, found, rest = page.read_text(encoding="utf-8").partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"{page} has no {begin} … {end} around its table")
    page.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", encoding="utf-8")
