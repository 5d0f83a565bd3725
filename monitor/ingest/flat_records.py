"""JSON records as a flat table whose columns are named as users name them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from monitor.columns.batch import field_of
from monitor.columns.flatten import flatten
from monitor.columns.sent import as_sent


def flat_table(records: Sequence[Mapping[str, Any]]) -> pa.RecordBatch:
    """One batch of the records, nested or flat; ``scores`` become ``score:<class>`` columns.

    >>> flat_table([{"id": "a", "features": {"x": {"y": 1}}, "scores": {"yes": 0.5}}]).schema.names
    ['id', 'x.y', 'score:yes']
    """
    rows = [flat_record(record) for record in records]
    names = dict.fromkeys(name for row in rows for name in row)
    fields: list[pa.Field] = []
    arrays: list[pa.Array] = []
    for name in names:
        array, form = as_sent([row.get(name) for row in rows])
        fields.append(field_of(name, array.type, form=form))
        arrays.append(array)
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))


def flat_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """One record as a flat row."""
    row: dict[str, Any] = {}
    for name, value in record.items():
        if name == "features" and isinstance(value, dict):
            row |= flatten(value)
        elif name == "scores" and isinstance(value, dict):
            row |= {f"score:{class_}": score for class_, score in value.items()}
        else:
            row |= flatten({name: value})
    return row
