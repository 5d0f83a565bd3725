"""The surprise of windows against a baseline: every test of every column, in nats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from monitor.alert.cells import GROUPS, Counts, Flags, Floats, Integers
from monitor.alert.movement import Movement, pooled_movement
from monitor.alert.pooling import EXPECTED, Pooling, pool
from monitor.alert.rare import rare_surprise
from monitor.alert.roots import noise, share_root, signed_roots, smoothed_shares
from monitor.alert.surprise import column_surprise, share_surprise

LEAST_ROWS = 50  # below it a column of a window is not judged


@dataclass(frozen=True, slots=True, kw_only=True)
class Usual:
    """How columns usually move: by cells at the finest pooling, and λ float64[4, D] of the two-cell tests.

    Of W windows that are sums of different scales (``by_scale``) each has its own: λ float64[D, W, B] and [W, 4, D].
    """

    pooling: Pooling
    movement: Movement
    share_variance: Floats

    def at(self, window: int) -> Usual:
        """One window's, of several of different scales."""
        movement = replace(self.movement, variance=self.movement.variance[:, window])
        return replace(self, movement=movement, share_variance=self.share_variance[window])

    def rounded(self) -> Usual:
        """The same with directions and variances as they are stored, in single precision."""
        turned, variance = self.movement.directions.astype(np.float32), self.movement.variance.astype(np.float32)
        movement = Movement(directions=turned.astype(np.float64), variance=variance.astype(np.float64))
        return Usual(pooling=self.pooling, movement=movement, share_variance=self.share_variance)


