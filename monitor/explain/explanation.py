"""What an explanation holds, in numbers; ``sentence.py`` says it in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from monitor.explain.direction import Direction
from monitor.explain.facts import Fact
from monitor.explain.rarity import Rarity
from monitor.model.results import Status
from monitor.model.time import rfc3339


@dataclass(frozen=True, slots=True, kw_only=True)
class Since:
    """The window that a column's change begins with, and those between which it is 95 % certain to.

    ``windows`` were looked at; ``before_all``: it is older than all of them, ``start_us`` is the oldest.
    """

    start_us: int
    earliest_us: int
    latest_us: int
    windows: int
    before_all: bool

    def to_json(self) -> dict[str, Any]:
        """The change-point as JSON values."""
        return {
            "window_start": rfc3339(self.start_us), "earliest": None if self.before_all else rfc3339(self.earliest_us),
            "latest": rfc3339(self.latest_us), "windows": self.windows,
            "kind": "before" if self.before_all else "step",
        }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnStory:
    """One column (``""``: the whole model) behind a check.

    ``share`` is its part of the evidence of the failing columns, 0..1, None where it does not fail; ``windows`` how
    many were looked at together; ``direction`` None where no counts are left to tell.
    """

    column: str
    status: Status
    metric: str
    value: float | None
    threshold: float | None
    share: float | None
    test: str
    windows: int
    direction: Direction | None
    facts: tuple[Fact, ...]
    since: Since | None
    words: str

    def to_json(self) -> dict[str, Any]:
        """The column as JSON values."""
        return {
            "column": self.column, "status": self.status, "metric": self.metric, "value": self.value,
            "threshold": self.threshold, "share": self.share, "test": self.test, "windows": self.windows,
            "direction": None if self.direction is None else self.direction.to_json(),
            "facts": [fact.to_json() for fact in self.facts],
            "since": None if self.since is None else self.since.to_json(), "words": self.words,
        }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a check came out as it did in one window: the columns (worst first, ``failing`` of ``decided``), how rare.

    ``budget`` is what the user allows, in words; ``calibration`` learning, extrapolated or calibrated, None where
    the check's threshold is not from one.
    """

    check: str
    kind: str
    status: Status
    reason: str | None
    rows: int
    failing: int
    decided: int
    columns: tuple[ColumnStory, ...]
    rarity: Rarity | None
    budget: str | None
    calibration: str | None
    sentence: str

    def to_json(self) -> dict[str, Any]:
        """The explanation as JSON values, without its sentence."""
        return {
            "status": self.status, "reason": self.reason, "rows": self.rows, "columns_failing": self.failing,
            "columns_decided": self.decided, "columns": [column.to_json() for column in self.columns],
            "rarity": None if self.rarity is None else self.rarity.to_json(), "false_alarms": self.budget,
            "calibration": self.calibration,
        }  # fmt: skip
