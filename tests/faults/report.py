"""What became of what an acking client sent, fault by fault: judged here, and a row of ``docs/reliability.md``."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

# The whole suite instead of the quick selection; and where its rows are gathered. Both are set by ``tests.faults``.
WHOLE = os.environ.get("FAULTS") == "whole"
GATHERED = "FAULT_REPORT"


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