def by_scale(usuals: Sequence[Usual]) -> Usual:
    """The usual movements of windows that are sums of different scales, as one: directions and pooling are the same."""
    variance = np.stack([usual.movement.variance for usual in usuals], axis=1)
    movement = replace(usuals[0].movement, variance=variance)
    return replace(usuals[0], movement=movement, share_variance=np.stack([usual.share_variance for usual in usuals]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Distances:
    """How far W windows are from a baseline: by cells at the finest pooling as ``roots_at`` has it, ``roots``
    float64[D, W, B], ``noise`` [D, W] and ``shares`` [D, B] of ``width`` int64[D]; of the two-cell tests
    ``share_roots`` and ``share_noise`` float64[W, 4, D]."""

    roots: Floats
    noise: Floats
    shares: Floats
    width: Integers
    share_roots: Floats
    share_noise: Floats

    @property
    def effects(self) -> Floats:
        """PSI less what sampling alone brings, ν (B − 1), of every test: float64[W, 5, D]."""
        brought = np.where(np.isfinite(self.noise), self.noise, 0.0) * (self.width - 1)[:, None]
        by_cells = ((self.roots**2).sum(axis=2) - brought).T
        return np.concatenate([by_cells[:, None], self.share_roots**2 - self.share_noise], axis=1)


def distances(*, cells: Floats, hits: Floats, sizes: Floats, baseline: Counts, pooling: Pooling) -> Distances:
    """How far windows with ``cells`` float64[W, D, GROUPS], ``hits`` [W, 4, D], ``sizes`` [W, 5, D] are from it."""
    roots, spread, shares = roots_at(0, cells=cells.transpose(1, 0, 2), baseline=baseline.cells, pooling=pooling)
    n, m = sizes[:, 1:], baseline.sizes[1:]
    return Distances(
        roots=roots, noise=spread, shares=shares, width=pooling.width[0],
        share_roots=share_root(hits, n, reference_hits=baseline.hits, reference_sizes=m), share_noise=noise(n, m),
    )  # fmt: skip


def surprises(
    *, cells: Floats, hits: Floats, sizes: Floats, baseline: Counts, usual: Usual, ordered: Flags,
    finest: Distances | None = None,
) -> Floats:  # fmt: skip
    """x float64[W, 5, D] of windows with ``cells`` float64[W, D, GROUPS], ``hits`` [W, 4, D], ``sizes`` [W, 5, D].

    nan where a column has fewer than 50 rows to judge, or nothing to be judged on. ``finest`` are their ``distances``.
    """
    far = finest or distances(cells=cells, hits=hits, sizes=sizes, baseline=baseline, pooling=usual.pooling)
    by_cells = _cell_surprises(
        cells.transpose(1, 0, 2), baseline=baseline.cells, usual=usual, ordered=ordered, finest=far
    )
    by_share = _share_surprises(hits, sizes[:, 1:], baseline=baseline, variance=usual.share_variance, finest=far)
    x = np.concatenate([by_cells.T[:, None, :], by_share], axis=1)
    return np.where(sizes >= LEAST_ROWS, x, np.nan)


def roots_at(level: int, *, cells: Floats, baseline: Floats, pooling: Pooling) -> tuple[Floats, Floats, Floats]:
    """Signed roots float64[D, W, B], noise float64[D, W] and reference shares float64[D, B] at a pooling level."""
    member, width = pooling.member[level], pooling.width[level]
    current, reference = pool(cells, member=member), pool(baseline[:, None, :], member=member)
    shares = smoothed_shares(reference, width=width)
    roots = signed_roots(smoothed_shares(current, width=width), shares)
    return roots, noise(cells.sum(axis=2), baseline.sum(axis=1)[:, None]), shares[:, 0]


def _cell_surprises(cells: Floats, *, baseline: Floats, usual: Usual, ordered: Flags, finest: Distances) -> Floats:
    """x float64[D, W] by cells float64[D, W, GROUPS], each column and window at the pooling its rows allow."""
    level = usual.pooling.level(cells.sum(axis=2))
    if not level.any():
        return _at_finest(finest, cells=cells, baseline=baseline, usual=usual, ordered=ordered)
    x = np.full(level.shape, np.nan)
    own = usual.movement.variance.ndim == 3
    for each in np.unique(level).tolist():
        at = level == each
        columns = np.flatnonzero(at.any(axis=1))
        # Coarser pooling turns each window's own movement by itself.
        apart = own and each > 0
        windows = np.flatnonzero(at.any(axis=0)).tolist() if apart else [None]
        for window in windows:
            span = slice(None) if window is None else slice(window, window + 1)
            part = _at_level(
                each, columns=columns, cells=cells[columns, span], baseline=baseline[columns],
                usual=usual if window is None else usual.at(window), ordered=ordered,
            )  # fmt: skip
            x[columns, span] = np.where(at[columns, span], part, x[columns, span])
    return x


def _at_finest(finest: Distances, *, cells: Floats, baseline: Floats, usual: Usual, ordered: Flags) -> Floats:
    """x float64[D, W] where no column of any window has too few rows for the finest pooling."""
    x = column_surprise(
        finest.roots, noise=finest.noise, movement=usual.movement, shares=finest.shares, width=finest.width,
        ordered=ordered,
    )  # fmt: skip
    return _with_narrow(x, level=0, cells=cells, baseline=baseline, pooling=usual.pooling)


def _at_level(
    level: int, *, columns: Integers, cells: Floats, baseline: Floats, usual: Usual, ordered: Flags
) -> Floats:
    pooling = usual.pooling.take(columns)
    roots, spread, shares, movement = looked_at(level, columns=columns, cells=cells, baseline=baseline, usual=usual)
    width = pooling.width[level]
    x = column_surprise(roots, noise=spread, movement=movement, shares=shares, width=width, ordered=ordered[columns])
    return _with_narrow(x, level=level, cells=cells, baseline=baseline, pooling=pooling)


def _with_narrow(x: Floats, *, level: int, cells: Floats, baseline: Floats, pooling: Pooling) -> Floats:
    """x float64[C, W] with that of columns of two cells as counts where they are rare, nan for those of fewer."""
    width = pooling.width[level]
    two = np.flatnonzero(width == 2)
    if len(two):
        x[two] = _two_cells(x[two], cells=cells[two], baseline=baseline[two], member=pooling.member[level, two])
    x[width < 2] = np.nan
    return x


def looked_at(
    level: int, *, columns: Integers, cells: Floats, baseline: Floats, usual: Usual
) -> tuple[Floats, Floats, Floats, Movement]:
    """Roots, noise and shares of columns at a pooling level (``roots_at``), and their usual movement at it.

    ``cells`` float64[C, W, GROUPS] and ``baseline`` [C, GROUPS] are of the C ``columns``.
    """
    pooling = usual.pooling.take(columns)
    movement = Movement(directions=usual.movement.directions[columns], variance=usual.movement.variance[columns])
    roots, spread, shares = roots_at(level, cells=cells, baseline=baseline, pooling=pooling)
    if level > 0:
        finest = smoothed_shares(pool(baseline[:, None, :], member=pooling.member[0]), width=pooling.width[0])[:, 0]
        movement = pooled_movement(
            movement, onto=_onto(pooling.member[0], pooling.member[level]), shares=finest, pooled_shares=shares
        )
    return roots, spread, shares, movement


def _two_cells(x: Floats, *, cells: Floats, baseline: Floats, member: NDArray[np.uint8]) -> Floats:
    """x of columns of two cells, replaced by the rare cell's where too few rows are expected in it."""
    counts, reference = pool(cells, member=member)[:, :, :2], pool(baseline[:, None, :], member=member)[:, :, :2]
    rarer = reference.argmin(axis=2)
    hits = np.take_along_axis(counts, np.broadcast_to(rarer[:, :, None], (*counts.shape[:2], 1)), axis=2)[:, :, 0]
    reference_hits, reference_sizes = reference.min(axis=2), reference.sum(axis=2)
    sizes = counts.sum(axis=2)
    rare = sizes * reference_hits < EXPECTED * np.maximum(reference_sizes, 1.0)
    surprise = rare_surprise(
        np.where(rare, hits, 0.0), sizes, reference_hits=reference_hits, reference_sizes=reference_sizes
    )
    return np.where(rare, surprise, x)


def _share_surprises(hits: Floats, sizes: Floats, *, baseline: Counts, variance: Floats, finest: Distances) -> Floats:
    """x float64[W, 4, D] of the two-cell tests: by signed roots, or as a rare count on the rarer side."""
    m = baseline.sizes[1:]
    rest = baseline.hits > m / 2
    k, r = np.where(rest, sizes - hits, hits), np.where(rest, m - baseline.hits, baseline.hits)
    rare = is_rare(sizes, reference_hits=r, reference_sizes=m)
    # The root is as long on the rarer side as on the other.
    x = share_surprise(finest.share_roots, noise=finest.share_noise, variance=variance)
    x[rare] = 0.0
    some = rare & (k > 0)
    if some.any():
        r, m = np.broadcast_to(r, k.shape), np.broadcast_to(m, k.shape)
        x[some] = rare_surprise(k[some], sizes[some], reference_hits=r[some], reference_sizes=m[some])
    return x


def is_rare(sizes: Floats, *, reference_hits: Floats, reference_sizes: Floats) -> Flags:
    """Where fewer than 20 hits are expected of so many rows."""
    return sizes * reference_hits < EXPECTED * np.maximum(reference_sizes, 1.0)


def _onto(fine: NDArray[np.uint8], coarse: NDArray[np.uint8]) -> Floats:
    """0/1 float64[D, B, B]: which cell of a coarser pooling each cell of a finer one goes to."""
    onto = np.zeros((*fine.shape, GROUPS))
    columns = np.arange(len(fine))
    for group in range(GROUPS):
        onto[columns, fine[:, group], coarse[:, group]] = 1.0
    return onto
