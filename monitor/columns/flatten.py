"""Nested objects as flat names with ``.``, to depth 5; what lies deeper stays one value."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from monitor.columns.batch import form_of
from monitor.columns.sent import as_sent, plain
from monitor.model.errors import InvalidInput

MAX_FLATTEN_DEPTH = 5
_PANDAS_INDEX = re.compile(r"__index_level_\d+__")


def flatten(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record with nested objects flattened; an empty object is no value at all.

    >>> flatten({"a": {"b": 1, "c": {"d": 2}}, "e": 3})
    {'a.b': 1, 'a.c.d': 2, 'e': 3}
    """
    if not any(type(v) is dict for v in record.values()):
        return dict(record)
    return dict(_pairs(record, "", 1))


def _pairs(record: Mapping[str, Any], prefix: str, depth: int) -> Iterator[tuple[str, Any]]:
    for name, value in record.items():
        if isinstance(value, dict) and depth < MAX_FLATTEN_DEPTH:
            yield from _pairs(value, f"{prefix}{name}.", depth + 1)
        else:
            yield prefix + name, value


def flat_columns(batch: pa.RecordBatch) -> dict[str, tuple[pa.Array, str]]:
    """Name → (plain array, form) of a sent table, struct columns flattened; a name twice is refused.

    The nameless row index that pandas writes into Parquet and Arrow is no column of the data and is left out.
    """
    found: dict[str, tuple[pa.Array, str]] = {}
    for field, array in zip(batch.schema, batch.columns, strict=True):
        if _PANDAS_INDEX.fullmatch(field.name):
            continue
        for name, flat, form in _flat_arrays(field.name, plain(array), form_of(field), 1):
            if name in found:
                raise InvalidInput(
                    f"column {name[:80]!r} is there twice: expected each name once; rename or drop one",
                    code="column_twice",
                )
            found[name] = (flat, form)
    return found


def _flat_arrays(name: str, array: pa.Array, form: str, depth: int) -> Iterator[tuple[str, pa.Array, str]]:
    if not pa.types.is_struct(array.type):
        yield name, array, form
        return
    if depth >= MAX_FLATTEN_DEPTH:
        yield name, *as_sent(array.to_pylist())
        return
    for child, values in zip(array.type, array.flatten(), strict=True):
        yield from _flat_arrays(f"{name}.{child.name}", plain(values), form, depth + 1)
