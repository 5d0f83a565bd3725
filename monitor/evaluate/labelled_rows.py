"""Stored rows with their labels in force: a posted one before the record's own, none where it was withdrawn."""

from __future__ import annotations

import pyarrow as pa

from monitor.columns.batch import ID, companion_of
from monitor.columns.keyed_ids import hash_ids, hash_key
from monitor.evaluate.label_column import WindowLabels, as_column, replaced, showable
from monitor.model.schema import Schema
from monitor.store.engine import Store


class LabelledRows:
    """Puts the joined labels of a window into its canonical batches, one window's labels in memory at a time."""

    def __init__(self, store: Store, *, version_id: int, schema: Schema) -> None:
        self._labels = WindowLabels(store, version_id=version_id)
        self._key = hash_key(store.secret)
        self._column = showable(schema)

    def __call__(self, batch: pa.RecordBatch, *, start_us: int) -> pa.RecordBatch:
        """The batch, of rows of the window that starts then, with the window's labels in its label column."""
        column = self._column
        if column is None:
            return batch
        rows, labels = self._labels.of(hash_ids(batch.column(ID), key=self._key), start_us=start_us)
        if not len(rows):
            return batch
        joined = as_column(labels.values, column)
        name, raw = column.stored_name, companion_of(column.stored_name)
        batch = _put(batch, name, replaced(batch.column(name), rows=rows, values=joined.values))
        had = raw in batch.schema.names
        if joined.raw is None and not had:
            return batch
        texts = batch.column(raw) if had else pa.nulls(batch.num_rows, pa.string())
        unfit = pa.nulls(len(rows), pa.string()) if joined.raw is None else joined.raw
        return _put(batch, raw, replaced(texts, rows=rows, values=unfit))


def _put(batch: pa.RecordBatch, name: str, values: pa.Array) -> pa.RecordBatch:
    position = batch.schema.get_field_index(name)
    if position < 0:
        return batch.append_column(name, values)
    return batch.set_column(position, name, values)
