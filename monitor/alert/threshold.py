"""One threshold for all columns: the model score of a window, and how high healthy history says it goes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monitor.alert.cells import Floats

MOST_PEAKS = 30


def model_score(log_p: Floats, *, tests: int, looks_per_month: float) -> Floats:
    """A = −ln(P · looks per month) of −ln p float64[..., tests judged], P = 1 − (1 − p_min)^tests.

    nan stands for tests not judged. A window where nothing was judged scores −∞.

    >>> float(model_score(np.array([[np.log(720.0)]]), tests=1, looks_per_month=720.0)[0])
    0.0
    """
    most = np.where(np.isnan(log_p), -np.inf, log_p).max(axis=-1, initial=-np.inf)
    with np.errstate(divide="ignore"):
        family = -np.expm1(max(tests, 1) * np.log1p(-np.exp(-np.maximum(most, 0.0))))
        log_family = np.where(most > 30.0, np.log(max(tests, 1)) - most, np.log(np.maximum(family, 1e-300)))
    return np.where(np.isneginf(most), -np.inf, -log_family - np.log(looks_per_month))


def column_threshold(score: float, *, tests: int, looks_per_month: float) -> float:
    """The −ln p at which one test alone would give this model score: the inverse of ``model_score``.

    >>> h = 2.0
    >>> y = column_threshold(h, tests=40, looks_per_month=720.0)
    >>> round(float(model_score(np.array([[y]]), tests=40, looks_per_month=720.0)[0]), 9)
    2.0
    """
    log_family = -score - np.log(looks_per_month)
    if log_family >= 0.0:
        return 0.0
    if log_family < -30.0:
        return float(np.log(max(tests, 1)) - log_family)
    return float(-np.log(-np.expm1(np.log1p(-np.exp(log_family)) / max(tests, 1))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Peaks:
    """What the replay leaves of the model scores of K windows: ``count`` k peaks over ``start`` v, their sum S."""

    windows: int
    count: int
    start: float
    total: float

    def threshold(self, *, per_month: float, windows_per_month: float) -> float:
        """h: the score that healthy windows pass so many times a month, in the predictive distribution.

        Exceedances are taken as exponential with a mean known from k of them only, so h = v + S (ratio^{1/k} − 1),
        ratio = (k + 1) N / ((K + 1) b); v where that is below. At k = 1 this is the conformal rule "above the
        largest of K".
        """
        ratio = (self.count + 1) * windows_per_month / ((self.windows + 1) * per_month)
        return self.start + self.total * max(float(ratio ** (1.0 / self.count)) - 1.0, 0.0)


def find_peaks(scores: Floats) -> Peaks:
    """The declustered peaks of scores float64[K] in time order: maxima more than min(24, K/60) windows apart."""
    windows = len(scores)
    gap = int(min(24, windows // 60))
    highest: list[float] = []
    free = np.isfinite(scores)
    for position in np.argsort(-scores, kind="stable"):
        if free[position]:
            highest.append(float(scores[position]))
            free[max(position - gap, 0) : position + gap + 1] = False
    count = max(1, min(MOST_PEAKS, len(highest) // 3))
    top = np.array(highest[: count + 1])
    if len(top) < 2:
        return Peaks(windows=windows, count=1, start=0.0, total=1.0)
    count = min(count, len(top) - 1)
    start = float(top[count])
    return Peaks(windows=windows, count=count, start=start, total=max(float(count), float((top[:count] - start).sum())))
