"""What a join of a model has before it: its labels, and the id runs that they have not been looked for in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from sqlalchemy import Connection

from monitor.store.ids import RunHead, run_heads
from monitor.store.labels import joins
from monitor.store.models import get_model_by_id
from monitor.store.segments import LabelSegment, segments
from monitor.store.versions import Folds, folds_of_model


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A model as one snapshot saw it; ``runs`` are all of its live versions' runs, each version's newest first."""

    model_id: int
    joins: int
    folds: list[Folds]
    segments: list[LabelSegment]
    runs: list[RunHead]


@dataclass(frozen=True, slots=True, kw_only=True)
class CatchUp:
    """The runs in which this pass looks for the labels of the segments.

    ``joined`` is version id → the fold that is joined then, of versions where that is another one than before;
    ``whole`` says that nothing is left behind.
    """

    runs: frozenset[int]
    joined: dict[int, int]
    whole: bool


def see(conn: Connection, *, model_id: int) -> Seen:
    """The model as it is now, or ``NotFound``."""
    get_model_by_id(conn, id=model_id)
    folds = folds_of_model(conn, model_id=model_id)
    return Seen(
        model_id=model_id,
        joins=joins(conn, model_id=model_id),
        folds=folds,
        segments=segments(conn, model_id=model_id),
        runs=[run for one in folds for run in run_heads(conn, version_id=one.version_id)],
    )


def catch_up(seen: Seen, *, most_keys: int) -> CatchUp:
    """Whole folds, oldest first, until their runs hold ``most_keys`` keys; one fold at least.

    Without segments no label waits for a later record, and nothing has to be read.
    """
    chosen: list[int] = []
    joined: dict[int, int] = {}
    left = most_keys
    for one in seen.folds:
        for fold, runs in _fresh(seen.runs, one) if seen.segments else ():
            left -= sum(run.keys for run in runs)
            if chosen and left < 0:
                if fold - 1 > one.joined_fold:
                    joined[one.version_id] = fold - 1
                return CatchUp(runs=frozenset(chosen), joined=joined, whole=False)
            chosen += [run.id for run in runs]
        if one.fold_seq != one.joined_fold:
            joined[one.version_id] = one.fold_seq
    return CatchUp(runs=frozenset(chosen), joined=joined, whole=True)


def _fresh(runs: Sequence[RunHead], folds: Folds) -> list[tuple[int, list[RunHead]]]:
    """(fold, its runs) of the folds that are not joined yet, oldest first; 0 stands for folds of unknown number."""
    fresh = [
        run
        for run in runs
        if run.version_id == folds.version_id and (folds.joined_fold == 0 or (run.fold or 0) > folds.joined_fold)
    ]
    ordered = sorted(fresh, key=lambda run: run.fold or 0)
    return [(fold, list(some)) for fold, some in groupby(ordered, key=lambda run: run.fold or 0)]
