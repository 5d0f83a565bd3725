"""Whether labels show another performance than was estimated: the one thing an estimate cannot see is concept drift."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import erfc, ndtri


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """``gap`` is realised less estimated; beyond ±``threshold`` it is more than noise; ``p`` two-sided, 0..1."""

    gap: float
    threshold: float
    p: float

    @property
    def beyond(self) -> bool:
        """Whether the gap is larger than noise makes it."""
        return abs(self.gap) > self.threshold


def concept_gap(
    realised: float, *, realised_se: float, estimated: float, estimated_se: float, coverage: float = 1.0,
    alpha: float = 0.01,
) -> Gap:  # fmt: skip
    """The gap between a metric's realised and estimated value in one window, and how large noise alone makes it.

    ``estimated_se`` is that of ``Estimated``: of realised less estimated on the same rows, so that with every row
    labelled it is all the noise there is. Where labels cover only the share ``coverage`` (0..1) of the rows, drawn
    from them at random, the realised value moves about that of all rows with variance (1 − coverage) · realised_se²
    (finite population: Cochran 1977, Sampling Techniques, section 2.6). ``alpha`` is how often a window without concept
    drift is beyond the threshold. ``ValueError`` for a coverage or alpha outside 0..1 or an error that is negative.

    >>> found = concept_gap(0.70, realised_se=0.02, estimated=0.80, estimated_se=0.02)
    >>> round(found.gap, 2), round(found.threshold, 4), found.beyond
    (-0.1, 0.0515, True)
    """
    if not 0.0 <= coverage <= 1.0 or not 0.0 < alpha < 1.0 or not (realised_se >= 0.0 and estimated_se >= 0.0):
        raise ValueError(
            f"coverage {coverage}, alpha {alpha}, errors {realised_se} and {estimated_se}: "
            "expected shares in 0..1 and errors of at least 0"
        )
    noise = float(np.hypot(estimated_se, np.sqrt(1.0 - coverage) * realised_se))
    gap = realised - estimated
    if noise == 0.0:
        return Gap(gap=gap, threshold=0.0, p=0.0 if gap else 1.0)
    return Gap(gap=gap, threshold=-float(ndtri(alpha / 2.0)) * noise, p=float(erfc(abs(gap) / noise / np.sqrt(2.0))))
