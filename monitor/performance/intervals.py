"""Confidence intervals at 95 % from a value and its standard error, or from counts and sums."""

from __future__ import annotations

from math import cbrt, exp, inf, log, log1p, sqrt

from scipy.special import stdtrit

from monitor.performance.measured import Measured, unknown
from monitor.performance.outline import Floats

Z = 1.959963984540054  # the normal quantile of 97.5 %
_WIDEST = 300.0  # on the logit's scale all of 0 to 1


def wilson(hits: float, n: float) -> tuple[float, float, float]:
    """Lower, upper and standard error of a share of n > 0 rows.

    The standard error is that of the interval's center (two hits and two misses added, nearly), so it is never 0.
    Source: Wilson (1927), J. Amer. Statist. Assoc. 22; Agresti and Coull (1998), Amer. Statist. 52(2).

    >>> [round(x, 4) for x in wilson(9, 10)]
    [0.5958, 0.9821, 0.1097]
    """
    whole = n + Z * Z
    center = (hits + Z * Z / 2) / whole
    half = Z * sqrt(hits * (n - hits) / n + Z * Z / 4) / whole
    return max(center - half, 0.0), min(center + half, 1.0), sqrt(center * (1 - center) / whole)


def logit(value: float, *, se: float, freedom: float = inf) -> tuple[float, float]:
    """Lower and upper of a value strictly within 0 to 1, on the scale of its logit: never outside 0 to 1.

    ``freedom``: the degrees of freedom behind the standard error, for Student's quantile; unless told the normal one.

    >>> [round(x, 4) for x in logit(0.9, se=0.02)]
    [0.8534, 0.9329]
    """
    odds = log(value) - log1p(-value)
    step = min(student(freedom) * se / (value * (1 - value)), _WIDEST)
    return 1 / (1 + exp(step - odds)), 1 / (1 + exp(-step - odds))


def student(freedom: float) -> float:
    """The 97.5 % quantile of Student's law, of at least one degree of freedom.

    >>> round(student(10), 3)
    2.228
    """
    return float(stdtrit(max(freedom, 1.0), 0.975)) if freedom < inf else Z


def mean_of(metric: str, losses: Floats, *, least: float | None = 0.0) -> Measured:
    """The mean of a loss from float64[4], its rows, Σ v, Σ v² and Σ v³, with an interval that knows its skewness.

    Hall's transformed t: losses are skewed to the right, and the mean of a few hundred of them still is. Lower is not
    below ``least``, the smallest a loss can be. Unknown without rows (``no_labels``); no interval with one.
    Source: Hall (1992), J. Roy. Statist. Soc. B 54(1), section 2, the cubic transformation.

    >>> import numpy as np
    >>> found = mean_of("bias", np.array([3.0, 6.0, 14.0, 36.0]), least=None)  # of 1, 2, 3: no skewness, Student's t
    >>> found.value, round(found.lower, 4), round(found.upper, 4)
    (2.0, -0.4841, 4.4841)
    """
    n, total, squares, cubes = losses.tolist()
    if not n:
        return unknown(metric, "no_labels")
    mean = total / n
    if n < 2:
        return Measured(metric=metric, value=mean, n=int(n), method={"interval": None})
    variance = max(squares / n - mean * mean, 0.0)
    skewness = (cubes / n - 3 * mean * squares / n + 2 * mean**3) / variance**1.5 if variance > 0 else 0.0
    sd = sqrt(variance)
    step = student(n - 1) / sqrt(n - 1)
    lower, upper = (mean - sd * _untransformed(at, skewness=skewness, n=n) for at in (step, -step))
    lower = lower if least is None else max(lower, least)
    method = {"interval": "Hall's transformed t"}
    return Measured(
        metric=metric, value=mean, lower=lower, upper=upper, se=sd / sqrt(n - 1), n=int(n), method=method
    )  # fmt: skip


def _untransformed(at: float, *, skewness: float, n: float) -> float:
    """The t (over √n) whose transform T + γ T²/3 + γ² T³/27 + γ/(6 n) is ``at``."""
    if abs(skewness) < 1e-9:
        return at
    return 3 / skewness * (cbrt(1 + skewness * (at - skewness / (6 * n))) - 1)
