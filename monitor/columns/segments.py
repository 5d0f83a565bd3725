"""Which rows of a batch are in which segment."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from monitor.columns.categories import has_codes
from monitor.columns.coerce import coerce, stored_type
from monitor.columns.text import json_text
from monitor.model.conditions import LISTED, Condition, Where
from monitor.model.schema import Column, Schema
from monitor.model.segments import Segment

Rows = NDArray[np.bool_]
_ORDERED: dict[str, Callable[[pa.Array, pa.Scalar], pa.Array]] = {
    "gt": pc.greater, "gte": pc.greater_equal, "lt": pc.less, "lte": pc.less_equal,
}  # fmt: skip


def members(segments: Sequence[Segment], batch: pa.RecordBatch, *, schema: Schema) -> dict[str, pa.BooleanArray]:
    """Segment name → bool[n] without nulls, over a batch as ``conform`` gives it: which rows the segment has.

    Numbers are compared as numbers and all else as categories; a row whose value is invalid is as one without.

    >>> schema = Schema(columns=(Column(name="region", type="categorical"),))
    >>> batch = pa.record_batch({"f:region": pa.array(["EU", None, "US"])})
    >>> rest = Segment(name="region=(other)", shape={"by": "region", "other": ["EU"]})
    >>> members([rest], batch, schema=schema)["region=(other)"].to_pylist()
    [False, True, True]
    """
    sides = _Sides(batch, schema=schema)
    return {segment.name: pa.array(_rows(segment, sides=sides)) for segment in segments}


class _Sides:
    """The columns of a batch, each made ready for comparisons once."""

    def __init__(self, batch: pa.RecordBatch, *, schema: Schema) -> None:
        self.rows = batch.num_rows
        self._batch = batch
        self._schema = schema
        self._ready: dict[str, _Numbers | _Categories] = {}

    def of(self, name: str) -> _Numbers | _Categories:
        """The column of that name; one that the batch lacks is all missing."""
        if name not in self._ready:
            column = self._schema.by_name.get(name, Column(name=name, type="categorical"))
            position = self._batch.schema.get_field_index(column.stored_name)
            values = pa.nulls(self.rows, stored_type(column)) if position < 0 else self._batch.column(position)
            self._ready[name] = (_Numbers if column.type == "numeric" else _Categories)(values, column=column)
        return self._ready[name]


class _Numbers:
    """A numeric column."""

    def __init__(self, values: pa.Array, *, column: Column) -> None:
        self._values = pc.add(values, 0.0)  # -0.0 is 0.0
        self._column = column

    def missing(self) -> Rows:
        """The rows without a number."""
        return _flags(self._values.is_null())

    def fits(self, condition: Condition) -> Rows:
        """The rows for which a comparison holds."""
        wanted = _values(condition, column=self._column)
        if condition.op in _ORDERED:
            return _flags(_ORDERED[condition.op](self._values, wanted[0]).fill_null(False))
        return _among(self._values, wanted, condition=condition)


class _Categories:
    """Any other column: its distinct texts are compared, and each row looks its own up."""

    def __init__(self, values: pa.Array, *, column: Column) -> None:
        comparable = has_codes(values.type) or pa.types.is_string(values.type)
        encoded = values if has_codes(values.type) else values.dictionary_encode() if comparable else None
        self._names = pa.array([], pa.string()) if encoded is None else encoded.dictionary
        self._missing = _flags(values.is_null())
        self._column = column
        # A row without a text has the place behind the last one.
        self._codes = (
            np.zeros(len(values), np.int64) if encoded is None
            else encoded.indices.fill_null(len(self._names)).to_numpy(zero_copy_only=False)
        )  # fmt: skip

    def missing(self) -> Rows:
        """The rows without a value."""
        return self._missing

    def fits(self, condition: Condition) -> Rows:
        """The rows for which a comparison holds."""
        wanted = _values(condition, column=self._column)
        return self._looked_up(_among(self._names, wanted, condition=condition))

    def among(self, texts: Sequence[str]) -> Rows:
        """The rows with one of these texts."""
        return self._looked_up(_flags(pc.is_in(self._names, pa.array(texts, pa.string()))))

    def _looked_up(self, names: Rows) -> Rows:
        return np.asarray(np.append(names, False)[self._codes], dtype=bool)


def _rows(segment: Segment, *, sides: _Sides) -> Rows:
    if segment.where is not None:
        return _where(segment.where, sides=sides)
    side = sides.of(segment.shape["by"])
    if not isinstance(side, _Categories):  # the column is numeric by now: no row has one of the categories
        return np.full(sides.rows, "other" in segment.shape)
    return side.among([segment.shape["value"]]) if "value" in segment.shape else ~side.among(segment.shape["other"])


def _where(where: Where, *, sides: _Sides) -> Rows:
    rows = _all(where.conditions, sides=sides)
    if where.any:
        rows &= np.logical_or.reduce([_all(several, sides=sides) for several in where.any])
    return rows


def _all(conditions: Sequence[Condition], *, sides: _Sides) -> Rows:
    rows = np.ones(sides.rows, bool)
    for condition in conditions:
        side = sides.of(condition.column)
        missing = condition.op == "is_null"
        rows &= (side.missing() == condition.values[0]) if missing else side.fits(condition)
    return rows


def _values(condition: Condition, *, column: Column) -> pa.Array:
    """The condition's values as the column would have them; null where it could not."""
    told = pa.array([json_text(value) for value in condition.values], pa.string())
    return coerce(told, column, form="json").values


def _among(values: pa.Array, wanted: pa.Array, *, condition: Condition) -> Rows:
    """bool[n]: for ``eq`` and ``in`` the values that are wanted, for ``ne`` and ``not_in`` those that are not."""
    found = pc.is_in(values, wanted.drop_null())
    if condition.op in ("ne", LISTED[1]):
        found = pc.and_(pc.invert(found), values.is_valid())
    return _flags(found)


def _flags(array: pa.BooleanArray) -> Rows:
    return np.asarray(array.to_numpy(zero_copy_only=False), dtype=bool)
