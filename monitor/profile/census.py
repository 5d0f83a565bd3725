"""What a reference holds of one column, over all its rows: range and distinct numbers, or categories and counts."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from monitor.columns.floats import present
from monitor.columns.values import category_counts
from monitor.profile.cells import MAX_DISTINCT
from monitor.profile.hashing import Hashes, hash_strings
from monitor.profile.layout import MAX_CATEGORIES, MAX_KNOWN_CATEGORIES

_FIRST_LOOK = 4 * MAX_DISTINCT  # rows after which most columns have shown that their values are many
_SLACK = 65_536  # names that may wait to be added up


class NumberCensus:
    """Minimum, maximum and, while there are at most 1,000, the distinct values of one column."""

    def __init__(self, stored_name: str) -> None:
        self.stored_name = stored_name
        self.low, self.high = np.inf, -np.inf
        self.distinct: NDArray[np.float64] | None = np.empty(0)

    def add(self, batch: pa.RecordBatch) -> None:
        """Takes the batch's values in."""
        position = batch.schema.get_field_index(self.stored_name)
        if position < 0 or batch.column(position).null_count == batch.num_rows:
            return
        values = batch.column(position)
        numbers = present(values)
        self.low = min(self.low, float(numbers.min()) + 0.0)
        self.high = max(self.high, float(numbers.max()) + 0.0)
        start, length = 0, _FIRST_LOOK
        while self.distinct is not None and start < len(values):
            found = pc.unique(values.slice(start, length)).drop_null().to_numpy(zero_copy_only=False) + 0.0
            merged = np.union1d(self.distinct, found)
            self.distinct = merged if len(merged) <= MAX_DISTINCT else None
            start, length = start + length, 4 * length


class CategoryCensus:
    """How often each category of one column occurs, while there are at most 1,000,000 of them."""

    def __init__(self, stored_name: str) -> None:
        self.stored_name = stored_name
        self.overflowed = False
        self._names: list[pa.Array] = []
        self._counts: list[NDArray[np.int64]] = []
        self._distinct = self._waiting = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Takes the batch's categories in; once there are too many nothing is counted any more."""
        if self.overflowed:
            return
        found = category_counts(batch, self.stored_name)
        self._names.append(found.names)
        self._counts.append(found.counts)
        self._waiting += len(found.counts)
        if self._waiting > self._distinct + _SLACK or len(self._names) > _SLACK // 64:
            self._add_up()

    def listed(self, sample: pa.Array) -> tuple[tuple[str, ...], Hashes | None]:
        """The at most 1,000 most frequent categories, ties by name, and the ascending hashes of all.

        Of too many categories the most frequent are those of ``sample``, and the hashes are None.
        """
        self._add_up()
        if self.overflowed:
            counted = sample.drop_null().value_counts()
            return _most_frequent(counted.field(0), counts=np.asarray(counted.field(1).to_numpy())), None
        return _most_frequent(self._names[0], counts=self._counts[0]), np.sort(hash_strings(self._names[0]))

    def _add_up(self) -> None:
        if len(self._names) == 1:
            self._settle(self._names[0], counts=self._counts[0])
            return
        names = pa.concat_arrays(self._names) if self._names else pa.array([], pa.string())
        counts = np.concatenate([np.zeros(0, np.int64), *self._counts])
        encoded = names.dictionary_encode()
        codes = encoded.indices.to_numpy()
        totals = np.zeros(len(encoded.dictionary), np.int64)
        np.add.at(totals, codes, counts)
        self._settle(encoded.dictionary, counts=totals)

    def _settle(self, names: pa.Array, *, counts: NDArray[np.int64]) -> None:
        self._names, self._counts = [names], [counts]
        self._distinct, self._waiting = len(counts), 0
        if self._distinct > MAX_KNOWN_CATEGORIES:
            self.overflowed, self._names, self._counts = True, [], []


def _most_frequent(names: pa.Array, *, counts: NDArray[np.int64]) -> tuple[str, ...]:
    if not len(names):
        return ()
    table = pa.table({"name": names, "count": counts})
    order = [("count", "descending"), ("name", "ascending")]
    rows = pc.select_k_unstable(table, k=min(MAX_CATEGORIES, len(names)), sort_keys=order)
    return tuple(names.take(rows).to_pylist())
