"""What is judged of each column: its deciles or most frequent categories, and what lies beside them.

Every column of a layout has up to five *tests*, rows of the arrays here and in the calibration:

    psi           the distribution over at most ten groups of layout cells (a drift test)
    out_of_range  the share outside the reference's range (numbers only, a drift test)
    missing, invalid, unseen    shares of the rows (unseen: of the valid values, categories only)

Missing and invalid values are never in a cell, so the valid values of a column are the sum of its cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from monitor.drift.bins import decile_groups
from monitor.profile.layout import Layout
from monitor.profile.profile import Profile

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

GROUPS = 10  # reference deciles, or nine categories and the rest
TESTS = ("psi", "out_of_range", "missing", "invalid", "unseen")
SHARES = TESTS[1:]  # the two-cell tests


@dataclass(frozen=True, kw_only=True)
class Cells:
    """How the cells of a layout of D columns are grouped for judging; made from a reference.

    ``group`` uint8[cells] is the group of each layout cell within its column, ``width`` int64[D] the number
    of groups (0: nothing valid in the reference), ``numeric`` bool[D]. ``known`` bool[D]: all categories of the
    reference are known, so that *unseen* is exact; ``listed`` bool[D]: each has a cell of its own, so that
    what a part of the reference has not seen is known too.
    """

    columns: tuple[str, ...]
    offsets: Integers
    group: NDArray[np.uint8]
    width: Integers
    numeric: Flags
    known: Flags
    listed: Flags

    @cached_property
    def column(self) -> Integers:
        """int64[cells]: the column of each layout cell."""
        return np.repeat(np.arange(len(self.columns)), np.diff(self.offsets))

    @cached_property
    def runs(self) -> Integers:
        """int64[r]: where each run of neighbouring cells of one column and group begins; deciles are few long runs."""
        begins = np.empty(len(self.group), dtype=bool)
        np.not_equal(self.group[1:], self.group[:-1], out=begins[1:])
        begins[self.offsets[:-1]] = True
        return np.flatnonzero(begins)

    @cached_property
    def run_group(self) -> Integers:
        """int64[r]: index of each run into the flattened [D, GROUPS] array of counts."""
        runs_of = np.diff(np.searchsorted(self.runs, self.offsets))
        return np.repeat(np.arange(len(self.columns)), runs_of) * GROUPS + self.group[self.runs]

    @cached_property
    def outer(self) -> tuple[Integers, Integers]:
        """int64[o] twice: the cells outside the reference's range, and the column of each.

        Below the first and above the last edge of numbers, the unseen cell of categories.
        """
        filled = np.diff(self.offsets) > 1  # a column without any number has one cell and no range
        above, below = np.flatnonzero(filled), np.flatnonzero(filled & self.numeric)
        return np.concatenate([self.offsets[above + 1] - 1, self.offsets[below]]), np.concatenate([above, below])

    @cached_property
    def outside(self) -> Flags:
        """bool[cells]: which cells are ``outer`` ones."""
        beyond = np.zeros(len(self.group), dtype=bool)
        beyond[self.outer[0]] = True
        return beyond

    @property
    def tests(self) -> Flags:
        """bool[5, D]: the tests that make sense for each column."""
        filled = self.width > 0
        return np.array([self.width > 1, self.numeric & filled, filled, filled, self.known & ~self.numeric & filled])


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """The judged counts of one profile: ``cells`` float64[D, GROUPS], ``hits`` float64[4, D], ``rows``."""

    rows: int
    cells: Floats
    hits: Floats

    @property
    def sizes(self) -> Floats:
        """float64[5, D]: the n of each test (valid values, but rows for missing and invalid)."""
        valid, rows = self.cells.sum(axis=1), np.full(len(self.cells), float(self.rows))
        return np.array([valid, valid, rows, rows, valid])


def build_cells(layout: Layout, *, reference: Profile) -> Cells:
    """The groups of a layout's cells by the reference's counts."""
    offsets, counts = layout.offsets, reference.counts
    numeric = np.array([column.kind == "numeric" for column in layout.columns], dtype=bool)
    bins = decile_groups(layout, reference)
    begins = np.zeros(len(counts), dtype=np.int64)
    begins[bins.starts] = 1
    begins[offsets[:-1]] = 0
    begun = np.cumsum(begins)
    group = (begun - np.repeat(begun[offsets[:-1]], np.diff(offsets))).clip(max=GROUPS - 1).astype(np.uint8)
    width, filled = np.zeros(len(numeric), dtype=np.int64), np.zeros(len(numeric), dtype=bool)
    for d, is_number in enumerate(numeric):
        part = slice(int(offsets[d]), int(offsets[d + 1]))
        if not is_number:
            group[part] = category_groups(counts[part])
        width[d] = int(group[part].max(initial=0)) + 1
        filled[d] = bool(counts[part].any())
    hashes = [None if c.known_hashes is None else len(c.known_hashes) for c in layout.columns]
    return Cells(
        columns=tuple(column.name for column in layout.columns),
        offsets=offsets,
        group=group,
        width=np.where(filled, width, 0),
        numeric=numeric,
        known=np.array([n is not None for n in hashes], dtype=bool),
        listed=np.array(
            [n is not None and n <= len(c.categories) for n, c in zip(hashes, layout.columns, strict=True)], dtype=bool
        ),
    )


def category_groups(counts: Integers) -> NDArray[np.uint8]:
    """uint8[cells]: 0 to 8 the most frequent categories (ties by position), then one group for the rest.

    >>> category_groups(np.array([3, 0, 9, 1, 0])).tolist()
    [1, 3, 0, 2, 3]
    """
    order = np.argsort(-counts, kind="stable")[: GROUPS - 1]
    frequent = order[counts[order] > 0]
    group = np.full(len(counts), len(frequent), dtype=np.uint8)
    group[frequent] = np.arange(len(frequent), dtype=np.uint8)
    return group


def reduce_profile(cells: Cells, *, profile: Profile, outside: Flags | None = None) -> Counts:
    """The judged counts of a profile; ``outside`` bool[cells] marks other cells as out of range or unseen."""
    sums = np.add.reduceat(profile.counts, cells.runs) if len(cells.runs) else np.zeros(0, dtype=np.int64)
    grouped = np.bincount(cells.run_group, weights=sums, minlength=len(cells.columns) * GROUPS)
    beyond, column = cells.outer
    if outside is not None:
        beyond = np.flatnonzero(outside)
        column = cells.column[beyond]
    strays = np.bincount(column, weights=profile.counts[beyond], minlength=len(cells.columns))
    return Counts(
        rows=profile.rows,
        cells=grouped.reshape(len(cells.columns), GROUPS).astype(np.float64),
        hits=np.array(
            [np.where(cells.numeric, strays, 0.0), profile.missing, profile.invalid,
             np.where(cells.numeric, 0.0, strays)],
            dtype=np.float64,
        ),
    )  # fmt: skip
