"""Expected calibration error: how far scores are from the shares they promise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.special import ndtr

from monitor.performance.intervals import Z
from monitor.performance.measured import Measured, unknown
from monitor.performance.outline import Flags, Floats, Integers

_ROUNDS, _STEPS = 3, 100


def calibration_error(rows: Integers, *, hits: Integers, scores: Floats, squares: Floats) -> Measured:
    """Σ_b (n_b / n) |share of hits − mean score| over bins, from the sums of each: n_b, Σ hit, Σ s, Σ (hit − s)².

    Ten right-closed bins of equal width. Noise alone makes it positive: ``if_calibrated`` is what a perfectly
    calibrated model would show with these rows. The interval is of the true value, so it may begin at 0 while the value
    does not: it holds those multiples t of the gaps seen for which the value seen is within the middle 95 % of what
    gaps of that size and their noise (folded normal) would give. Undefined without rows (``no_labels``).
    Source: Naeini, Cooper and Hauskrecht (2015), AAAI; Leone, Nelson and Nottingham (1961), Technometrics 3(4), for
    the folded normal.

    >>> found = calibration_error(
    ...     np.array([100, 100]), hits=np.array([30, 80]), scores=np.array([20.0, 70.0]), squares=np.array([25.0, 25.0])
    ... )
    >>> round(found.value, 3), 0 < found.lower < 0.1 < found.upper
    (0.1, True)
    """
    n = int(rows.sum())
    if not n:
        return unknown("calibration_error", "no_labels")
    filled = rows > 0
    size = rows[filled].astype(np.float64)
    gaps = np.abs(hits[filled] - scores[filled]) / size
    # the variance of one row is at least that of a bin with half a miss, or a single row would know its bin exactly
    noise = np.sqrt(np.maximum(squares[filled] / size - gaps**2, 0.25 / (size + 1)) / size)
    bins = _Bins(rows=n, weights=size / n, gaps=gaps, noise=noise)
    value = float(bins.weights @ gaps)
    lower, upper = (value * _first(partial(bins.reach, value=value, side=side)) for side in (1.0, -1.0))
    (if_calibrated, _), (_, se) = np.column_stack(bins.seen(np.array([0.0, 1.0]))).tolist()
    method = {"bins": "10 of equal width", "interval": "folded normal, inverted", "if_calibrated": if_calibrated}
    return Measured(
        metric="calibration_error", value=value, lower=min(lower, value), upper=max(upper, value), se=se, n=n,
        method=method,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bins:
    """The filled bins of ``rows`` rows: their shares of them, the gaps seen, the standard errors of these."""

    rows: int
    weights: Floats
    gaps: Floats
    noise: Floats

    def seen(self, times: Floats) -> tuple[Floats, Floats]:
        """Mean and standard deviation of the value, float64[T] each, were the true gaps so many times those seen."""
        true = times[:, None] * self.gaps
        mean = _folded_mean(true, noise=self.noise)
        within = (true**2 + self.noise**2 - mean**2) @ self.weights**2
        between = np.maximum(true**2 @ self.weights - (true @ self.weights) ** 2, 0.0) / self.rows
        return mean @ self.weights, np.sqrt(within + between)

    def reach(self, times: Floats, *, value: float, side: float) -> Flags:
        """bool[T]: whether the end of the middle 95 %, upper (side 1) or lower (−1), is at or above the value."""
        mean, sd = self.seen(times)
        return mean + side * Z * sd >= value


def _folded_mean(mean: Floats, *, noise: Floats) -> Floats:
    """E |X| of X normal."""
    z = mean / noise
    folded: Floats = noise * np.sqrt(2 / np.pi) * np.exp(-z * z / 2) + mean * (1 - 2 * ndtr(-z))
    return folded


def _first(holds: Callable[[Floats], Flags]) -> float:
    """The least t ≥ 0 at which a condition that stays true begins to hold, to a millionth of it; up to a million."""
    low, high = 0.0, 1.0
    while not holds(np.array([high]))[0] and high < 1e6:
        high *= 2
    for _ in range(_ROUNDS):
        grid = np.linspace(low, high, _STEPS + 1)
        first = int(np.argmax(holds(grid)))
        low, high = float(grid[max(first - 1, 0)]), float(grid[first])
    return high
