"""Brier score: the mean squared difference of scores from what happened."""

from __future__ import annotations

from monitor.performance.intervals import mean_of
from monitor.performance.measured import Measured
from monitor.performance.outline import Floats


def brier(losses: Floats) -> Measured:
    """The mean, from float64[4]: rows, Σ v, Σ v² and Σ v³.

    Binary v = (s − hit)², 0 to 1. Multiclass v = Σ_k (s_k − hit_k)², 0 to 2, as scikit-learn ≥ 1.7 has it for three
    classes and more. Rows as for log loss; undefined likewise.
    Source: Brier (1950), Monthly Weather Review 78(1).
    """
    return mean_of("brier", losses)
