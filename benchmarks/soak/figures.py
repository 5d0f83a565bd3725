"""From samples and answers to figures: slopes with their intervals, latencies by five minutes, what grew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True, slots=True)
class Slope:
    """A change a minute and its 95 % interval."""

    value: float
    lower: float
    upper: float

    @property
    def rises(self) -> bool:
        """Whether the interval leaves no room for standing still or falling."""
        return self.lower > 0


def by_minute(at: np.ndarray, values: np.ndarray, *, since: float, until: float) -> list[np.ndarray]:
    """The values of each whole minute of ``[since, until)``, seconds; minutes without any are left out."""
    minutes = [values[(at >= begin) & (at < begin + 60)] for begin in np.arange(since, until - 59.999, 60)]
    return [minute for minute in minutes if len(minute)]


def least_squares(values: Sequence[float]) -> Slope:
    """The slope of one value a minute.

    Neighbours that resemble each other say less than as many independent ones: the interval is widened by
    ``sqrt((1 + r) / (1 - r))``, r the autocorrelation of the residuals at one minute (Santer et al. 2000,
    10.1029/1999JD901105, eq. 6 for a long series).

    >>> least_squares([1.0, 3.0, 5.0, 7.0])
    Slope(value=2.0, lower=2.0, upper=2.0)
    """
    y = np.asarray(values, np.float64)
    x = np.arange(len(y), dtype=np.float64)
    slope, start = np.polyfit(x, y, 1)
    left = y - (start + slope * x)
    spread = float(left @ left)
    if spread < 1e-9 * max(1.0, float(y @ y)):
        return Slope(*[round(float(slope), 9)] * 3)
    alike = min(0.95, max(0.0, float(left[1:] @ left[:-1]) / spread))
    error = np.sqrt(spread / (len(y) - 2) / float(((x - x.mean()) ** 2).sum()) * (1 + alike) / (1 - alike))
    half = float(stats.t.ppf(0.975, len(y) - 2) * error)
    return Slope(float(slope), float(slope) - half, float(slope) + half)


def theil_sen(values: Sequence[float]) -> Slope:
    """The median slope of all pairs of minutes, as a share of the median value; one slow minute does not move it.

    >>> theil_sen([10.0, 10.0, 10.0, 400.0, 10.0]).value
    0.0
    """
    y = np.asarray(values, np.float64)
    slope, _, lower, upper = stats.theilslopes(y, np.arange(len(y)), 0.95)
    middle = float(np.median(y))
    return Slope(float(slope) / middle, float(lower) / middle, float(upper) / middle)


def growth(before: Sequence[float], after: Sequence[float]) -> float:
    """By how much the median of the last quarter of ``after`` exceeds the most of ``before``; 0 where it does not.

    What leaks adds up. What a pool opens when more come at once than ever before is kept, and is no leak.

    >>> growth([12, 14, 12], [12] * 11 + [40]), growth([12, 14, 12], [14, 15, 16, 17, 18, 19, 20, 20])
    (0.0, 6.0)
    """
    return max(0.0, float(np.median(after[-max(1, len(after) // 4) :])) - max(before))
