"""Since when: the most likely step in a column's scores over the windows lately, and how well it is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc

from monitor.alert.cells import Floats, Integers

CERTAIN = 0.95
NO_STEP = 0.01  # how often a step is found where there is none, windows being independent
ALIKE = 3.0  # standard errors of the mean from zero
FEWEST = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Positions of the first window after the step: the most likely, and the ends of what is 95 % certain.

    ``before_all``: all scores lie alike on one side, so the change is older than them.
    """

    first: int
    earliest: int
    latest: int
    before_all: bool = False


def change_point(scores: Floats) -> Change | None:
    """The change that the last of the scores float64[W] (oldest first, nan where a window has none) belongs to.

    Scores are taken as normal about one mean before and another after the step. The most likely step is the one with
    the largest sum of squares between its two sides, k (n − k)/n (m₂ − m₁)² (Hinkley 1970, Biometrika 57, 1-17);
    with a flat prior over its place and both means, the posterior weight of a place is
    exp(½ that/σ²) (n/(k (n − k)))^½ (Smith 1975, Biometrika 62, 407-416), which gives the 95 % interval. σ² is what
    the best step leaves, at least 1, which is what scores of healthy windows have. Only a step away from zero
    counts, on the side of the last score. Where chance brings a step as large in 1 % of histories (Bonferroni over its
    places), and the mean of all scores is three standard errors from zero, the change is older than all of them.
    None with under three scores.

    >>> change_point(np.array([0.1, -0.2, 0.3, 6.1, 5.8]))
    Change(first=3, earliest=3, latest=3, before_all=False)
    >>> change_point(np.array([6.3, 5.9, 6.2, 6.1, 5.8])).before_all
    True
    """
    known = np.flatnonzero(np.isfinite(scores))
    if len(known) < FEWEST or known[-1] != len(scores) - 1:
        return None
    z = scores[known]
    n, k = len(z), np.arange(1, len(z))
    before, after = np.cumsum(z)[:-1] / k, np.cumsum(z[::-1])[::-1][1:] / (n - k)
    away = (np.sign(after) == np.sign(z[-1])) & (np.abs(after) > np.abs(before))
    between = np.where(away, k * (n - k) / n * (after - before) ** 2, 0.0)
    best = int(between.argmax())
    around = float(((z - z.mean()) ** 2).sum())
    variance = max(1.0, (around - float(between[best])) / max(n - 2, 1))
    step = (n - 1) * chdtrc(1.0, between[best] / variance) <= NO_STEP
    if not step and z.mean() * np.sign(z[-1]) * np.sqrt(n / max(1.0, around / (n - 1))) >= ALIKE:
        oldest = int(known[0])
        return Change(first=oldest, earliest=oldest, latest=oldest, before_all=True)
    if not away.any():
        return None
    weight = np.where(away, np.exp(0.5 * (between - between[best]) / variance) * np.sqrt(n / (k * (n - k))), 0.0)
    certain = np.append(_certain(weight / weight.sum()), best)
    return Change(
        first=int(known[best + 1]), earliest=int(known[certain.min() + 1]), latest=int(known[certain.max() + 1])
    )


def _certain(weight: Floats) -> Integers:
    """The places, likeliest first, that together hold ``CERTAIN`` of the weight."""
    order = np.argsort(-weight, kind="stable")
    held = int(np.searchsorted(np.cumsum(weight[order]), CERTAIN)) + 1
    likely: Integers = order[:held]
    return likely
