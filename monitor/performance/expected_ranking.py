"""ROC AUC and average precision of expected histograms of the raw score, each with its slope."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monitor.performance.estimated import LEAST_EXPECTED, Expected

Floats = NDArray[np.float64]


def roc_auc(yes: Floats, *, no: Floats, variance: Floats) -> Expected | str:
    """The chance that a record of the class has the higher score, ties half: expected records by ascending score cell.

    ``yes``, ``no`` float64[B]: with and without the class; ``variance`` float64[B]: of ``yes``, zero where counted.
    U / (P N), U = Σ P_b (N_below + N_b / 2), where the mean of P_b N_b is the product of the means less the variance.
    Source: Mann and Whitney (1947), Ann. Math. Statist. 18(1), on expected histograms as in NannyML's CBPE. A reason
    where hardly a record of either class is to be expected.

    >>> roc_auc(np.array([0.0, 10.0]), no=np.array([10.0, 0.0]), variance=np.zeros(2)).value
    1.0
    """
    all_yes, all_no = float(yes.sum()), float(no.sum())
    if min(all_yes, all_no) < LEAST_EXPECTED:
        return "one_class"
    outranked = np.cumsum(no) - no / 2.0  # records without the class below one in this cell
    outranking = all_yes - np.cumsum(yes) + yes / 2.0
    themselves = float(variance.sum())
    value = (float(yes @ outranked) - themselves / 2.0) / (all_yes * all_no - themselves)
    slope = (outranked - outranking) / (all_yes * all_no) - value * (1.0 / all_yes - 1.0 / all_no)
    return Expected(value=value, slope=slope[None, :])


def average_precision(yes: Floats, *, no: Floats, variance: Floats) -> Expected | str:
    """Σ (recall_b − recall_above) precision_b over the cells from the highest score down; arguments as ``roc_auc``.

    = Σ P_b P_≥b / n_≥b / P, where the mean of P_b P_≥b is the product of the means plus the variance. Source: as
    ``sklearn.metrics.average_precision_score``, one threshold a cell.

    >>> average_precision(np.array([0.0, 10.0]), no=np.array([10.0, 0.0]), variance=np.zeros(2)).value
    1.0
    """
    total = float(yes.sum())
    if min(total, float(no.sum())) < LEAST_EXPECTED:
        return "one_class"
    from_top = np.cumsum((yes + no)[::-1])[::-1]
    share = np.divide(1.0, from_top, out=np.zeros(len(yes)), where=from_top > 0)
    yes_from_top = np.cumsum(yes[::-1])[::-1]
    value = float(np.sum((yes * yes_from_top + variance) * share)) / total
    slope = (yes_from_top * share + np.cumsum(yes * share)) / total - value / total
    return Expected(value=value, slope=slope[None, :])


RANKING_METRICS = {"roc_auc": roc_auc, "average_precision": average_precision}
