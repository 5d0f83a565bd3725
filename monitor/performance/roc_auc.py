"""Area under the ROC curve: how often a row of the class has the higher score than one of the others."""

from __future__ import annotations

from math import inf, sqrt

import numpy as np

from monitor.performance.intervals import logit, wilson
from monitor.performance.measured import Measured, unknown
from monitor.performance.outline import Flags, Floats, Integers


def roc_auc(histogram: Integers, *, atoms: Flags) -> Measured:
    """P(score of the class > score of another) + ½ P(equal), from int64[2, B]: rows by (other, class) and score cell.

    Rows of one cell count as equal, so the value is exact where every filled cell is an atom (bool[B]), and all scores
    equal give 0.5. Elsewhere the exact value lies within value ± ``bound``, half the share of (other, class) pairs
    that share a cell which is no atom; so does scikit-learn's.
    The standard error is DeLong's, from the placement of each cell among the rows of the other side; the interval is
    Student's on the logit's scale, with Welch's degrees of freedom, for a handful of rows of the class tell little of
    their own spread; or Wilson's with as many rows as the smaller side where the sides do not overlap.
    Undefined with one class only (``one_class``), where scikit-learn gives NaN with a warning.
    Source: DeLong, DeLong and Clarke-Pearson (1988), Biometrics 44(3); Qin and Hotilovac (2008), Stat. Methods Med.
    Res. 17(2), for the logit; Welch (1947), Biometrika 34(1-2).

    >>> found = roc_auc(np.array([[3, 1, 0], [0, 1, 2]]), atoms=np.ones(3, bool))
    >>> round(found.value, 6), found.method["bound"]
    (0.958333, 0.0)
    """
    other, own = histogram
    negatives, positives = int(other.sum()), int(own.sum())
    n = negatives + positives
    if not negatives or not positives:
        return unknown("roc_auc", "one_class" if n else "no_labels", n=n)
    of_other, of_own = placements(histogram.astype(np.float64))
    value = float(own @ of_own / positives)
    bound = float((other * own)[~atoms].sum() / 2 / negatives / positives)
    method = {"interval": "DeLong, logit", "bound": bound}
    if value in (0.0, 1.0):
        least = min(negatives, positives)
        lower, upper, se = wilson(value * least, least)
        method["interval"] = "Wilson on the smaller class"
    else:
        parts = _variance(of_own, rows=own) / positives, _variance(of_other, rows=other) / negatives
        lower, upper = logit(value, se=sqrt(sum(parts)), freedom=_freedom(parts, sizes=(positives, negatives)))
        se = sqrt(sum(parts))
    return Measured(metric="roc_auc", value=value, lower=lower, upper=upper, se=se, n=n, method=method)


def placements(histogram: Floats) -> Floats:
    """float64[2, B]: how often a row in this cell wins against the other side, for the other rows and for the class's.

    The histogram float64[2, B] must have rows of both. DeLong's V01 and V10.

    >>> placements(np.array([[3.0, 1.0], [0.0, 4.0]])).tolist()
    [[1.0, 0.5], [0.375, 0.875]]
    """
    other, own = histogram
    won = (np.cumsum(other) - other / 2) / other.sum()
    return np.array([1 - (np.cumsum(own) - own / 2) / own.sum(), won])


def influences(histogram: Floats) -> Floats:
    """float64[2, B]: n times what one row, of the other or of the class, in this cell adds to the area."""
    own, side = histogram[1], placements(histogram)
    area = own @ side[1] / own.sum()
    share = own.sum() / histogram.sum()
    return np.array([(side[0] - area) / (1 - share), (side[1] - area) / share])


def _variance(values: Floats, *, rows: Integers) -> float:
    """The sample variance of values float64[B] that have so many rows each; of one row, ¼, the most there can be."""
    n = int(rows.sum())
    mean = rows @ values / n
    return float(rows @ (values - mean) ** 2 / (n - 1)) if n > 1 else 0.25


def _freedom(parts: tuple[float, float], *, sizes: tuple[int, int]) -> float:
    """Welch's degrees of freedom of a sum of two variances of means of so many rows each."""
    below = sum(part**2 / max(size - 1, 1) for part, size in zip(parts, sizes, strict=True))
    return sum(parts) ** 2 / below if below > 0 else inf
