"""Log loss: the mean of −ln of the score that the label's class was given."""

from __future__ import annotations

from monitor.performance.intervals import mean_of
from monitor.performance.measured import Measured
from monitor.performance.outline import Floats


def log_loss(losses: Floats) -> Measured:
    """The mean, from float64[4]: rows, Σ v, Σ v² and Σ v³ of v = −ln p.

    p is the score of the label's class (binary: s for the positive class, 1 − s for the other), clipped to
    [ε, 1 − ε], ε = 2.2e-16, and not normalised: scikit-learn ≥ 1.5 only warns where scores do not sum to 1, and the
    result keeps to it. Rows are those with every score valid; multiclass leaves out labels the reference never had,
    for which a model has no score. Undefined without rows (``no_labels``) or scores (``no_scores``).
    Source: Good (1952), J. Roy. Statist. Soc. B 14(1).
    """
    return mean_of("log_loss", losses)
