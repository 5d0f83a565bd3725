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
    numeric = np.array([c.kind == "numeric" for c in layout.columns], dtype=bool)
    starts, widths = [], []
    for position, column in enumerate(layout.columns):
        begin, end = int(layout.offsets[position]), int(layout.offsets[position + 1])
        counts = reference.counts[begin:end]
        first = decile_starts(counts) if numeric[position] else _category_starts(counts, column.other_cell)
        starts.append(first + begin)
        widths.append(len(first))
    flat = np.concatenate(starts) if starts else np.empty(0, np.int64)
    offsets = np.concatenate(([0], np.cumsum(widths, dtype=np.int64)))
    counted = np.add.reduceat(reference.counts, flat) if len(flat) else np.empty(0, np.int64)
    return Bins(starts=flat, offsets=offsets, reference=counted, numeric=numeric)


def decile_starts(counts: Integers) -> Integers:
    """The first cell of each decile of the reference counts int64[cells].

    >>> decile_starts(np.array([0, 5, 1, 1, 1, 1, 1, 0])).tolist()
    [0, 2, 3, 4, 5, 6]
    """
    total = int(counts.sum())
    within = np.cumsum(counts)
    passed = DECILES * within // max(total, 1) > DECILES * (within - counts) // max(total, 1)
    ends = np.flatnonzero(passed & (within < total))
    return np.concatenate(([0], ends + 1)).astype(np.int64)


def _category_starts(counts: Integers, other: int) -> Integers:
    every = np.arange(len(counts), dtype=np.int64)
    return every if counts[other] else every[: other + 1]


def column_sums(values: NDArray[np.generic], *, offsets: Integers) -> Floats:
    """float64[C]: the sum of each column's run of flat values; every column has at least one.

    >>> column_sums(np.array([1, 2, 3]), offsets=np.array([0, 2, 3])).tolist()
    [3.0, 3.0]
    """
    return np.add.reduceat(values, offsets[:-1]).astype(np.float64) if len(offsets) > 1 else np.empty(0)


def column_maxima(values: Floats, *, offsets: Integers) -> Floats:
    """float64[C]: the largest of each column's run of flat values."""
    return np.maximum.reduceat(values, offsets[:-1]) if len(offsets) > 1 else np.empty(0)


def shares(counts: Integers, *, offsets: Integers) -> Floats:
    """float64[b]: each count over its column's total; 0 where the column has none."""
    totals = np.maximum(column_sums(counts, offsets=offsets), 1.0)
    result: Floats = counts / np.repeat(totals, np.diff(offsets))
    return result
