"""Average precision: the area under the precision-recall curve, as a sum of steps."""

from __future__ import annotations

from math import sqrt

import numpy as np
from scipy.special import digamma

from monitor.performance.intervals import logit, wilson
from monitor.performance.measured import Measured, unknown
from monitor.performance.outline import Flags, Floats, Integers


def average_precision(histogram: Integers, *, atoms: Flags) -> Measured:
    """Σ (R_i − R_{i−1}) P_i over falling thresholds, from int64[2, B]: rows by (other, class) and score cell.

    Rows of one cell are told apart by no threshold, so the value is exact where every filled cell is an atom
    (bool[B]); elsewhere the exact value, scikit-learn's, lies within value ± ``bound``: in a cell with p rows of the
    class, q others, and T and F above it, the rows of the class come first or last, so each has a precision of at most
    (T + p)/(T + p + F), and the i-th of at least (T + i)/(T + i + F + q).
    The standard error is that of the influence of each row on the value; the interval is Student's on the logit's
    scale, with one degree of freedom less than the class has rows (where the value is 1, Wilson's of so many rows).
    Undefined without rows of the class (``one_class``), where scikit-learn gives 0 with a warning; without
    others it is 1, as scikit-learn's.
    Source: Boyd, Eng and Page (2013), ECML, for the logit interval; Hampel (1974), J. Amer. Statist. Assoc. 69, for
    influence.

    >>> average_precision(np.array([[3, 1, 0], [0, 1, 2]]), atoms=np.ones(3, bool)).value
    0.9166666666666666
    """
    other, own = histogram[:, ::-1]
    n, positives = int(histogram.sum()), int(own.sum())
    if not positives:
        return unknown("average_precision", "one_class" if n else "no_labels", n=n)
    value = float(own @ (np.cumsum(own) / np.maximum(np.cumsum(own + other), 1)) / positives)
    method = {"interval": "influence, logit", "bound": _bound(own, other=other, value=value, atoms=atoms[::-1])}
    if value == 1.0:
        lower, upper, se = wilson(positives, positives)
        method["interval"] = "Wilson on the class"
    else:
        rows = histogram.astype(np.float64)
        se = sqrt(float((rows * influences(rows) ** 2).sum())) / n
        lower, upper = logit(value, se=se, freedom=positives - 1)
    return Measured(metric="average_precision", value=value, lower=lower, upper=upper, se=se, n=n, method=method)


def influences(histogram: Floats) -> Floats:
    """float64[2, B]: n times what one row, of the other or of the class, in this cell adds to the value.

    A row in cell s moves the precision of every threshold at or below it: by (1 − precision_t)/rows above t if it is
    of the class, by −precision_t/rows above t if not; and a row of the class adds its own precision less the value.
    """
    other, own = histogram[:, ::-1]
    told = np.cumsum(own + other)
    over = np.divide(1.0, told, out=np.zeros_like(told), where=told > 0)
    precision = np.cumsum(own) * over
    value, weight = own @ precision / own.sum(), own * over
    right = precision - value + np.cumsum((weight * (1 - precision))[::-1])[::-1]
    wrong = -np.cumsum((weight * precision)[::-1])[::-1]
    scaled: Floats = np.array([wrong[::-1], right[::-1]]) * (histogram.sum() / own.sum())
    return scaled


def _bound(own: Integers, *, other: Integers, value: float, atoms: Flags) -> float:
    """How far the exact value can be: the further end of its bracket."""
    mixed = np.flatnonzero(~atoms & (own > 0) & (own + other > 1))
    p, q = own[mixed].astype(np.float64), other[mixed].astype(np.float64)
    t, f = (np.cumsum(side)[mixed] - side[mixed] for side in (own, other))
    ours = p * (t + p) / (t + p + f + q)
    # Σ (t + i)/(t + i + f + q) for i = 1 … p
    last = p - (f + q) * (digamma(t + p + f + q + 1) - digamma(t + f + q + 1))
    first = p * (t + p) / (t + p + f)
    positives = max(int(own.sum()), 1)
    return float(max((first - ours).sum(), (ours - last).sum()) / positives)
