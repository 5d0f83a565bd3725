"""What is kept of records to hold them against their labels: id hash, prediction, scores, and a label of their own.

A few bytes a record, so that a label that comes when the features are long gone still counts. Predictions and labels
are numbers where the model's task is regression, category texts elsewhere; scores are numbers.
"""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from monitor.columns.batch import decode_batch, encode_batch
from monitor.columns.categories import has_codes
from monitor.columns.coerce import coerce
from monitor.columns.keyed_ids import Hashes
from monitor.model.entities import Task
from monitor.model.schema import Column, Schema

KEY, PREDICTION, LABEL = "key", "prediction", "label"
_CODEC = "zstd"


def has_outcomes(schema: Schema | None, *, task: Task) -> bool:
    """Whether records have a prediction or a score that a label can be held against."""
    return schema is not None and task != "none" and bool(_predicting(schema))


def outcome_rows(rows: pa.RecordBatch, *, keys: Hashes, schema: Schema, task: Task) -> pa.RecordBatch:
    """``key`` uint64, then prediction, scores and label by stored name; ``keys`` are the conformed rows' id hashes."""
    arrays: list[pa.Array] = [pa.array(keys, pa.uint64())]
    names = [KEY]
    label = schema.role("label")
    for column in (*_predicting(schema), *((label,) if label is not None else ())):
        position = rows.schema.get_field_index(column.stored_name)
        values = rows.column(position) if position >= 0 else pa.nulls(rows.num_rows, pa.string())
        number = column.role == "score" or task == "regression"
        values = _values(values.cast(pa.string()) if has_codes(values.type) else values, number=number)
        if column is label and values.null_count == len(values):
            continue
        names.append(column.stored_name)
        arrays.append(values if number else values.dictionary_encode())
    return pa.RecordBatch.from_arrays(arrays, names=names)


def encode_outcomes(rows: pa.Table) -> bytes:
    """The rows as they are stored."""
    batches = rows.combine_chunks().to_batches()
    return encode_batch(batches[0] if batches else rows.schema.empty_table().to_batches()[0], codec=_CODEC)


def decode_outcomes(payloads: Iterable[bytes]) -> pa.Table:
    """All rows of stored parts, in their order; a column that only some parts have is null elsewhere."""
    tables = [_plain(decode_batch(payload, _CODEC)) for payload in payloads]
    if not tables:
        return pa.table({KEY: pa.array([], pa.uint64())})
    return pa.concat_tables(tables, promote_options="permissive").combine_chunks()


def _plain(batch: pa.RecordBatch) -> pa.Table:
    """Without dictionaries of their own, which differ between parts."""
    table = pa.Table.from_batches([batch])
    for position, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            table = table.set_column(position, field.name, table.column(position).cast(pa.string()))
    return table


def _predicting(schema: Schema) -> tuple[Column, ...]:
    return tuple(c for c in schema.columns if c.role in ("prediction", "score") and c.store != "none")


def _values(array: pa.Array, *, number: bool) -> pa.Array:
    kind = Column(name="value", type="numeric" if number else "categorical")
    form = "text" if number and pa.types.is_string(array.type) else "typed"
    return coerce(array, kind, form=form).values
