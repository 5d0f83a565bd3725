"""A column's own tail: what its largest surprises in healthy windows say about larger ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monitor.alert.cells import Floats

MOST_PEAKS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """Four numbers a test, arrays of one shape: the start u of the tail, −ln of its share, shape ξ, scale σ."""

    start: Floats
    log_share: Floats
    shape: Floats
    scale: Floats

    def surprise(self, x: Floats) -> Floats:
        """−ln p of surprises x (the tests' axes last), in nats; 0 or more, nan where x is."""
        with np.errstate(invalid="ignore"):
            beyond = np.maximum(x - self.start, 0.0)
            above = self.log_share + np.log1p(self.shape * beyond / self.scale) / self.shape
            return np.where(x > self.start, above, np.minimum(x, self.log_share))


def fit_tail(x: Floats) -> Tail:
    """The generalized Pareto tail of replayed surprises x float64[K, …], nan where a window was not judged.

    k = min(60, K/8) exceedances over the (k+1)th largest; ξ = max(1/k, ξ̂ − 1/√k), ξ̂ by probability-weighted
    moments (Hosking and Wallis 1987, Technometrics 29, eq. 4), so never a bounded or an overconfident tail;
    σ from the mean exceedance at that ξ, at least 1. Fewer than two windows: −ln p = x, as if the surprise
    were exact.
    """
    counted = np.isfinite(x).sum(axis=0)
    k = np.clip(counted // 8, 1, MOST_PEAKS)
    descending = -np.sort(-np.where(np.isfinite(x), x, -np.inf), axis=0)[: MOST_PEAKS + 1]
    rank = np.arange(1, len(descending) + 1).reshape((-1,) + (1,) * (x.ndim - 1))
    known = counted >= 2
    with np.errstate(invalid="ignore"):
        start = np.where(known, np.where(rank == k + 1, descending, 0.0).sum(axis=0, where=rank == k + 1), 0.0)
        excess = np.where((rank <= k) & known, descending - start, 0.0)
    mean = excess.sum(axis=0) / k
    # α₁ = E[x (1 − F)] with F at the plotting positions; the largest has rank 1, so 1 − F = (rank − 0.65)/k.
    weighted = (excess * np.where(rank <= k, (rank - 0.65) / k, 0.0)).sum(axis=0) / k
    gap = mean - 2.0 * weighted
    moments = np.where(gap > 0, 2.0 - mean / np.where(gap > 0, gap, 1.0), 0.0)
    shape = np.where(known, np.maximum(1.0 / k, moments - 1.0 / np.sqrt(k)), 1e-9)
    scale = np.where(known, np.maximum(mean * (1.0 - shape), 1.0), 1.0)
    log_share = np.where(known, np.log((counted + 1.0) / (k + 1.0)), 0.0)
    return Tail(start=start, log_share=log_share, shape=shape, scale=scale)
