"""A layout from the reference's rows, streamed: any number of rows in bounded memory.

Edges are order statistics of all values up to 200,000 rows, above that of a sample chosen by a hash of the row's id
and timestamp (of its position where it has no id), so that the split into batches does not matter; fewer rows where
there are more than 200 columns. Minimum, maximum, the distinct values of a column with at most 1,000 of them, and
all categories are always of all rows.
"""

from __future__ import annotations

from concurrent.futures import Executor

import numpy as np
import pyarrow as pa

from monitor.model.schema import Column, Schema
from monitor.profile.cells import MAX_DISTINCT, numeric_cells
from monitor.profile.census import CategoryCensus, NumberCensus
from monitor.profile.layout import ColumnLayout, Layout
from monitor.profile.sample import RowSample, each

__all__ = ["MAX_DISTINCT", "LayoutBuilder", "extend", "numeric_cells"]

SAMPLE_ROWS = 200_000
SAMPLE_VALUES = 40_000_000  # 320 MB of float64: what the sample of all columns together may hold


class LayoutBuilder:
    """Takes conformed batches, then gives the layout of the schema's monitored columns.

    ``rows``, how many will come where none has an id, only makes it quicker.
    """

    def __init__(self, schema: Schema, *, sample_rows: int = SAMPLE_ROWS, rows: int | None = None) -> None:
        self._columns = schema.monitored
        limit = max(1_000, min(sample_rows, SAMPLE_VALUES // max(len(self._columns), 1)))
        self._sample = RowSample([c.stored_name for c in self._columns], limit=limit, rows=rows)
        self._censuses: list[NumberCensus | CategoryCensus] = [
            NumberCensus(c.stored_name) if c.type == "numeric" else CategoryCensus(c.stored_name)
            for c in self._columns
        ]  # fmt: skip

    def add(self, batch: pa.RecordBatch, *, pool: Executor | None = None) -> None:
        """Takes the batch's rows in; ``pool`` spreads the columns over threads."""
        self._sample.add(batch, pool=pool)
        each(pool, lambda census: census.add(batch), self._censuses)

    def finish(self, *, pool: Executor | None = None) -> Layout:
        """The layout; a numeric column without any value has a single cell."""
        pairs = list(zip(self._columns, self._censuses, strict=True))
        for column in self._columns[:1]:
            self._sample.column(column.stored_name, kind=_kind(column))  # shrinks, before threads read
        return Layout(columns=tuple(each(pool, lambda pair: self._column(*pair), pairs)))

    def _column(self, column: Column, census: NumberCensus | CategoryCensus) -> ColumnLayout:
        sample = self._sample.column(column.stored_name, kind=_kind(column))
        if isinstance(census, CategoryCensus):
            listed, known = census.listed(sample)
            return ColumnLayout(
                name=column.name, stored_name=column.stored_name, kind="categorical", categories=listed,
                known_hashes=known,
            )  # fmt: skip
        values = np.asarray(sample.drop_null().to_numpy(zero_copy_only=False))
        edges, atoms = numeric_cells(values, distinct=census.distinct, low=census.low, high=census.high)
        return ColumnLayout(
            name=column.name, stored_name=column.stored_name, kind="numeric", edges=edges, atoms=atoms
        )  # fmt: skip


def extend(layout: Layout, other: Layout) -> Layout:
    """The columns of ``other``, each with the cells of ``layout`` where name, stored name and kind agree.

    A column that had no value when ``layout`` was made has no cells to share.
    """
    known = {(c.name, c.stored_name, c.kind): c for c in layout.columns if not c.empty}
    return Layout(columns=tuple(known.get((c.name, c.stored_name, c.kind), c) for c in other.columns))


def _kind(column: Column) -> pa.DataType:
    return pa.float64() if column.type == "numeric" else pa.string()
