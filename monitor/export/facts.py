"""What one version's series are made from: the store's facts, and what is derived from its newest result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from monitor.model.entities import Model, Version
from monitor.model.results import CheckState, ResultRow

QUALITY_METRICS = ("missing", "invalid", "unseen", "out_of_range")
DRIFT_METRICS = ("surprise", "psi")
_RANK = {"unknown": 0, "ok": 1, "warning": 2, "alert": 3}  # of several rows of a column the worst decided one counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """The numbers of one column of one segment; ``column`` is ``""`` for the whole model."""

    segment: str
    column: str
    statuses: Mapping[str, str]  # by check
    scores: Mapping[str, float]  # by metric
    thresholds: Mapping[str, float]  # by metric
    ratios: Mapping[str, float]  # by quality metric
    drift: str | None  # the worst status of kind drift

    @property
    def failing(self) -> int:
        """2 in alert, 1 in warning, else 0: the order in which columns are kept."""
        return max((max(_RANK[status] - 1, 0) for status in self.statuses.values()), default=0)

    @property
    def series(self) -> int:
        """How many series the column has."""
        return len(self.statuses) + len(self.scores) + len(self.thresholds) + len(self.ratios)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The newest judged window of a version."""

    start_us: int
    end_us: int
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionFacts:
    """One version as the page shows it. ``newest_end_us`` is the end of the newest window that has rows, if any."""

    model: Model
    version: Version
    states: tuple[CheckState, ...] = ()
    window: Window | None = None
    newest_end_us: int | None = None
    columns: tuple[Column, ...] = ()
    importance: Mapping[str, float] = field(default_factory=dict)

    def stale(self, *, now_us: int) -> bool:
        """Whether the newest window (without any: the version itself) is older than ``stale_after``."""
        newest_us = self.newest_end_us if self.newest_end_us is not None else self.version.created_us
        return now_us - newest_us > self.model.stale_us


def columns_of(rows: Iterable[ResultRow]) -> tuple[Column, ...]:
    """The columns of a result in the order they first appear, the rows of each gathered."""
    gathered: dict[tuple[str, str], list[ResultRow]] = {}
    for row in rows:
        gathered.setdefault((row.segment, row.column), []).append(row)
    return tuple(_column(segment, column, group) for (segment, column), group in gathered.items())


def _column(segment: str, column: str, rows: list[ResultRow]) -> Column:
    statuses: dict[str, str] = {}
    scores: dict[str, float] = {}
    thresholds: dict[str, float] = {}
    ratios: dict[str, float] = {}
    drift: str | None = None
    for row in rows:
        if column:
            statuses[row.check] = _worse(statuses.get(row.check), row.status)
        if row.metric in QUALITY_METRICS and row.value is not None:
            ratios[row.metric] = row.value
        if row.kind == "drift":
            drift = _worse(drift, row.status)
            _take_score(row, scores, thresholds)
    return Column(segment=segment, column=column, statuses=statuses, scores=scores, thresholds=thresholds,
                  ratios=ratios, drift=drift)  # fmt: skip


def _take_score(row: ResultRow, scores: dict[str, float], thresholds: dict[str, float]) -> None:
    """Keep a drift row's value: the row with a threshold over one without, of several the largest value."""
    if row.value is None or row.metric in QUALITY_METRICS:
        return
    if row.metric not in DRIFT_METRICS and row.threshold is None:
        return
    decided, known = row.threshold is not None, row.metric in thresholds
    if row.metric in scores and ((known and not decided) or (known == decided and row.value <= scores[row.metric])):
        return
    scores[row.metric] = row.value
    if row.threshold is not None:
        thresholds[row.metric] = row.threshold


def _worse(known: str | None, status: str) -> str:
    return status if known is None or _RANK[status] > _RANK[known] else known
