"""A metric's value with what is not known about it."""

from __future__ import annotations

from typing import Any

import msgspec

REASONS = (
    "no_labels", "no_predictions", "no_scores", "one_class", "none_predicted", "unscored_classes", "few_labels",
    "constant", "zero_targets", "below_minus_one",
)  # fmt: skip


class Measured(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """``value`` of ``metric`` with its 95 % confidence interval and standard error ``se``, from ``n`` rows.

    Where it cannot be said the value is None and ``reason`` says why; where only the interval cannot (one row), lower,
    upper and se are None. ``method`` is the convention: the interval's name, the ``bound`` that score cells leave
    (the exact value lies within value ± bound), how many rows or classes were left out. Reasons are of ``REASONS``.
    """

    metric: str
    value: float | None = None
    lower: float | None = None
    upper: float | None = None
    se: float | None = None
    n: int = 0
    reason: str | None = None
    method: dict[str, Any] = msgspec.field(default_factory=dict)


def unknown(metric: str, reason: str, *, n: int = 0) -> Measured:
    """The metric without a value.

    >>> unknown("roc_auc", "one_class", n=12).reason
    'one_class'
    """
    return Measured(metric=metric, reason=reason, n=n)
