"""Stored batches of any schema brought to one set of columns for reading back, with nothing lost.

The schema's columns under their own names, then ``invalid`` and ``unknown``: JSON objects (or null) with the
raw values that did not fit and the columns the schema does not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from monitor.columns.batch import ID, TIMESTAMP, TIMESTAMP_TYPE, companion_of, form_of, is_companion, shown_name
from monitor.columns.coerce import stored_type
from monitor.columns.conform import conform, stored_columns
from monitor.columns.text import json_text, raw_value
from monitor.model.schema import Schema

INVALID = "invalid"
UNKNOWN = "unknown"


def unified_schema(schema: Schema) -> pa.Schema:
    """The Arrow schema of ``unified`` batches."""
    identity, time = schema.role("id"), schema.role("timestamp")
    own = [identity.name if identity is not None else ID, time.name if time is not None else TIMESTAMP]
    names = _unlike([column.name for column in stored_columns(schema)], taken=[*own, INVALID, UNKNOWN])
    fields = [pa.field(own[0], pa.string()), pa.field(own[1], TIMESTAMP_TYPE)]
    fields += [pa.field(name, stored_type(c)) for name, c in zip(names, stored_columns(schema), strict=True)]
    return pa.schema([*fields, pa.field(INVALID, pa.string()), pa.field(UNKNOWN, pa.string())])


def _unlike(names: list[str], *, taken: list[str]) -> list[str]:
    """The columns' names, with ``features.`` before each that another column of the table has."""
    others = {*taken, *names}
    shown = []
    for column in names:
        name = column
        while column in taken and name in others:
            name = f"features.{name}"
        others.add(name)
        shown.append(name)
    return shown


def shown_column(stored_name: str, schema: Schema) -> str:
    """A column's name in what is read back: the schema's own, by which it can be sent again."""
    column = schema.by_stored_name.get(stored_name)
    return column.name if column is not None else shown_name(stored_name)


def unified(batch: pa.RecordBatch, schema: Schema) -> pa.RecordBatch:
    """The batch with exactly ``unified_schema``'s columns."""
    conformed = conform(batch, schema)
    names = [c.stored_name for c in stored_columns(schema)]
    arrays = [conformed.column(ID), conformed.column(TIMESTAMP), *(conformed.column(name) for name in names)]
    invalid = _objects(
        {shown_column(n, schema): conformed.column(companion_of(n)) for n in names
         if conformed.schema.get_field_index(companion_of(n)) >= 0},
        batch.num_rows, texts=True,
    )  # fmt: skip
    return pa.RecordBatch.from_arrays([*arrays, invalid, _unknown(batch, schema)], schema=unified_schema(schema))


def _unknown(batch: pa.RecordBatch, schema: Schema) -> pa.Array:
    known = {c.stored_name for c in stored_columns(schema)} | {ID, TIMESTAMP}
    columns: dict[str, pa.Array] = {}
    texts: dict[str, pa.Array] = {}
    for field, array in zip(batch.schema, batch.columns, strict=True):
        main = field.name.removeprefix("!") if is_companion(field.name) else field.name
        if main in known:
            continue
        as_texts = is_companion(field.name) or form_of(field) == "json"
        (texts if as_texts else columns)[field.name] = array
    plain = _values(columns, batch.num_rows, texts=False)
    for row, values in _values(texts, batch.num_rows, texts=True).items():
        plain.setdefault(row, {}).update(values)
    return _text_array(plain, batch.num_rows)


def _objects(columns: Mapping[str, pa.Array], rows: int, *, texts: bool) -> pa.Array:
    return _text_array(_values(columns, rows, texts=texts), rows)


def _values(columns: Mapping[str, pa.Array], rows: int, *, texts: bool) -> dict[int, dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    for name, array in columns.items():
        if array.null_count == rows:
            continue
        for row, value in enumerate(array.to_pylist()):
            if value is not None:
                found.setdefault(row, {})[shown_name(name.removeprefix("!"))] = raw_value(value) if texts else value
    return found


def _text_array(values: Mapping[int, dict[str, Any]], rows: int) -> pa.Array:
    if not values:
        return pa.nulls(rows, pa.string())
    return pa.array([json_text(values[row]) if row in values else None for row in range(rows)], pa.string())
