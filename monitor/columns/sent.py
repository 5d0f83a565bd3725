"""Columns as sent, before any schema: Python values or Arrow arrays in the few types a batch may hold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from monitor.columns.batch import EMBEDDING_TYPE
from monitor.columns.text import json_text

# Told apart by number: most columns are one of these, and every column is asked.
_PLAIN_IDS = frozenset(
    kind.id for kind in (pa.float64(), pa.float32(), pa.int64(), pa.int32(), pa.string(), pa.bool_(), pa.null())
)


def as_sent(values: Sequence[Any]) -> tuple[pa.Array, str]:
    """Python values (of JSON) as an array and its form: ``typed`` when of one kind, else ``json`` texts.

    >>> as_sent([1, None, 2.5])[0].type, as_sent(["a", 1])[1]
    (DataType(double), 'json')
    """
    kinds = set(map(type, values))
    kinds.discard(type(None))
    if not kinds:
        return pa.nulls(len(values)), "typed"
    if kinds <= {int, float}:
        return _numbers(values, kinds)
    if kinds == {bool}:
        return pa.array(values, pa.bool_()), "typed"
    if kinds == {str}:
        try:
            return pa.array(values, pa.string()), "typed"
        except UnicodeEncodeError:  # a lone surrogate: JSON text can say it, UTF-8 cannot
            return _texts(values), "json"
    if kinds == {list} and all(v is None or _is_vector(v) for v in values):
        return pa.array(values, EMBEDDING_TYPE), "typed"
    return _texts(values), "json"


def plain(array: pa.Array) -> pa.Array:
    """The array in a plain type: dictionaries and run-lengths are their values, no views, no large offsets."""
    kind = array.type
    if kind.id in _PLAIN_IDS:
        return array
    if isinstance(kind, pa.BaseExtensionType):
        return plain(array.storage)
    if pa.types.is_dictionary(kind):
        return plain(array.dictionary_decode())
    if pa.types.is_run_end_encoded(kind):
        return plain(pc.run_end_decode(array))
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return array.cast(pa.string())
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return _binary(array)
    if pa.types.is_fixed_size_list(kind) or pa.types.is_large_list(kind) or pa.types.is_list_view(kind):
        return array.cast(pa.list_(kind.value_type))
    return array


def typed_as_sent(array: pa.Array) -> tuple[pa.Array, str]:
    """A plain Arrow array in a type that a batch without schema may hold, and its form."""
    kind = array.type
    if pa.types.is_null(kind) or pa.types.is_boolean(kind) or pa.types.is_string(kind):
        return array, "typed"
    if pa.types.is_integer(kind):
        try:
            return array.cast(pa.int64()), "typed"
        except pa.ArrowInvalid:  # above the signed range
            return array.cast(pa.float64(), safe=False), "typed"
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return pc.cast(array, pa.float64(), safe=False), "typed"
    if pa.types.is_temporal(kind):
        return array.cast(pa.string()), "typed"
    return as_sent(array.to_pylist())


def _numbers(values: Sequence[Any], kinds: set[type]) -> tuple[pa.Array, str]:
    if kinds == {float}:
        return pa.array(values, pa.float64()), "typed"
    try:
        if kinds == {int}:
            return pa.array(values, pa.int64()), "typed"
        return pa.array(values, pa.float64()), "typed"
    except (OverflowError, pa.ArrowInvalid):  # an integer that neither holds exactly, which a category must
        return _texts(values), "json"


def _texts(values: Sequence[Any]) -> pa.Array:
    return pa.array([None if v is None else json_text(v) for v in values], pa.string())


def _is_vector(value: list[Any]) -> bool:
    return all(type(v) in (int, float) and math.isfinite(v) and abs(v) < 2**53 for v in value)


def _binary(array: pa.Array) -> pa.Array:
    try:
        return array.cast(pa.string())
    except pa.ArrowInvalid:  # bytes that are no UTF-8: shown with escapes, so that nothing is lost silently
        decoded = [None if v is None else v.decode("utf-8", "backslashreplace") for v in array.to_pylist()]
        return pa.array(decoded, pa.string())
