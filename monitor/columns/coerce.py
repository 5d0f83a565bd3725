"""A sent column brought to its schema column: main values, and the raw texts of what does not fit.

One function a column type; everything is vectorised over the batch, Python only sees distinct values.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from monitor.columns.batch import EMBEDDING_TYPE
from monitor.columns.floats import all_finite
from monitor.columns.sent import plain
from monitor.columns.text import category_text, float_texts, json_text, string_json, value_json
from monitor.model.schema import Column

_NUMBER = r"^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$"
_NOT_FINITE = r"^[+-]?(?i:nan|inf|infinity)$"
_NO_TEXT = pa.scalar(None, pa.string())
_FLOAT64, _STRING, _NULL = pa.float64().id, pa.string().id, pa.null().id
_TRUE = frozenset(("true", "True", "TRUE", "1"))
_FALSE = frozenset(("false", "False", "FALSE", "0"))


@dataclass(frozen=True, slots=True)
class Coerced:
    """``values`` in the schema's type with nulls for missing and invalid; ``raw`` JSON texts where invalid."""

    values: pa.Array
    raw: pa.Array | None = None


def stored_type(column: Column) -> pa.DataType:
    """The Arrow type a schema column has in a conformed batch."""
    if column.type == "numeric":
        return pa.float64()
    return EMBEDDING_TYPE if column.type == "embedding" else pa.string()


def coerce(array: pa.Array, column: Column, *, form: str = "typed") -> Coerced:
    """The column's values out of any sent array; ``form`` as in ``batch.form_of``."""
    if form == "json":
        coerced = _json_texts(array, column)
    elif array.type.id == _NULL:
        return Coerced(pa.nulls(len(array), stored_type(column)))
    elif form == "text" and column.type in ("numeric", "embedding"):
        coerced = _number_texts(array) if column.type == "numeric" else _list_texts(array, column)
    else:
        coerced = _typed(plain(array), column)
    return _without_sentinels(coerced, column) if column.missing else coerced


def _typed(array: pa.Array, column: Column) -> Coerced:
    if column.type == "numeric":
        return _numeric(array)
    if column.type == "embedding":
        return _embedding(array, column)
    texts = _texts(array)
    return _booleans(texts, column) if column.type == "boolean" else texts


def finite(array: pa.Array) -> Coerced:
    """A float64 array with NaN and infinities taken out as invalid."""
    if all_finite(array):
        return Coerced(array)
    good = pc.is_finite(array).fill_null(True)
    named = pc.if_else(pc.is_nan(array), "NaN", pc.if_else(pc.greater(array, 0.0), "Infinity", "-Infinity"))
    return _split(array, good, named)


def _split(values: pa.Array, good: pa.Array, raw: pa.Array) -> Coerced:
    """Values where ``good``, raw texts where not; what was null stays plainly null."""
    return Coerced(pc.if_else(good, values, pa.scalar(None, values.type)), pc.if_else(good, _NO_TEXT, raw))


def _numeric(array: pa.Array) -> Coerced:
    kind = array.type
    if kind.id == _FLOAT64:
        return finite(array)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return finite(pc.cast(array, pa.float64(), safe=False))
    return Coerced(pa.nulls(len(array), pa.float64()), value_json(array) if array.null_count < len(array) else None)


def _texts(array: pa.Array) -> Coerced:
    kind = array.type
    if kind.id == _STRING:
        return Coerced(array)
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind):
        return Coerced(pc.cast(array, pa.string()))
    if pa.types.is_temporal(kind):
        return Coerced(pc.cast(array, pa.string()))
    if pa.types.is_floating(kind):
        checked = finite(pc.cast(array, pa.float64()))
        return Coerced(float_texts(checked.values), checked.raw)
    return _python(array.to_pylist(), category_text)


def _booleans(texts: Coerced, column: Column) -> Coerced:
    true = frozenset(column.true) or _TRUE
    false = frozenset(column.false) or _FALSE
    encoded = texts.values.dictionary_encode()
    names = encoded.dictionary.to_pylist()
    # The canonical texts of booleans always read, whatever words the schema adds.
    read = ["true" if n in true or n == "true" else "false" if n in false or n == "false" else None for n in names]
    values = pa.array(read, pa.string()).take(encoded.indices)
    raw = pa.array([json.dumps(n) if r is None else None for n, r in zip(names, read, strict=True)], pa.string())
    wrong = raw.take(encoded.indices)
    if texts.raw is not None:
        wrong = pc.coalesce(wrong, texts.raw)
    return Coerced(values, wrong if wrong.null_count < len(wrong) else None)


