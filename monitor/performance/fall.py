"""Is a change against the reference a fall: beyond the noise, and beyond the smallest effect that matters?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy.special import ndtri, stdtrit

from monitor.performance.effects import Better, effect_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Fall:
    """Whether the metric has ``fallen``: worse than ``threshold``, which lies ``margin`` beyond the reference.

    ``noise`` is what chance alone exceeds with the tail probability, ``effect`` the smallest that matters; the margin
    is the larger of them.
    """

    fallen: bool
    threshold: float
    margin: float
    noise: float
    effect: float


def fall(
    metric: str,
    *,
    reference: float,
    reference_se: float,
    current: float,
    current_se: float,
    p: float,
    effect: float,
    between: float = 0.0,
    windows: int | None = None,
) -> Fall:
    """The judgement of one value against the reference's, both with their standard errors.

    noise = z √(reference_se² + current_se² + between), z the one-sided quantile of ``p`` (a value that may err both
    ways, the bias, takes p/2 a side). ``between`` is the variance between healthy windows beyond their sampling
    errors; where it was estimated from so many ``windows``, z is Student's with windows − 2 degrees of freedom.
    The threshold is reference − margin (higher is better) or reference + margin (lower is better). A bias falls when
    it leaves reference ± margin, but never for being nearer zero than the reference's. Healthy values fall in at most
    a share p: a worse value mostly has the larger standard error, so rather less in small windows.
    ``ValueError`` for a p outside 0 to ½ or a negative variance. ``KeyError`` for an unknown metric.
    Source: Welch (1938), Biometrika 29, for unequal variances; Higgins, Thompson and Spiegelhalter (2009), J. Roy.
    Statist. Soc. A 172(1), section 4.2, for windows − 2.

    >>> judged = fall(
    ...     "roc_auc", reference=0.8, reference_se=0.003, current=0.77, current_se=0.004, p=0.001, effect=0.01
    ... )
    >>> judged.fallen, round(judged.threshold, 4)
    (True, 0.7845)
    """
    if not 0 < p < 0.5 or between < 0:
        raise ValueError(f"p {p}, between {between}: expected a tail probability under one half and a variance")
    better = effect_of(metric).better
    tail = p / 2 if better == "nearer zero" else p
    known = windows is None or between == 0
    z = -float(ndtri(tail) if known else stdtrit(max((windows or 0) - 2, 1), tail))
    noise = z * sqrt(reference_se**2 + current_se**2 + between)
    margin = max(noise, effect)
    threshold, worse = _threshold(better, reference=reference, current=current, margin=margin)
    return Fall(fallen=worse, threshold=threshold, margin=margin, noise=noise, effect=effect)


def _threshold(better: Better, *, reference: float, current: float, margin: float) -> tuple[float, bool]:
    """The threshold on the side of the current value, and whether that is beyond it."""
    if better == "higher":
        return reference - margin, current < reference - margin
    if better == "lower":
        return reference + margin, current > reference + margin
    if current >= reference:
        above = max(reference + margin, abs(reference))
        return above, current > above
    below = min(reference - margin, -abs(reference))
    return below, current < below


def between_variance(values: Sequence[float], *, ses: Sequence[float]) -> float | None:
    """How much healthy windows differ beyond their sampling errors: the variance τ² of their true values.

    With weights w = 1/se² and Q = Σ w (x − x̄_w)²: τ² = max(0, (Q − (k − 1)) / (Σ w − Σ w²/Σ w)). Windows without a
    positive standard error are left out; None where fewer than three are left.
    Source: DerSimonian and Laird (1986), Controlled Clinical Trials 7(3), eq. 8.

    >>> round(between_variance([0.7, 0.8, 0.9], ses=[0.01, 0.01, 0.01]), 6)
    0.0099
    """
    x, se = np.asarray(values, dtype=np.float64), np.asarray(ses, dtype=np.float64)
    kept = (se > 0) & np.isfinite(x) & np.isfinite(se)
    x, weights = x[kept], 1 / se[kept] ** 2
    if len(x) < 3:
        return None
    total = weights.sum()
    q = float(weights @ (x - weights @ x / total) ** 2)
    return max(0.0, (q - (len(x) - 1)) / float(total - weights @ weights / total))
