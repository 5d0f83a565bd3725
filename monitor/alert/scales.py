"""Scales: the sum of several windows sees what one window cannot, a small shift that lasts.

A scale of s windows is looked at every ``stride_of(s)`` windows, and what a look said stands until the next. A scale
whose history is long enough (K ≥ 20 s) is calibrated by it; longer ones, up to eight times the longest of those, by
how the movement fell from one scale to the next.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from monitor.alert.cells import Flags, Floats, Integers
from monitor.alert.history import History
from monitor.alert.movement import Movement
from monitor.alert.replay import Part, Replayed
from monitor.alert.roots import noise, share_root
from monitor.alert.scoring import LEAST_ROWS, Usual, is_rare, roots_at, surprises

SCALES = (1, 3, 8, 24, 72, 168)
LEAST_SUMS = 20  # windows of history for each window of a scale that it calibrates
REACH = 8  # how far beyond the longest calibrated scale one is extrapolated


def stride_of(scale: int) -> int:
    """How many windows pass between two looks at a scale.

    >>> [stride_of(scale) for scale in SCALES]
    [1, 1, 2, 6, 18, 42]
    """
    return max(1, scale // 4)


def own_scales(windows: int) -> tuple[int, ...]:
    """The scales that a history of so many windows calibrates.

    >>> own_scales(720), own_scales(30)
    ((1, 3, 8, 24), (1,))
    """
    return tuple(scale for scale in SCALES if scale == 1 or windows >= LEAST_SUMS * scale)


def far_scales(windows: int) -> tuple[int, ...]:
    """The longer scales that it reaches by extrapolation; none where one scale alone is calibrated.

    >>> far_scales(720), far_scales(30)
    ((72, 168), ())
    """
    own = own_scales(windows)
    if len(own) < 2:
        return ()
    return tuple(scale for scale in SCALES if own[-1] < scale <= REACH * own[-1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """Sums of ``scale`` windows of one sequence, and ``ends`` int64[M], the position of the last window of each."""

    scale: int
    ends: Integers
    cells: Floats
    hits: Floats
    rows: Floats

    @property
    def sizes(self) -> Floats:
        """float64[M, 5, D]: the n of each test."""
        valid = self.cells.sum(axis=2)
        rows = np.broadcast_to(self.rows[:, None], valid.shape)
        return np.stack([valid, valid, rows, rows, valid], axis=1)


def sums_of(cells: Floats, hits: Floats, rows: Floats, *, scale: int) -> Sums:
    """The sums of windows in time order, ``cells`` float64[W, D, B], ``hits`` [W, 4, D], at the looks of the scale."""
    ends = np.arange(scale - 1, len(rows), stride_of(scale))
    return Sums(scale=scale, ends=ends, cells=_summed(cells, ends, scale), hits=_summed(hits, ends, scale),
                rows=_summed(rows, ends, scale))  # fmt: skip


def _summed(values: Floats, ends: Integers, scale: int) -> Floats:
    if scale == 1:
        return values
    total: Floats = np.concatenate([np.zeros((1, *values.shape[1:])), np.cumsum(values, axis=0)])
    summed: Floats = total[ends + 1] - total[ends + 1 - scale]
    return summed


def until_next_look(found: Floats, *, ends: Integers, windows: int) -> Floats:
    """What each window has of the looks float64[M, …] at ``ends``: the last one's, nan before the first."""
    standing = np.full((windows, *found.shape[1:]), np.nan)
    if len(ends):
        last = np.searchsorted(ends, np.arange(windows), side="right") - 1
        known = last >= 0
        standing[known] = found[last[known]]
    return standing


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Sums of windows of one part of the history, with their roots, noise and which of them count."""

    part: Part
    sums: Sums
    roots: Floats
    noise: Floats
    valid: Flags
    share_roots: Floats
    share_noise: Floats
    share_valid: Flags


def replay_at(history: History, replayed: Replayed, *, scale: int) -> tuple[Floats, Integers, Usual, list[Look]]:
    """The surprises float64[M, 5, D] of the history's sums by the other folds, their folds, the movement by all."""
    looks = [_look(history, part, scale=scale) for part in replayed.parts]
    x = [np.empty((0, *replayed.x.shape[1:]))] + [
        surprises(
            cells=look.sums.cells, hits=look.sums.hits, sizes=look.sums.sizes, baseline=look.part.baseline,
            usual=_usual_at(look.part.usual, [other for other in looks if other.part.fold != look.part.fold], history),
            ordered=history.layout_cells.numeric,
        )
        for look in looks
    ]  # fmt: skip
    fold = np.repeat([look.part.fold for look in looks], [len(look.sums.ends) for look in looks]).astype(np.int64)
    return np.concatenate(x), fold, _usual_at(replayed.usual, looks, history).rounded(), looks


