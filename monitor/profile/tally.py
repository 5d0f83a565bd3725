"""Counting batches up in place: what ``ProfileAccumulator`` fills, one function a kind of column and size of batch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from monitor.columns.values import category_counts, numeric_table, numeric_values
from monitor.profile.counting import BLOCK, CellCounter, cell_counter
from monitor.profile.layout import Layout
from monitor.profile.search import Floats, Integers, lower_bounds, search_groups
from monitor.profile.unseen import Unseen, add_names, smallest


class Tally:
    """Sums under one layout of C columns, as ``Profile`` describes them, to be added to in place."""

    __slots__ = (
        "counters", "counts", "invalid", "layout", "maximum", "minimum", "missing", "total", "total_squares", "unseen",
    )  # fmt: skip

    def __init__(self, layout: Layout) -> None:
        columns = len(layout.columns)
        self.layout = layout
        self.counts = np.zeros(int(layout.offsets[-1]), np.int64)
        self.missing, self.invalid = np.zeros(columns, np.int64), np.zeros(columns, np.int64)
        self.minimum, self.maximum = np.full(columns, np.nan), np.full(columns, np.nan)
        self.total, self.total_squares = np.zeros(columns), np.zeros(columns)
        self.unseen: Unseen = {}
        self.counters: dict[int, CellCounter] = {}  # by column: a bucket table serves every large batch


def add_small(tally: Tally, batch: pa.RecordBatch) -> None:
    """Adds all numeric columns of a small batch, blocks of columns at once: no cost per column but Arrow's own."""
    layout = tally.layout
    numeric = np.flatnonzero(layout.numeric)
    table = numeric_table(batch, [layout.columns[c].stored_name for c in numeric.tolist()])
    tally.missing[numeric] += table.missing
    tally.invalid[numeric] += table.invalid
    whole = (table.missing + table.invalid) == 0
    found: list[Integers] = []
    with np.errstate(over="ignore", invalid="ignore"):  # a sum beyond every float is inf, and shown as unknown
        for rows in _blocks(np.diff(layout.offsets)[numeric], rows=batch.num_rows):
            found += _add_block(tally, table.values[rows], columns=numeric[rows], whole=bool(whole[rows].all()))
    if found:
        _count(tally.counts, np.concatenate(found))


def _blocks(lengths: Integers, *, rows: int) -> Iterator[Integers]:
    """Rows of the matrix to be searched together: of columns as wide, as many values as a cache holds."""
    at_once = max(BLOCK // max(rows, 1), 1)
    for group in search_groups(lengths):
        for start in range(0, len(group), at_once):
            yield group[start : start + at_once]


def _add_block(tally: Tally, values: Floats, *, columns: Integers, whole: bool) -> list[Integers]:
    """Adds the extremes and sums of float64[g, n]; the flat cells of its values."""
    if whole:
        flat, lengths = values.ravel(), np.full(len(columns), values.shape[1])
    else:
        present = values == values  # NaN alone differs from itself: half the cost of isnan
        flat, lengths = values[present], present.sum(axis=1)
        columns, lengths = columns[lengths > 0], lengths[lengths > 0]
    if not len(flat):
        return []
    layout, begins = tally.layout, np.cumsum(lengths) - lengths
    tally.minimum[columns] = np.fmin(tally.minimum[columns], np.minimum.reduceat(flat, begins))
    tally.maximum[columns] = np.fmax(tally.maximum[columns], np.maximum.reduceat(flat, begins))
    tally.total[columns] += np.add.reduceat(flat, begins)
    if whole:
        deviations = (values - layout.centres[columns, None]).ravel()
    else:
        deviations = flat - layout.centres[columns].repeat(lengths)
    deviations *= deviations
    tally.total_squares[columns] += np.add.reduceat(deviations, begins)
    starts = layout.offsets[columns].repeat(lengths)
    widths = layout.offsets[columns + 1] - layout.offsets[columns]
    alike = int(widths[0]) if (widths == widths[0]).all() else None  # as most columns with many values are
    return [lower_bounds(flat, starts=starts, lengths=alike or widths.repeat(lengths), edges=layout.upper)]


def _count(counts: Integers, cells: Integers) -> None:
    if 4 * len(cells) < len(counts):
        np.add.at(counts, cells, 1)
    else:
        counts += np.bincount(cells, minlength=len(counts))


def add_numbers(tally: Tally, batch: pa.RecordBatch, *, position: int) -> None:
    """Adds one numeric column of a large batch, a block at a time; touches the cells of that column alone."""
    layout = tally.layout
    column = layout.columns[position]
    found = numeric_values(batch, column.stored_name)
    tally.missing[position] += found.missing
    tally.invalid[position] += found.invalid
    values = found.values
    if column.edges is None or not len(values):
        return
    cells = tally.counts[layout.offsets[position] : layout.offsets[position + 1]]
    counter = tally.counters.get(position) or cell_counter(column.edges, values=len(values))
    if counter.buckets is not None:
        tally.counters[position] = counter
    centre = float(layout.centres[position])
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, len(values), BLOCK):
            part = values[start : start + BLOCK]
            low, high = float(part.min()), float(part.max())
            cells += counter(part, low=low, high=high)
            tally.minimum[position] = np.fmin(tally.minimum[position], low)
            tally.maximum[position] = np.fmax(tally.maximum[position], high)
            tally.total[position] += part.sum()
            deviations = part - centre
            deviations *= deviations
            tally.total_squares[position] += deviations.sum()


def add_categories(tally: Tally, batch: pa.RecordBatch, *, position: int) -> None:
    """Adds one categorical column; Python sees distinct names only, and of very many only the kept ones."""
    layout = tally.layout
    column = layout.columns[position]
    found = category_counts(batch, column.stored_name)
    tally.missing[position] += found.missing
    tally.invalid[position] += found.invalid
    if not len(found.counts):
        return
    where = column.cells_of(found.names)
    np.add.at(tally.counts, where + layout.offsets[position], found.counts)
    strange = np.flatnonzero(where == column.unseen_cell)
    if len(strange):
        names = smallest(found.names.take(pa.array(strange)), counts=found.counts[strange])
        tally.unseen[column.name] = add_names(tally.unseen.get(column.name, {}), names)