def _number_texts(array: pa.Array) -> Coerced:
    try:
        return finite(pc.cast(array, pa.float64()))
    except pa.ArrowInvalid:
        trimmed = pc.ascii_trim_whitespace(array)
    good = pc.or_(pc.match_substring_regex(trimmed, _NUMBER), pc.match_substring_regex(trimmed, _NOT_FINITE)).fill_null(
        True
    )
    numbers = finite(pc.cast(pc.if_else(good, trimmed, _NO_TEXT), pa.float64()))
    raw = pc.if_else(good, _NO_TEXT, string_json(array))
    if numbers.raw is not None:
        raw = pc.coalesce(raw, numbers.raw)
    return Coerced(numbers.values, raw if raw.null_count < len(raw) else None)


def _embedding(array: pa.Array, column: Column) -> Coerced:
    if pa.types.is_list(array.type) and (
        pa.types.is_floating(array.type.value_type) or pa.types.is_integer(array.type.value_type)
    ):
        flat = array.flatten()
        lengths = pc.list_value_length(array)
        sized = column.dimensions is None or pc.all(pc.equal(lengths, column.dimensions)).as_py() is not False
        if flat.null_count == 0 and sized and pc.all(pc.is_finite(flat)).as_py() is not False:
            return Coerced(array.cast(EMBEDDING_TYPE))
    return _python(array.to_pylist(), embedding_reader(column), kind=EMBEDDING_TYPE)


def _list_texts(array: pa.Array, column: Column) -> Coerced:
    def parsed(text: str) -> Any:
        try:
            return json.loads(text)
        except ValueError:
            return text

    values = [None if v is None else parsed(v) for v in array.to_pylist()]
    return _python(values, embedding_reader(column), kind=EMBEDDING_TYPE)


def embedding_reader(column: Column) -> Callable[[Any], list[float] | None]:
    """A reader of lists of finite numbers with the column's dimensions; None for what is none."""

    def read(value: Any) -> list[float] | None:
        if not isinstance(value, list) or (column.dimensions is not None and len(value) != column.dimensions):
            return None
        numbers = [number_reader(v) for v in value]
        return None if None in numbers else [n for n in numbers if n is not None]

    return read


def number_reader(value: Any) -> float | None:
    """A finite float, or None where the value is not a number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _python(values: Iterable[Any], reader: Callable[[Any], Any], *, kind: pa.DataType | None = None) -> Coerced:
    main: list[Any] = []
    raw: list[str | None] = []
    for value in values:
        read = None if value is None else reader(value)
        main.append(read)
        raw.append(json_text(value) if read is None and value is not None else None)
    wrong = pa.array(raw, pa.string())
    return Coerced(pa.array(main, kind or pa.string()), wrong if wrong.null_count < len(wrong) else None)


def _json_texts(array: pa.Array, column: Column) -> Coerced:
    """Columns whose values were kept as JSON texts: distinct texts are read once, then coerced as sent."""
    encoded = array.dictionary_encode()
    values = [json.loads(text) for text in encoded.dictionary.to_pylist()]
    reader: Callable[[Any], Any] = {
        "numeric": number_reader,
        "embedding": embedding_reader(column),
    }.get(column.type, category_text)
    distinct = _python(values, reader, kind=stored_type(column))
    if column.type == "boolean":
        distinct = _booleans(distinct, column)
    indices = encoded.indices
    raw = None if distinct.raw is None else distinct.raw.take(indices)
    return Coerced(distinct.values.take(indices), raw if raw is not None and raw.null_count < len(raw) else None)


def _without_sentinels(coerced: Coerced, column: Column) -> Coerced:
    """Values the schema declares to mean *missing* become plain nulls, fitting or not."""
    values, raw = coerced.values, coerced.raw
    if column.type == "numeric":
        numbers = [n for n in map(number_reader, column.missing) if n is not None]
        if numbers:
            values = pc.if_else(
                pc.is_in(values, pa.array(numbers, pa.float64())), pa.scalar(None, pa.float64()), values
            )
    elif column.type != "embedding":
        texts = [t for t in map(category_text, column.missing) if t is not None]
        values = pc.if_else(pc.is_in(values, pa.array(texts, pa.string())), _NO_TEXT, values)
    if raw is not None:
        named = pa.array([json_text(m) for m in column.missing], pa.string())
        raw = pc.if_else(pc.is_in(raw, named), _NO_TEXT, raw)
    return Coerced(values, raw if raw is not None and raw.null_count < len(raw) else None)
