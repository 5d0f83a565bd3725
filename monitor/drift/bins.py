"""Bins: layout cells put together as the metrics want them, reference deciles for numbers, categories as they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.profile.layout import Layout
from monitor.profile.profile import Profile

DECILES = 10
Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bins:
    """Contiguous groups of layout cells for C columns, made once from a reference.

    ``starts`` int64[b] is the first layout cell of each bin, ``offsets`` int64[C + 1] where each column's bins begin,
    ``reference`` int64[b] the reference's counts; ``numeric`` bool[C].
    """

    starts: Integers
    offsets: Integers
    reference: Integers
    numeric: NDArray[np.bool_]

    def count(self, profile: Profile) -> Integers:
        """int64[b]: the profile's counts in these bins."""
        return np.add.reduceat(profile.counts, self.starts) if len(self.starts) else np.empty(0, np.int64)


def decile_groups(layout: Layout, reference: Profile) -> Bins:
    """The bins of a reference: deciles of a number column, every listed category, then ``other`` and ``unseen``.

    Deciles end at the first layout edge at or above each tenth of the reference, so a column with heavy atoms has
    fewer than ten. ``other`` shares the bin of ``unseen`` where the reference has no unlisted category.
    """
    counts, numeric = reference.counts, layout.numeric
    if not len(numeric):
        none = np.empty(0, np.int64)
        return Bins(starts=none, offsets=np.zeros(1, np.int64), reference=none, numeric=numeric)
    offsets = layout.offsets
    begins = np.zeros(int(offsets[-1]), np.bool_)
    begins[offsets[:-1]] = True
    for first, end in zip(offsets[:-1][~numeric].tolist(), offsets[1:][~numeric].tolist(), strict=True):
        begins[first:end] = True
        begins[end - 1] = counts[end - 2] > 0
    begins[_decile_ends(counts, first=offsets[:-1][numeric], end=offsets[1:][numeric]) + 1] = True
    starts = np.flatnonzero(begins)
    return Bins(
        starts=starts,
        offsets=np.searchsorted(starts, offsets).astype(np.int64),
        reference=np.add.reduceat(counts, starts),
        numeric=numeric,
    )


def _decile_ends(counts: Integers, *, first: Integers, end: Integers) -> Integers:
    """The cells where columns ``[first, end)`` of flat cells pass a tenth of their total, but for their last filled."""
    running = np.concatenate(([0], np.cumsum(counts, dtype=np.int64)))
    before, total = running[first], running[end] - running[first]
    parts = np.arange(1, DECILES) * total[:, None]
    tenths = before[:, None] - (-parts // DECILES)  # rounded up
    cells = np.searchsorted(running[1:], tenths)
    inside = (total[:, None] > 0) & (running[np.minimum(cells + 1, len(counts))] < running[end][:, None])
    return np.asarray(cells[inside], dtype=np.int64)


def column_sums(values: NDArray[np.generic], *, offsets: Integers) -> Floats:
    """float64[C]: the sum of each column's run of flat values; every column has at least one.

    >>> column_sums(np.array([1, 2, 3]), offsets=np.array([0, 2, 3])).tolist()
    [3.0, 3.0]
    """
    return np.add.reduceat(values, offsets[:-1]).astype(np.float64) if len(offsets) > 1 else np.empty(0)


def column_maxima(values: NDArray[np.generic], *, offsets: Integers) -> Floats:
    """float64[C]: the largest of each column's run of flat values."""
    return np.maximum.reduceat(values, offsets[:-1]).astype(np.float64) if len(offsets) > 1 else np.empty(0)


def shares(counts: Integers, *, offsets: Integers) -> Floats:
    """float64[b]: each count over its column's total; 0 where the column has none."""
    totals = np.maximum(column_sums(counts, offsets=offsets), 1.0)
    result: Floats = counts / np.repeat(totals, np.diff(offsets))
    return result