def _look(history: History, part: Part, *, scale: int) -> Look:
    at = np.flatnonzero(part.inside)
    sums = sums_of(history.cells[at], history.hits[at], history.rows[at], scale=scale)
    cells, sizes = sums.cells.transpose(1, 0, 2), sums.sizes[:, 1:]
    r, m = part.baseline.hits, part.baseline.sizes[1:]
    pooling = part.usual.pooling
    roots, spread, _ = roots_at(0, cells=cells, baseline=part.baseline.cells, pooling=pooling)
    n = cells.sum(axis=2)
    share_noise = noise(sizes, m)
    rare = is_rare(sizes, reference_hits=np.minimum(r, m - r), reference_sizes=m)
    return Look(
        part=part, sums=sums, roots=roots, noise=spread,
        valid=(pooling.level(n) == 0) & (n >= LEAST_ROWS) & np.isfinite(spread),
        share_roots=share_root(sums.hits, sizes, reference_hits=r, reference_sizes=m), share_noise=share_noise,
        share_valid=(sizes >= LEAST_ROWS) & ~rare & np.isfinite(share_noise),
    )  # fmt: skip


def _usual_at(usual: Usual, looks: list[Look], history: History) -> Usual:
    """The movement at the looks' scale: λ = max(λ₁/s, mean (Eᵀu)² − ν̄), and one standard error √(2s/K)(λ + ν̄)."""
    scale = looks[0].sums.scale if looks else 1
    if scale == 1:  # as the replay found it
        return usual
    error = np.sqrt(2.0 * scale / max(history.windows, 1))
    turned = np.concatenate([look.roots @ usual.movement.directions for look in looks], axis=1)
    valid = np.concatenate([look.valid for look in looks], axis=1)
    spread = np.concatenate([look.noise for look in looks], axis=1)
    variance = _widened(
        np.where(valid[:, :, None], turned**2, 0.0), np.where(valid, spread, 0.0)[:, :, None], valid[:, :, None],
        axis=1, least=usual.movement.variance / scale, error=error,
    )  # fmt: skip
    share = _widened(
        np.concatenate([np.where(look.share_valid, look.share_roots**2, 0.0) for look in looks]),
        np.concatenate([np.where(look.share_valid, look.share_noise, 0.0) for look in looks]),
        np.concatenate([look.share_valid for look in looks]),
        axis=0, least=usual.share_variance / scale, error=error,
    )  # fmt: skip
    movement = Movement(directions=usual.movement.directions, variance=variance)
    return replace(usual, movement=movement, share_variance=share)


def _widened(squares: Floats, spread: Floats, valid: Flags, *, axis: int, least: Floats, error: float) -> Floats:
    counted = np.maximum(valid.sum(axis=axis), 1.0)
    mean_noise = spread.sum(axis=axis) / counted
    kept = np.maximum(least, squares.sum(axis=axis) / counted - mean_noise)
    return np.where(valid.any(axis=axis), kept + error * (kept + mean_noise), least)


def stretched(long: Usual, short: Usual, *, scales: tuple[int, int, int], windows: int) -> Usual:
    """The movement at a scale s beyond the two longest calibrated, s1 < s0: λ = λ_{s0}((s0/s)^β + (s0/K)^β).

    β = clip(ln(tr λ_{s1}/tr λ_{s0}) / ln(s0/s1), 0, 1) says how fast movement averages out; the second term is what
    the reference itself does not know of what moves slowly. ``scales`` are (s1, s0, s).
    """
    s1, s0, s = scales

    def reach(at_long: Floats, at_short: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            beta = np.log(at_short / at_long) / np.log(s0 / s1)
        beta = np.clip(np.nan_to_num(beta, nan=1.0, posinf=1.0, neginf=0.0), 0.0, 1.0)
        left: Floats = (s0 / s) ** beta + (s0 / max(windows, s0)) ** beta
        return left

    by_column = reach(long.movement.variance.sum(axis=1), short.movement.variance.sum(axis=1))
    return replace(
        long,
        movement=Movement(directions=long.movement.directions, variance=long.movement.variance * by_column[:, None]),
        share_variance=long.share_variance * reach(long.share_variance, short.share_variance),
    )
