"""Healthy history scored as if it were new: each fold with what the other folds know."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from monitor.alert.cells import Counts, Flags, Floats
from monitor.alert.history import History
from monitor.alert.memory import memory
from monitor.alert.movement import share_variance, usual_movement
from monitor.alert.pooling import Pooling, build_pooling
from monitor.alert.roots import noise, share_root
from monitor.alert.scoring import LEAST_ROWS, Usual, is_rare, roots_at, surprises

# Rows to pool for where no history says how many a window brings.
_NO_HISTORY = 500.0
_SMALL = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The windows (``inside`` bool[K]) of a fold held against one baseline, and what the other folds say is usual."""

    fold: int
    inside: Flags
    baseline: Counts
    usual: Usual


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """The surprises ``x`` float64[K, 5, D] of every window by the other folds, part by part; the movement by all.

    ``memory`` float64[D] is how many windows of each column count as one (``memory.py``).
    """

    x: Floats
    usual: Usual
    parts: tuple[Part, ...]
    memory: Floats


def replay(history: History) -> Replayed:
    """Every window of the history scored by the other folds."""
    pooling = _pooling(history)
    roots, noises, valid = _cell_roots(history, pooling=pooling)
    share_roots, share_noises, share_valid = _share_roots(history)
    fold, sizes = history.fold, history.sizes

    def usual_without(left_out: int, *, baseline: Counts) -> Usual:
        counted = fold != left_out
        _, _, shares = roots_at(0, cells=history.cells[:0].transpose(1, 0, 2), baseline=baseline.cells, pooling=pooling)
        return Usual(
            pooling=pooling,
            movement=usual_movement(roots, noise=noises, valid=valid & counted, shares=shares),
            share_variance=share_variance(share_roots, noise=share_noises, valid=share_valid & counted[:, None, None]),
        )

    @cache  # of baselines that move only what they have in common counts
    def usual_in_common(left_out: int) -> Usual:
        assert history.against is not None  # noqa: S101 - asked for such only
        return usual_without(left_out, baseline=history.against.total)

    moving = history.against is not None
    parts = tuple(
        Part(
            fold=each, inside=inside, baseline=baseline,
            usual=usual_in_common(each) if moving else usual_without(each, baseline=baseline),
        )
        for each, inside, baseline in history.parts()
    )  # fmt: skip
    x = np.full(sizes.shape, np.nan)
    for part in parts:
        inside = part.inside
        x[inside] = surprises(
            cells=history.cells[inside], hits=history.hits[inside], sizes=sizes[inside], baseline=part.baseline,
            usual=part.usual, ordered=history.layout_cells.numeric,
        )  # fmt: skip
    usual = usual_in_common(-1) if moving else usual_without(-1, baseline=history.reference)
    return Replayed(x=x, usual=usual, parts=parts, memory=memory(roots, noise=noises, valid=valid))


def _pooling(history: History) -> Pooling:
    """Pooled for most windows' rows, for the smaller ones' and for 100, each column by its own valid values."""
    cells = history.layout_cells
    shares = history.reference.cells / np.maximum(history.reference.cells.sum(axis=1, keepdims=True), 1.0)
    if history.windows:
        # A little below, so that a steady volume stays at one level.
        rows = 0.8 * np.quantile(history.cells.sum(axis=2), (0.5, 0.1), axis=0)
    else:
        rows = np.full((1, len(shares)), _NO_HISTORY)
    designs = np.concatenate([rows, np.full((1, len(shares)), _SMALL)])
    return build_pooling(shares, width=cells.width, ordered=cells.numeric, designs=designs)


def _cell_roots(history: History, *, pooling: Pooling) -> tuple[Floats, Floats, Flags]:
    """Roots float64[D, K, B], noise [D, K] and validity [D, K] of each window against a reference without it."""
    cells = history.cells.transpose(1, 0, 2)
    rows = cells.sum(axis=2)
    roots, noises = np.zeros(cells.shape), np.full(rows.shape, np.inf)
    for _, inside, baseline in history.parts():
        roots[:, inside], noises[:, inside], _ = roots_at(
            0, cells=cells[:, inside], baseline=baseline.cells, pooling=pooling
        )
    return roots, noises, (pooling.level(rows) == 0) & (rows >= LEAST_ROWS) & np.isfinite(noises)


def _share_roots(history: History) -> tuple[Floats, Floats, Flags]:
    """The same for the two-cell tests, float64[K, 4, D]; windows where hits are rare do not count."""
    sizes = history.sizes[:, 1:]
    roots, noises, valid = np.zeros(sizes.shape), np.full(sizes.shape, np.inf), np.zeros(sizes.shape, dtype=bool)
    for _, inside, baseline in history.parts():
        r, m, n = baseline.hits, baseline.sizes[1:], sizes[inside]
        roots[inside] = share_root(history.hits[inside], n, reference_hits=r, reference_sizes=m)
        noises[inside] = noise(n, m)
        valid[inside] = (n >= LEAST_ROWS) & ~is_rare(n, reference_hits=np.minimum(r, m - r), reference_sizes=m)
    return roots, noises, valid & np.isfinite(noises)
