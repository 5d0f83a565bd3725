"""The columns of a version's newest result, small enough to keep for a fleet and in the order they are kept.

A fleet of 1,000 models has 200,000 columns of which the page shows a part: a column is its name, an array of numbers
and a *shape* (which series those are) that columns of a kind share.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from monitor.export.families import STATUS_VALUE, labels
from monitor.export.performance import Sample, performance_samples
from monitor.model.results import ResultRow

QUALITY_METRICS = ("missing", "invalid", "unseen", "out_of_range")
DRIFT_METRICS = ("surprise", "psi")
_RANK = {"unknown": 0, "ok": 1, "warning": 2, "alert": 3}  # of several rows of a column the worst decided one counts

Shape = tuple[tuple[str, str], ...]  # (family, its last label as written) of each series
_shapes: dict[Shape, Shape] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of one segment; ``column`` is ``""`` for the whole model.

    ``failing`` is 2 in alert, 1 in warning, else 0. ``drift`` is the worst status of kind drift, if any, and
    ``drifted`` whether it counts as drifted among the columns: it is in alert, or would be beside the others that move.
    """

    segment: str
    column: str
    failing: int
    drift: str | None
    drifted: bool
    importance: float = 0.0
    shape: Shape
    values: array[float]

    def items(self) -> Iterator[tuple[str, str, float]]:
        """(family, last label, value) of each series."""
        for (family, last), value in zip(self.shape, self.values, strict=True):
            yield family, last, value


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Neighbours of equal rank: columns ``[start, stop)``."""

    failing: int
    importance: float
    start: int
    stop: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """A version's columns, best rank first: alert, warning, the rest; within them by importance, then name."""

    ranked: tuple[Column, ...] = ()
    whole: tuple[Column, ...] = ()  # the rows of the whole model, by segment
    runs: tuple[Run, ...] = ()
    by_name: Mapping[tuple[str, str], Column] = field(default_factory=dict)  # (segment, column)
    series: int = 0  # of all ranked columns
    performance: tuple[Sample, ...] = ()


def columns_of(rows: Iterable[ResultRow], *, importance: Mapping[str, float] | None = None) -> Columns:
    """The rows of a result (of all segments) as ranked columns."""
    weights = importance or {}
    gathered: dict[tuple[str, str], list[ResultRow]] = {}
    for row in rows:
        gathered.setdefault((row.segment, row.column), []).append(row)
    made = [_column(group, importance=weights.get(name, 0.0)) for (_, name), group in gathered.items()]
    ranked = tuple(sorted((c for c in made if c.column), key=rank))
    runs: list[Run] = []
    for (failing, weight), run in groupby(ranked, key=lambda column: (column.failing, column.importance)):
        start = runs[-1].stop if runs else 0
        runs.append(Run(failing=failing, importance=weight, start=start, stop=start + len(list(run))))
    return Columns(
        ranked=ranked,
        whole=tuple(column for column in made if not column.column),
        runs=tuple(runs),
        by_name={(column.segment, column.column): column for column in ranked},
        series=sum(len(column.shape) for column in ranked),
        performance=performance_samples(row for group in gathered.values() for row in group),
    )


def rank(column: Column) -> tuple[int, float, str, str]:
    """Sorts columns of a version, the first to be kept first."""
    return -column.failing, -column.importance, column.segment, column.column


def _column(rows: list[ResultRow], *, importance: float) -> Column:
    """One column from its rows."""
    statuses: dict[str, str] = {}
    scores: dict[str, ResultRow] = {}
    ratios: dict[str, float] = {}
    drift: str | None = None
    why: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        if "why" in row.method:
            why[row.check] = row.method["why"]
        if row.column:
            statuses[row.check] = _worse(statuses.get(row.check), row.status)
        if row.metric in QUALITY_METRICS and row.value is not None:
            ratios[row.metric] = row.value
        if row.kind == "drift":
            drift = _worse(drift, row.status)
            if _is_score(row) and _decides(row, scores.get(row.metric)):
                scores[row.metric] = row
    series = _series(statuses, scores, ratios) | _why_series(why)
    shape = tuple(series)
    return Column(
        segment=rows[0].segment,
        column=rows[0].column,
        failing=max((max(_RANK[status] - 1, 0) for status in statuses.values()), default=0),
        drift=drift,
        drifted=drift == "alert" or any(row.kind == "drift" and row.method.get("drifted") for row in rows),
        importance=importance,
        shape=_shapes.setdefault(shape, shape),
        values=array("d", series.values()),
    )


def _series(
    statuses: Mapping[str, str], scores: Mapping[str, ResultRow], ratios: Mapping[str, float]
) -> dict[tuple[str, str], float]:
    made: dict[tuple[str, str], float] = {}
    for check, status in statuses.items():
        made["driftline_column_status", labels(check=check)] = STATUS_VALUE[status]
    for metric, row in scores.items():
        made["driftline_drift_score", labels(metric=metric)] = row.value if row.value is not None else 0.0
        if row.threshold is not None:
            made["driftline_drift_threshold", labels(metric=metric)] = row.threshold
    for metric, ratio in ratios.items():
        made["driftline_quality_ratio", labels(metric=metric)] = ratio
    return made


def _why_series(why: Mapping[str, Mapping[str, Any]]) -> dict[tuple[str, str], float]:
    """By check, how much of the evidence the column gave and which way, and how rare that is."""
    made: dict[tuple[str, str], float] = {}
    for check, told in why.items():
        way = labels(check=check, direction=told.get("way", ""))
        made["driftline_column_evidence_ratio", way] = told["evidence"]
        if "once_in_seconds" in told:
            bound = labels(check=check, bound="at_least" if told["bound"] else "about")
            made["driftline_column_rarity_seconds", bound] = told["once_in_seconds"]
    return made


def _is_score(row: ResultRow) -> bool:
    """Whether a drift row's value is shown: surprise, psi, and any other metric that has a threshold."""
    shown = row.metric in DRIFT_METRICS or (row.threshold is not None and row.metric not in QUALITY_METRICS)
    return shown and row.value is not None


def _decides(row: ResultRow, known: ResultRow | None) -> bool:
    """Whether a row is shown over another of its metric: one with a threshold first, then the larger value."""
    if known is None:
        return True
    order = [(found.threshold is not None, found.value or 0.0) for found in (known, row)]
    return order[1] > order[0]


def _worse(known: str | None, status: str) -> str:
    return status if known is None or _RANK[status] > _RANK[known] else known
