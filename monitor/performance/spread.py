"""How the classes of a macro average hang together: what a row adds to all their metrics at once.

The histograms of the classes are counted one by one and cannot tell whether two classes' AUC err together. A row's
influence on each is known from the reference's scores, though, so the influences of a window's rows are summed over
the classes while they are counted, and three sums tell the variance of their total.
"""

from __future__ import annotations

from math import sqrt

import numpy as np

from monitor.performance import average_precision, roc_auc
from monitor.performance.outline import Floats, Outline
from monitor.performance.scorecard import MACRO_SCORE_METRICS, Scorecard

_INFLUENCES = {"roc_auc": roc_auc.influences, "average_precision": average_precision.influences}


def influence_tables(outline: Outline) -> list[Floats]:
    """Of each scored class a float64[2, 2, B]: by metric, (other, class) and score cell; 0 where one side is empty.

    None for a binary model, and none where the outline knows no reference histograms.
    """
    if outline.binary:
        return []
    tables = []
    for histogram in outline.histograms:
        both = bool(histogram.sum(axis=1).all())
        one = [_INFLUENCES[name](histogram) if both else np.zeros_like(histogram) for name in MACRO_SCORE_METRICS]
        tables.append(np.array(one))
    return tables


def influence_sums(influences: Floats) -> Floats:
    """float64[M, 3]: by metric the rows, Σ g and Σ g² of the influences float64[M, n].

    >>> influence_sums(np.array([[1.0, 2.0]])).tolist()
    [[2.0, 3.0, 5.0]]
    """
    rows = np.full(len(influences), influences.shape[1])
    return np.column_stack((rows, influences.sum(axis=1), (influences * influences).sum(axis=1)))


def score_spread(outline: Outline, card: Scorecard, *, metric: str) -> float | None:
    """The standard error of a macro average of AUC or average precision over that of independent classes.

    None where it is not known: under two rows with every score, or an outline without reference histograms.
    """
    place = MACRO_SCORE_METRICS.index(metric)
    rows, total, squares = card.influences[place].tolist()
    tables = influence_tables(outline)
    if rows < 2 or not tables:
        return None
    together = squares / rows - (total / rows) ** 2
    independent = 0.0
    for table, histogram in zip(tables, card.by_label, strict=True):
        own = histogram[:, : table.shape[2]]
        n = max(int(own.sum()), 1)
        independent += float((own * table[place] ** 2).sum()) / n - (float((own * table[place]).sum()) / n) ** 2
    return sqrt(together / independent) if together > 0 and independent > 0 else None
