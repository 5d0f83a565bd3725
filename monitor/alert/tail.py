"""A column's own tail: what its largest surprises in healthy windows say about larger ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from monitor.alert.cells import Flags, Floats, Integers

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Tails:
    """The tails of all tests: ``own`` [5, D]; ``kind`` [5, 1], of first jumps, for the columns that are ``calm``."""

    own: Tail
    kind: Tail
    calm: Flags

    def surprise(self, x: Floats) -> Floats:
        """−ln p of surprises float64[…, 5, D]: by the column's own tail, of calm ones the likelier of the two."""
        own = self.own.surprise(x)
        return np.where(self.calm, np.fmin(own, self.kind.surprise(x)), own)


def stacked_tails(tails: Sequence[Tails]) -> Tails:
    """Those of several scales as one, the scales first."""
    return Tails(
        own=_stacked([each.own for each in tails]), kind=_stacked([each.kind for each in tails]),
        calm=np.stack([each.calm for each in tails]),
    )  # fmt: skip


def _stacked(tails: Sequence[Tail]) -> Tail:
    return Tail(
        start=np.stack([each.start for each in tails]), log_share=np.stack([each.log_share for each in tails]),
        shape=np.stack([each.shape for each in tails]), scale=np.stack([each.scale for each in tails]),
    )  # fmt: skip


def fit_tails(x: Floats, *, fold: Integers) -> Tails:
    """The tails of replayed surprises x float64[K, 5, D] of windows in ``fold`` int64[K].

    A share (missing, out of range, …) that never moved has no tail of its own to extrapolate: its first jump is
    as likely as first jumps in columns of its kind are, as seen from the other folds. So the surprises of every
    column in a fold, where all other folds were calm, make one tail a kind. (With own tails alone, days
    of January and February held against the other weeks alarm on 9 of 59 days, each a first record of some weather
    column; with this on 4, two alarms at a promise of two.)
    """
    limit = np.log(max(len(x), 1)) + 3.0  # what a calm column passes once in twenty histories
    known = np.where(np.isnan(x), -np.inf, x)
    highest = np.array([known[fold == f].max(axis=0, initial=-np.inf) for f in range(int(fold.max(initial=-1)) + 1)])
    highest = highest.reshape(-1, *x.shape[1:])
    first = np.array([np.delete(highest, f, axis=0).max(axis=0, initial=-np.inf) <= limit for f in range(len(highest))])
    first = first.reshape(len(highest), *x.shape[1:])
    first[:, 0] = False  # distributions move each in its own way
    jumps = np.where(first[fold], x, np.nan).transpose(0, 2, 1).reshape(-1, x.shape[1])
    kind = fit_tail(jumps)
    return Tails(
        own=fit_tail(x),
        kind=Tail(
            start=kind.start[:, None], log_share=kind.log_share[:, None],
            shape=kind.shape[:, None], scale=kind.scale[:, None],
        ),
        calm=(highest.max(axis=0, initial=-np.inf) <= limit) & (np.arange(x.shape[1]) > 0)[:, None],
    )  # fmt: skip


def fit_tail(x: Floats) -> Tail:
    """The generalized Pareto tail of surprises x float64[K, …], nan where a window was not judged.

    k = min(60, K/8) exceedances over the (k+1)th largest; ξ = max(1/k, ξ̂ − 1/√k), ξ̂ by probability-weighted
    moments (Hosking and Wallis 1987, Technometrics 29, 339-349), so never a bounded tail; σ from the mean
    exceedance at that ξ, at least 1. Fewer than two windows: −ln p = x, as if the surprise were exact.
    """
    counted = np.isfinite(x).sum(axis=0)
    k = np.clip(counted // 8, 1, MOST_PEAKS)
    descending = _largest(x, count=MOST_PEAKS + 1)
    rank = np.arange(1, len(descending) + 1).reshape((-1,) + (1,) * (x.ndim - 1))
    known = counted >= 2
    start = np.where((rank == k + 1) & known, descending, 0.0).sum(axis=0)
    with np.errstate(invalid="ignore"):
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


def _largest(x: Floats, *, count: int) -> Floats:
    """The largest values along the first axis, falling; −∞ for nan."""
    low = np.where(np.isfinite(x), -x, np.inf)
    if len(low) > count:
        low = np.partition(low, count - 1, axis=0)[:count]
    return -np.sort(low, axis=0)
