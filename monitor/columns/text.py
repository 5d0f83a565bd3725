"""Canonical texts: the same value is the same category in every media type (API 1).

Booleans are ``true``/``false``; integers and integral floats decimal without ``.0``; text is as it is.
"""

from __future__ import annotations

import datetime
import json
import math
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

_NOT_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def category_text(value: Any) -> str | None:
    """The category a scalar means, or None where it cannot be one (NaN, lists, lone surrogates).

    >>> category_text(3.0), category_text("3"), category_text(True), category_text(0.1)
    ('3', '3', 'true', '0.1')
    """
    if isinstance(value, str):
        return value if is_unicode(value) else None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float | Decimal):
        if not math.isfinite(value):
            return None
        number = float(value)
        return str(int(value)) if number.is_integer() else repr(number)
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    return None


def is_unicode(text: str) -> bool:
    """Whether the text has a UTF-8 form, that is no lone surrogate."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def json_text(value: Any) -> str:
    """Any sent value as ASCII JSON text; NaN and infinities as ``NaN``, ``Infinity``, ``-Infinity``.

    >>> json_text("ü"), json_text(float("nan")), json_text([1, None])
    ('"\\\\u00fc"', 'NaN', '[1, null]')
    """
    return json.dumps(value, default=_other)


def raw_value(text: str) -> Any:
    """A raw value out of its JSON text; what JSON has no number for (NaN, Infinity) stays a text.

    >>> raw_value('"abc"'), raw_value("true"), raw_value("NaN")
    ('abc', True, 'NaN')
    """
    return json.loads(text, parse_constant=str)


def number_text(value: float) -> str:
    """The JSON text of a float that is not finite."""
    return _NOT_FINITE[repr(value)]


def float_texts(array: pa.Array) -> pa.Array:
    """Category texts (string[n]) of a finite float64 array; Python formats distinct values only."""
    encoded = array.dictionary_encode()
    names = pa.array([category_text(v) for v in encoded.dictionary.to_pylist()], pa.string())
    return names.take(encoded.indices)


def string_json(array: pa.Array) -> pa.Array:
    """Each string as its JSON text (string[n]); nulls stay null."""
    encoded = array.dictionary_encode()
    return pa.array([json.dumps(v) for v in encoded.dictionary.to_pylist()], pa.string()).take(encoded.indices)


def value_json(array: pa.Array) -> pa.Array:
    """Each value of any Arrow array as its JSON text (string[n]); nulls stay null."""
    if pa.types.is_string(array.type):
        return string_json(array)
    if pa.types.is_boolean(array.type):
        return pc.cast(array, pa.string())
    return pa.array([None if v is None else json_text(v) for v in array.to_pylist()], pa.string())


def _other(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    return str(value)
