"""Any stored batch brought to a schema: its columns, its types, its companions."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from monitor.columns.batch import ID, TIMESTAMP, TIMESTAMP_TYPE, companion_of, form_of
from monitor.columns.categories import has_codes
from monitor.columns.coerce import Coerced, coerce, stored_type
from monitor.model.schema import Column, Schema


def conform(batch: pa.RecordBatch, schema: Schema) -> pa.RecordBatch:
    """The batch with ``id``, ``timestamp`` and exactly the schema's columns, in the schema's order and types.

    A column the batch lacks is all missing; a raw value kept as invalid is read again by the column's new
    type; columns the schema does not know are left out. Categories that are codes (``categories.with_codes``) stay so.
    """
    fields = [pa.field(ID, pa.string(), nullable=False), pa.field(TIMESTAMP, TIMESTAMP_TYPE, nullable=False)]
    arrays = [batch.column(ID), batch.column(TIMESTAMP)]
    for column in stored_columns(schema):
        coerced = conform_column(batch, column)
        fields.append(pa.field(column.stored_name, coerced.values.type))
        arrays.append(coerced.values)
        if coerced.raw is not None:
            fields.append(pa.field(companion_of(column.stored_name), pa.string()))
            arrays.append(coerced.raw)
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))


def stored_columns(schema: Schema) -> tuple[Column, ...]:
    """The schema's columns that a stored batch holds besides id and timestamp."""
    return tuple(
        c for c in schema.columns if c.role not in ("id", "timestamp", "ignore") and c.store != "none"
    )  # fmt: skip


def conform_column(batch: pa.RecordBatch, column: Column) -> Coerced:
    """One column of a stored batch in its schema type (all missing where the batch lacks it)."""
    position = batch.schema.get_field_index(column.stored_name)
    if position < 0:
        return Coerced(pa.nulls(batch.num_rows, stored_type(column)))
    form = form_of(batch.schema.field(position))
    again = batch.schema.get_field_index(companion_of(column.stored_name))
    if again < 0 and has_codes(batch.column(position).type) and column.type == "categorical" and not column.missing:
        return Coerced(batch.column(position))
    coerced = coerce(batch.column(position), column, form=form)
    if again < 0:
        return coerced
    kept = coerce(batch.column(again), column, form="json")
    raw = kept.raw if coerced.raw is None else pc.coalesce(coerced.raw, kept.raw or pa.nulls(len(batch), pa.string()))
    return Coerced(pc.if_else(kept.values.is_valid(), kept.values, coerced.values), raw)
