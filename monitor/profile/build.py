"""A layout from the reference's rows, streamed: any number of rows in bounded memory.

Edges are order statistics of all values up to 200,000 rows, above that of a sample chosen by a hash of the row's
position (so the split into batches does not matter; fewer rows where there are more than 200 columns). Minimum,
maximum, the distinct values of a column with at most 1,000 of them, and all categories are always of all rows.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from monitor.columns.values import category_values
from monitor.model.schema import Column, Schema
from monitor.profile.hashing import hash_names, mix
from monitor.profile.layout import MAX_CATEGORIES, MAX_EDGES, MAX_KNOWN_CATEGORIES, ColumnLayout, Layout

SAMPLE_ROWS = 200_000
SAMPLE_VALUES = 40_000_000  # 320 MB of float64: what the sample of all columns together may hold
MAX_DISTINCT = 1_000
ATOM_SHARE = 1 / 1_000


class LayoutBuilder:
    """Takes conformed batches, then gives the layout of the schema's monitored columns."""

    def __init__(self, schema: Schema, *, sample_rows: int = SAMPLE_ROWS) -> None:
        self._columns = schema.monitored
        self._numeric = [c for c in self._columns if c.type == "numeric"]
        self._limit = max(1_000, min(sample_rows, SAMPLE_VALUES // max(len(self._numeric), 1)))
        self._ranges = {c.stored_name: _Range() for c in self._numeric}
        self._names = {c.stored_name: _Names() for c in self._columns if c.type != "numeric"}
        self._rows = 0
        self._keys: list[NDArray[np.uint64]] = []
        self._sampled: list[list[NDArray[np.float64]]] = []
        self._held = 0
        self._ceiling = np.uint64(0xFFFFFFFFFFFFFFFF)

    def add(self, batch: pa.RecordBatch) -> None:
        """Takes the batch's rows in."""
        for stored_name, names in self._names.items():
            names.add(batch, stored_name)
        for stored_name, extent in self._ranges.items():
            position = batch.schema.get_field_index(stored_name)
            if position >= 0:
                extent.add(batch.column(position))
        self._sample(batch)
        self._rows += batch.num_rows

    def finish(self) -> Layout:
        """The layout; a column without any value has a single cell."""
        self._shrink()
        samples = [np.concatenate(parts) for parts in zip(*self._sampled, strict=True)] if self._sampled else []
        by_name = dict(zip((c.stored_name for c in self._numeric), samples, strict=False))
        return Layout(columns=tuple(self._column(c, by_name.get(c.stored_name)) for c in self._columns))

    def _column(self, column: Column, sample: NDArray[np.float64] | None) -> ColumnLayout:
        if column.type != "numeric":
            listed, known = self._names[column.stored_name].finish()
            return ColumnLayout(
                name=column.name, stored_name=column.stored_name, kind="categorical", categories=listed,
                known_hashes=known,
            )  # fmt: skip
        extent = self._ranges[column.stored_name]
        values = np.empty(0) if sample is None else sample[~np.isnan(sample)]
        edges, atoms = numeric_cells(values, distinct=extent.distinct, low=extent.low, high=extent.high)
        return ColumnLayout(
            name=column.name, stored_name=column.stored_name, kind="numeric", edges=edges, atoms=atoms
        )  # fmt: skip

    def _sample(self, batch: pa.RecordBatch) -> None:
        if not self._numeric or batch.num_rows == 0:
            return
        keys = mix(np.arange(self._rows, self._rows + batch.num_rows, dtype=np.uint64))
        chosen = np.flatnonzero(keys <= self._ceiling)
        if len(chosen) == 0:
            return
        rows = None if len(chosen) == batch.num_rows else pa.array(chosen)
        self._keys.append(keys[chosen])
        self._sampled.append([_floats(batch, c.stored_name, rows, len(chosen)) for c in self._numeric])
        self._held += len(chosen)
        if self._held > self._limit + self._limit // 4:
            self._shrink()

    def _shrink(self) -> None:
        """Keeps the rows of smallest key: the same whatever the batches were."""
        if self._held <= self._limit:
            return
        keys = np.concatenate(self._keys)
        kept = np.sort(np.argpartition(keys, self._limit - 1)[: self._limit])
        for position in range(len(self._numeric)):  # a column at a time: never two copies of the whole sample
            merged = np.concatenate([part[position] for part in self._sampled])[kept]
            for part in self._sampled:
                part[position] = merged[:0]
            self._sampled[0][position] = merged
        del self._sampled[1:]
        self._keys, self._held = [keys[kept]], len(kept)
        self._ceiling = self._keys[0].max()


def numeric_cells(
    values: NDArray[np.float64], *, distinct: NDArray[np.float64] | None, low: float, high: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Edges float64[k] and atoms bool[k + 1] from sampled values, the distinct values (or None) and the range.

    >>> numeric_cells(np.array([0.0, 0.0, 1.0]), distinct=np.array([0.0, 1.0]), low=0.0, high=1.0)[1].tolist()
    [False, True, False, True, False]
    """
    if not len(values) and distinct is None:
        return np.empty(0), np.zeros(1, bool)
    if distinct is not None:
        atoms, cuts = distinct, np.empty(0)
    else:
        ordered = np.sort(values)
        unique, counts = np.unique(ordered, return_counts=True)
        atoms = unique[counts > ATOM_SHARE * len(ordered)]
        ranks = np.ceil(np.arange(1, MAX_EDGES) * (len(ordered) / MAX_EDGES)).astype(np.int64) - 1
        cuts = np.concatenate((ordered[ranks], [np.nextafter(low, -np.inf), high]))
    edges = np.unique(np.concatenate((cuts, atoms, np.nextafter(atoms, -np.inf))))
    edges = edges[np.isfinite(edges)]
    holds = np.zeros(len(edges) + 1, bool)
    position = np.searchsorted(edges, atoms)
    alone = (position > 0) & (edges[position - 1] == np.nextafter(atoms, -np.inf))
    holds[position[alone]] = True
    return edges, holds


def extend(layout: Layout, other: Layout) -> Layout:
    """The columns of ``other``, each with the cells of ``layout`` where name, stored name and kind agree."""
    known = {(c.name, c.stored_name, c.kind): c for c in layout.columns}
    return Layout(columns=tuple(known.get((c.name, c.stored_name, c.kind), c) for c in other.columns))


class _Range:
    """Minimum, maximum and, while there are at most 1,000, the distinct values of one column."""

    def __init__(self) -> None:
        self.low, self.high = np.inf, -np.inf
        self.distinct: NDArray[np.float64] | None = np.empty(0)

    def add(self, array: pa.Array) -> None:
        if array.null_count == len(array):
            return
        extremes = pc.min_max(array)
        self.low = min(self.low, extremes["min"].as_py() + 0.0)
        self.high = max(self.high, extremes["max"].as_py() + 0.0)
        for part in (array.slice(0, 4 * MAX_DISTINCT), array.slice(4 * MAX_DISTINCT)):  # many show early that they are
            if self.distinct is not None and len(part):
                found = pc.unique(part).drop_null().to_numpy(zero_copy_only=False) + 0.0
                merged = np.union1d(self.distinct, found) if len(found) <= MAX_DISTINCT + 1 else None
                self.distinct = merged if merged is not None and len(merged) <= MAX_DISTINCT else None


class _Names:
    """How often each category occurs; beyond 1,000,000 only the most frequent are kept on."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.overflowed = False

    def add(self, batch: pa.RecordBatch, stored_name: str) -> None:
        found = category_values(batch, stored_name)
        tally = np.bincount(found.codes, minlength=len(found.names)).tolist()
        counts = self.counts
        for name, count in zip(found.names, tally, strict=True):
            if count:
                counts[name] = counts.get(name, 0) + count
        if len(counts) > MAX_KNOWN_CATEGORIES:
            self.overflowed = True
            self.counts = dict(sorted(counts.items(), key=_by_count)[: 100 * MAX_CATEGORIES])

    def finish(self) -> tuple[tuple[str, ...], NDArray[np.uint64] | None]:
        listed = tuple(name for name, _ in sorted(self.counts.items(), key=_by_count)[:MAX_CATEGORIES])
        return listed, None if self.overflowed else np.sort(hash_names(self.counts))


def _by_count(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]


def _floats(batch: pa.RecordBatch, stored_name: str, rows: pa.Array | None, length: int) -> NDArray[np.float64]:
    position = batch.schema.get_field_index(stored_name)
    if position < 0:
        return np.full(length, np.nan)
    array = batch.column(position)
    floats: NDArray[np.float64] = (array if rows is None else array.take(rows)).to_numpy(zero_copy_only=False)
    return floats
