"""Profiles: the mergeable summary of one window and segment, all columns of a layout.

Counts are kept flat, one after the other by the layout's offsets, so that merging two profiles is an addition and
comparing them works on whole arrays. A profile depends only on the set of rows, not on their order or batching.
"""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitor.columns.values import category_values, numeric_values
from monitor.profile.counting import count_cells
from monitor.profile.hashing import hash_names
from monitor.profile.layout import ColumnLayout, Layout

MAX_UNSEEN = 100
Unseen = dict[str, dict[str, int]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Profile:
    """Counts of ``rows`` rows under one layout of C columns.

    ``counts`` int64[layout.offsets[-1]]; ``missing``, ``invalid`` int64[C]; ``minimum``, ``maximum``, ``total`` (sum)
    and ``total_squares`` float64[C] of the valid numbers (minimum and maximum NaN where there are none; 0 sums
    for categories); ``unseen``: by column, the 100 unseen names of smallest hash with their counts.
    """

    layout_digest: str
    rows: int
    counts: NDArray[np.int64]
    missing: NDArray[np.int64]
    invalid: NDArray[np.int64]
    minimum: NDArray[np.float64]
    maximum: NDArray[np.float64]
    total: NDArray[np.float64]
    total_squares: NDArray[np.float64]
    unseen: Unseen


def empty(layout: Layout) -> Profile:
    """The profile of no rows: the identity of ``merge``."""
    return ProfileAccumulator(layout).profile()


def merge(a: Profile, b: Profile) -> Profile:
    """The profile of both sets of rows; ``ValueError`` for different layouts."""
    _same_layout(a, b)
    return Profile(
        layout_digest=a.layout_digest,
        rows=a.rows + b.rows,
        counts=a.counts + b.counts,
        missing=a.missing + b.missing,
        invalid=a.invalid + b.invalid,
        minimum=np.fmin(a.minimum, b.minimum),
        maximum=np.fmax(a.maximum, b.maximum),
        total=a.total + b.total,
        total_squares=a.total_squares + b.total_squares,
        unseen=_merge_unseen(a.unseen, b.unseen),
    )


def subtract(a: Profile, b: Profile) -> Profile:
    """The counts of a's rows less b's, which must be among them; minimum, maximum and unseen names stay a's."""
    _same_layout(a, b)
    return Profile(
        layout_digest=a.layout_digest,
        rows=a.rows - b.rows,
        counts=a.counts - b.counts,
        missing=a.missing - b.missing,
        invalid=a.invalid - b.invalid,
        minimum=a.minimum.copy(),
        maximum=a.maximum.copy(),
        total=a.total - b.total,
        total_squares=a.total_squares - b.total_squares,
        unseen={column: dict(names) for column, names in a.unseen.items()},
    )


def profile_batch(layout: Layout, batch: pa.RecordBatch, *, pool: Executor | None = None) -> Profile:
    """The profile of one conformed batch; ``pool`` spreads the columns over threads."""
    accumulator = ProfileAccumulator(layout)
    accumulator.add(batch, pool=pool)
    return accumulator.profile()


class ProfileAccumulator:
    """Adds conformed batches up in place; ``profile()`` gives the sum so far."""

    def __init__(self, layout: Layout) -> None:
        columns = len(layout.columns)
        self.layout = layout
        self._rows = 0
        self._counts = np.zeros(int(layout.offsets[-1]), np.int64)
        self._missing = np.zeros(columns, np.int64)
        self._invalid = np.zeros(columns, np.int64)
        self._minimum = np.full(columns, np.nan)
        self._maximum = np.full(columns, np.nan)
        self._total = np.zeros(columns)
        self._total_squares = np.zeros(columns)
        self._unseen: Unseen = {}

    def add(self, batch: pa.RecordBatch, *, pool: Executor | None = None) -> None:
        """Counts the batch's rows in; each thread of ``pool`` writes the cells of its own columns."""
        self._rows += batch.num_rows
        every = range(len(self.layout.columns))
        if pool is None:
            for position in every:
                self._add_column(position, batch)
        else:
            list(pool.map(lambda position: self._add_column(position, batch), every))

    def profile(self) -> Profile:
        """The profile of everything added; later additions do not change it."""
        return Profile(
            layout_digest=self.layout.digest,
            rows=self._rows,
            counts=self._counts.copy(),
            missing=self._missing.copy(),
            invalid=self._invalid.copy(),
            minimum=self._minimum.copy(),
            maximum=self._maximum.copy(),
            total=self._total.copy(),
            total_squares=self._total_squares.copy(),
            unseen={column: dict(names) for column, names in sorted(self._unseen.items())},
        )

    def _add_column(self, position: int, batch: pa.RecordBatch) -> None:
        column = self.layout.columns[position]
        cells = self._counts[self.layout.offsets[position] : self.layout.offsets[position + 1]]
        if column.edges is not None:
            self._add_numbers(position, cells, column.edges, batch)
        else:
            self._add_categories(position, cells, column, batch)

    def _add_numbers(
        self, position: int, cells: NDArray[np.int64], edges: NDArray[np.float64], batch: pa.RecordBatch
    ) -> None:
        numbers = numeric_values(batch, self.layout.columns[position].stored_name)
        self._missing[position] += numbers.missing
        self._invalid[position] += numbers.invalid
        values = numbers.values
        if len(values) == 0:
            return
        cells += count_cells(values, edges=edges)
        self._minimum[position] = np.fmin(self._minimum[position], values.min())
        self._maximum[position] = np.fmax(self._maximum[position], values.max())
        self._total[position] += values.sum()
        self._total_squares[position] += np.dot(values, values)

    def _add_categories(
        self, position: int, cells: NDArray[np.int64], column: ColumnLayout, batch: pa.RecordBatch
    ) -> None:
        found = category_values(batch, column.stored_name)
        self._missing[position] += found.missing
        self._invalid[position] += found.invalid
        if not found.names:
            return
        counts = np.bincount(found.codes, minlength=len(found.names))
        where = column.cells_of(found.names)
        np.add.at(cells, where, counts)
        strange = np.flatnonzero((where == column.unseen_cell) & (counts > 0))
        if len(strange):
            names = {found.names[i]: int(counts[i]) for i in strange.tolist()}
            self._unseen[column.name] = _smallest(_added(self._unseen.get(column.name, {}), names))


def _same_layout(a: Profile, b: Profile) -> None:
    if a.layout_digest != b.layout_digest:
        raise ValueError(f"profiles of different layouts: {a.layout_digest[:12]} and {b.layout_digest[:12]}")


def _merge_unseen(a: Unseen, b: Unseen) -> Unseen:
    return {column: _smallest(_added(a.get(column, {}), b.get(column, {}))) for column in sorted({*a, *b})}


def _added(a: dict[str, int], b: dict[str, int]) -> dict[str, int]:
    return {name: a.get(name, 0) + b.get(name, 0) for name in {**a, **b}}


def _smallest(names: dict[str, int]) -> dict[str, int]:
    """The 100 of smallest hash, by name: bottom-k is associative, so counts of those kept are exact."""
    if len(names) > MAX_UNSEEN:
        every = list(names)
        order = np.lexsort((np.array(every, dtype=object).astype(str), hash_names(every)))[:MAX_UNSEEN]
        names = {every[i]: names[every[i]] for i in order.tolist()}
    return dict(sorted(names.items()))
