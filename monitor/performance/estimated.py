"""An estimate of one performance metric, with its sampling error and how it was made."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

ASSUMPTION = "no concept drift"
CONFIDENCE = 0.95
LEAST_ROWS = 50
LEAST_EXPECTED = 5.0  # rows of a class, or predicted so, under which a ratio over them is not estimated

_WIDE = float(ndtri(0.5 + CONFIDENCE / 2.0))


class Estimated(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """``value`` of ``metric``; None with a ``reason`` where it cannot be said.

    ``[lower, upper]`` holds what the labels of these same ``n`` rows will show in 95 of 100 windows; ``se`` is the
    standard error of that difference: chance in the labels to come, and what is not known of the calibration (of the
    model of the loss). ``method`` names the assumption, the calibration and the labels it comes from.
    """

    metric: str
    value: float | None
    lower: float | None = None
    upper: float | None = None
    se: float | None = None
    n: int
    reason: str | None = None
    method: dict[str, Any] = msgspec.field(default_factory=dict)


class Expected(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a metric comes to in the mean, before its error is known.

    ``slope`` float64[2, B] or broadcast to it: by how much the metric rises when one record of that (predicted side,
    score cell) turns out to have the class instead of not.
    """

    value: float
    slope: NDArray[np.float64]


def between(
    metric: str, *, value: float, variance: float, n: int, ends: tuple[float, float], method: dict[str, Any]
) -> Estimated:
    """The estimate with normal 95 % bounds, clipped to what the metric can be (``ends``)."""
    se = float(np.sqrt(variance))
    lower, upper = np.clip((value - _WIDE * se, value + _WIDE * se), *ends).tolist()
    inside = float(np.clip(value, *ends))
    return Estimated(metric=metric, value=inside, lower=lower, upper=upper, se=se, n=n, method=method)


def not_estimated(metric: str, *, n: int, reason: str, method: dict[str, Any]) -> Estimated:
    """The estimate that cannot be given, and why."""
    return Estimated(metric=metric, value=None, n=n, reason=reason, method=method)
