"""A bounded sample of a stream's rows: those whose hash is smallest, the same however the stream is cut."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from monitor.columns.batch import ID, TIMESTAMP
from monitor.profile.hashing import Hashes, hash_strings, mix

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")


class RowSample:
    """The ``limit`` rows of smallest hash, of the named columns; ties go to the earlier row.

    ``rows`` is how many will come, where that is known and none of them has an id: then those that cannot be among
    the smallest are never held. The sample is the same without it.
    """

    def __init__(self, stored_names: Sequence[str], *, limit: int, rows: int | None = None) -> None:
        self._names, self._limit = tuple(stored_names), limit
        self._keys: list[Hashes] = []
        self._parts: dict[str, list[pa.Array]] = {name: [] for name in self._names}
        self._seen = self._held = 0
        self._ceiling = np.uint64(0xFFFFFFFFFFFFFFFF)
        if rows is not None and rows > limit:
            self._ceiling = np.partition(mix(np.arange(rows, dtype=np.uint64)), limit - 1)[limit - 1]

    def add(self, batch: pa.RecordBatch, *, pool: Executor | None = None) -> None:
        """Takes in the rows that may be among the smallest; columns the batch lacks are missing there.

        ``pool`` spreads the columns over threads.
        """
        keys = row_keys(batch, first_row=self._seen)
        self._seen += batch.num_rows
        chosen = np.flatnonzero(keys <= self._ceiling)
        if not len(chosen):
            return
        rows = None if len(chosen) == batch.num_rows else pa.array(chosen)

        def take(name: str) -> None:
            position = batch.schema.get_field_index(name)
            column = batch.column(position) if position >= 0 else pa.nulls(batch.num_rows)
            self._parts[name].append(column if rows is None else column.take(rows))

        each(pool, take, self._names)
        self._keys.append(keys[chosen])
        self._held += len(chosen)
        if self._held > self._limit + self._limit // 4:
            self._shrink(pool=pool)

    def column(self, stored_name: str, *, kind: pa.DataType) -> pa.Array:
        """The sampled values of one column, nulls where they are missing or invalid."""
        self._shrink()
        return _joined(self._parts[stored_name], kind=kind)

    def _shrink(self, *, pool: Executor | None = None) -> None:
        if self._held <= self._limit:
            return
        keys = np.concatenate(self._keys)
        self._ceiling = np.partition(keys, self._limit - 1)[self._limit - 1]
        below, equal = np.flatnonzero(keys < self._ceiling), np.flatnonzero(keys == self._ceiling)
        kept = np.sort(np.concatenate((below, equal[: self._limit - len(below)])))
        self._keys, self._held = [keys[kept]], len(kept)
        rows = pa.array(kept)

        def shrink(name: str) -> None:  # a column at a time: never two copies of the whole sample
            parts = self._parts[name]
            kind = next((part.type for part in parts if not pa.types.is_null(part.type)), pa.null())
            kind = kind.value_type if pa.types.is_dictionary(kind) else kind  # every part has codes of its own
            self._parts[name] = [_joined(parts, kind=kind).take(rows)]

        each(pool, shrink, self._names)


def each(pool: Executor | None, work: Callable[[_Given], _Made], subjects: Iterable[_Given]) -> list[_Made]:
    """``work`` of each subject, in their order, by the threads of ``pool`` where there is one."""
    return list(map(work, subjects) if pool is None else pool.map(work, subjects))


def row_keys(batch: pa.RecordBatch, *, first_row: int) -> NDArray[np.uint64]:
    """uint64[n]: a hash of each row's id and timestamp; of its position in the stream where it has no id.

    Without an id nothing tells equal rows apart but their place: hashing what they hold would take all of them or
    none, and a value that fills half of a column could vanish from the sample.
    """
    numbers = mix(np.arange(first_row, first_row + batch.num_rows, dtype=np.uint64))
    position = batch.schema.get_field_index(ID)
    if position < 0 or not batch.num_rows:
        return numbers
    ids = batch.column(position)
    nameless = pc.equal(pc.binary_length(ids), 0).fill_null(True).to_numpy(zero_copy_only=False)
    if nameless.all():
        return numbers
    keys = hash_strings(ids)
    instant = batch.schema.get_field_index(TIMESTAMP)
    if instant >= 0:
        keys ^= mix(np.asarray(batch.column(instant).cast(pa.int64()).fill_null(0).to_numpy()).view(np.uint64))
    return np.where(nameless, numbers, mix(keys))


def _joined(parts: Sequence[pa.Array], *, kind: pa.DataType) -> pa.Array:
    return pa.concat_arrays([part.cast(kind) if part.type != kind else part for part in parts] or [pa.nulls(0, kind)])
