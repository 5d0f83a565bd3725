"""How one schema's JSON records are decoded: msgspec structs made from the schema, and rows to columns.

The structs refuse unknown keys and values of another kind, so whatever decodes has exactly the schema's
shape and needs no further look; everything else goes the general way (``decode_json``), as do all records of a
schema with names that no struct can have.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from monitor.columns.batch import ID, TIMESTAMP, TIMESTAMP_TYPE
from monitor.columns.coerce import coerce, stored_type
from monitor.columns.conform import stored_columns
from monitor.columns.sent import as_sent
from monitor.ingest.shapes import Shape, can_be_fields
from monitor.model.schema import Column, Schema

_SCALAR = str | int | float | bool | None
_INSTANT = str | int | float | None
_FIELD_TYPES: dict[str, Any] = {"numeric": float | None, "embedding": list[float] | None}


class RecordPlan:
    """The decoders of one schema and the order of its columns.

    A row is ``features… + (prediction, score…, label)``, as far as the schema has them; ``columns`` is in
    that order, ``arrow_schema`` (with id and timestamp in front) in the schema's.
    """

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        stored = stored_columns(schema)
        features = [c for c in stored if c.role in ("feature", "context")]
        others = [c for c in stored if c.role not in ("feature", "context")]
        self.columns: tuple[Column, ...] = (*features, *others)
        self.features = len(features)
        self.types = [stored_type(c) for c in self.columns]
        self.numbers = [i for i, c in enumerate(self.columns) if c.type == "numeric"]
        self.order = [self.columns.index(c) for c in stored]
        # Every value of such columns fits as decoded: single rows of many requests may become one batch.
        self.simple = all(c.type in ("numeric", "categorical", "text") and not c.missing for c in self.columns)
        self.expected = frozenset(i for i, c in enumerate(self.columns) if c.role != "label")
        fields = [pa.field(c.stored_name, stored_type(c)) for c in stored]
        self.arrow_schema = pa.schema(
            [pa.field(ID, pa.string(), nullable=False), pa.field(TIMESTAMP, TIMESTAMP_TYPE, nullable=False), *fields]
        )
        dropped = [c for c in schema.columns if c not in stored and c.role not in ("id", "timestamp")]
        self.closed = not dropped
        self._places = _places(others)
        self.nested = _nested_struct(features, others, dropped)
        self.flat = _flat_struct(features, others, dropped, schema)
        self.shapes: tuple[Shape, ...] = tuple(
            Shape(struct) for struct in (self.nested, self.flat) if struct is not None
        )

    def row(self, record: Any) -> tuple[Any, ...]:
        """The row of a decoded record, nested or flat."""
        if type(record) is self.flat:
            return msgspec.structs.astuple(record)[2 : 2 + len(self.columns)]
        row: tuple[Any, ...] = msgspec.structs.astuple(record.features)[: self.features]
        return row + tuple([_top_level(record, place) for place in self._places]) if self._places else row

    def sent(self, position: int, values: Sequence[Any]) -> tuple[pa.Array, str]:
        """One column out of its decoded values, and its form."""
        try:
            return pa.array(values, self.types[position]), "typed"
        except (pa.ArrowTypeError, pa.ArrowInvalid):  # categories sent as numbers or booleans
            return as_sent(values)

    def _simple(self, position: int, values: Sequence[Any]) -> pa.Array:
        array, form = self.sent(position, values)
        kind = self.types[position]
        fits = form == "typed" and array.type == kind
        return array if fits else coerce(array, self.columns[position], form=form).values

    def batch(self, ids: Sequence[str], instants_us: Sequence[int], rows: Sequence[tuple[Any, ...]]) -> pa.RecordBatch:
        """One canonical batch of many rows of a ``simple`` schema."""
        columns = list(zip(*rows, strict=True))
        numbers = self._number_arrays(columns, len(rows))
        arrays = [numbers[i] if i in numbers else self._simple(i, columns[i]) for i in self.order]
        times = pa.array(instants_us, pa.int64()).view(TIMESTAMP_TYPE)
        return pa.RecordBatch.from_arrays([pa.array(ids, pa.string()), times, *arrays], schema=self.arrow_schema)

    def _number_arrays(self, columns: Sequence[Sequence[Any]], rows: int) -> dict[int, pa.Array]:
        """The number columns without a null, as slices of one buffer: a third of the cost of an array each."""
        if not self.numbers:
            return {}
        matrix = np.array([columns[i] for i in self.numbers], dtype=np.float64)  # None becomes NaN, sent is none
        whole = pa.Array.from_buffers(pa.float64(), matrix.size, [None, pa.py_buffer(matrix)], 0)
        whole_columns = np.flatnonzero(~np.isnan(matrix).any(axis=1)).tolist()
        return {self.numbers[at]: whole.slice(at * rows, rows) for at in whole_columns}


def _top_level(record: Any, place: tuple[str, str]) -> Any:
    outer, inner = place
    value = getattr(record, outer)
    return value if not inner or value is None else getattr(value, inner)


def _places(others: Sequence[Column]) -> list[tuple[str, str]]:
    """Where a nested record holds each column that is no feature: attribute, and attribute within it."""
    classes = [c for c in others if c.role == "score" and c.class_ is not None]
    return [("scores", f"v{classes.index(c)}") if c in classes else (str(c.role), "") for c in others]


def _field_type(column: Column) -> Any:
    return _FIELD_TYPES.get(column.type, _SCALAR)


def _struct(name: str, fields: Sequence[tuple[str, Any]]) -> Any:
    """A struct with fields of these wire names; None where no struct can have them."""
    if not can_be_fields([wire for wire, _ in fields]):
        return None
    inner = [(f"v{i}", kind, None) for i, (_, kind) in enumerate(fields)]
    names = {f"v{i}": wire for i, (wire, _) in enumerate(fields)}
    return msgspec.defstruct(name, inner, rename=names, forbid_unknown_fields=True, gc=False)


def _nested_struct(features: Sequence[Column], others: Sequence[Column], dropped: Sequence[Column]) -> Any:
    inner = _struct(
        "Features", [(c.name, _field_type(c)) for c in features] + [(c.name, Any) for c in dropped]
    )  # fmt: skip
    if inner is None:
        return None
    fields: list[Any] = [("features", inner), ("id", str | int | None, None), ("timestamp", _INSTANT, None)]
    classes = [c for c in others if c.role == "score" and c.class_ is not None]
    fields += [(str(c.role), _field_type(c), None) for c in others if c not in classes]
    if classes:
        scores = _struct("Scores", [(str(c.class_), _field_type(c)) for c in classes])
        if scores is None:
            return None
        fields.append(("scores", scores | None, None))
    return msgspec.defstruct("Record", fields, forbid_unknown_fields=True, gc=False, kw_only=True)


def _flat_struct(
    features: Sequence[Column], others: Sequence[Column], dropped: Sequence[Column], schema: Schema
) -> Any:  # fmt: skip
    identity, time = schema.role("id"), schema.role("timestamp")
    fields: list[tuple[str, Any]] = [
        (identity.name if identity is not None else ID, str | int | None),
        (time.name if time is not None else TIMESTAMP, _INSTANT),
    ]
    taken = {name for name, _ in fields}
    for column in (*features, *others):
        fields.append((column.name, _field_type(column)))
    fields += [(c.name, Any) for c in dropped if c.name not in taken]
    return _struct("Row", fields)
