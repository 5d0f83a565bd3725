"""What a judged window leaves: result rows, check verdicts, transitions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import msgspec

Status = Literal["ok", "warning", "alert", "unknown"]
SEVERITY_ORDER: dict[str, int] = {"ok": 0, "warning": 1, "alert": 2, "unknown": 3}
UNKNOWN_REASONS = (
    "few_rows", "learning", "no_reference", "constant", "all_missing", "failed", "baseline_too_short",
    "too_many_categories", "not_comparable", "few_labels", "labels_due", "one_class", "no_scores", "no_predictions",
    "no_labels", "none_predicted", "zero_targets", "below_minus_one", "unscored_classes",
    "few_predicted", "no_segment",
)  # fmt: skip


class ResultRow(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """One number of one window: value, threshold, status and the convention (``method``) behind it.

    ``column`` is ``""`` for the whole model, ``segment`` ``""`` for all traffic. ``needs`` is the n an
    unknown row would need. Window, model and reference are the result's, not repeated here. (A struct and no
    dataclass: a window of 200 columns has over a thousand, and a struct is made ten times as fast.)
    """

    segment: str = ""
    column: str
    metric: str
    check: str
    kind: str
    value: float | None
    lower: float | None = None
    upper: float | None = None
    threshold: float | None = None
    p_value: float | None = None
    rows: int
    reference_rows: int
    status: Status
    reason: str | None = None
    needs: int | None = None
    method: dict[str, Any] = msgspec.field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnEvidence:
    """A column behind a failing check: the shape of ``columns`` in alerts and actions."""

    column: str
    metric: str
    value: float | None
    threshold: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckVerdict:
    """One check held against one window and segment."""

    check: str
    kind: str
    segment: str = ""
    severity: Literal["critical", "warning", "none"]
    status: Status
    reason: str | None = None
    value: float | None = None
    threshold: float | None = None
    rows: int
    needs: int | None = None
    columns_failing: int = 0
    columns: tuple[ColumnEvidence, ...] = ()
    hold: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckState:
    """The verdict in force of (version, check, segment): kept between windows.

    ``status`` is the last *decided* one (never unknown, unless nothing was ever decided); ``unknown_reason``
    is set while the newest judged window could not be decided. ``streak`` counts the consecutive windows
    whose own verdict was a warning or worse, ``alert_streak`` those that were in alert (for ``hold``).
    """

    check: str
    kind: str
    segment: str
    severity: str
    status: Status
    unknown_reason: str | None
    since_us: int
    window_start_us: int
    window_end_us: int
    value: float | None
    threshold: float | None
    rows: int
    needs: int | None
    columns_failing: int
    columns: tuple[ColumnEvidence, ...]
    streak: int = 0
    alert_streak: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """A verdict that changed: what alerts are made of."""

    check: str
    kind: str
    segment: str
    severity: str
    from_status: Status
    status: Status
    at_us: int
    window_start_us: int
    window_end_us: int
    value: float | None
    threshold: float | None
    rows: int
    columns: tuple[ColumnEvidence, ...]
    explanation: str
