"""A column of a conformed batch changed as a fault would change it: for drills, that ask whether it would be found."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.columns.batch import companion_of
from monitor.columns.coerce import coerce
from monitor.columns.sent import plain
from monitor.model.errors import InvalidInput
from monitor.model.names import nearest
from monitor.model.schema import Column

ChangeKind = Literal["missing", "scale", "shift_sd", "category"]
KINDS: tuple[ChangeKind, ...] = get_args(ChangeKind)
_MOST_CHARS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What happens to a column: a share of values missing, a factor, a shift in standard deviations, one category."""

    kind: ChangeKind
    value: float | str

    def to_json(self) -> dict[str, float | str]:
        """The shape it was given in."""
        return {self.kind: self.value}


def parse_change(shape: Any) -> Change:
    """The change of ``{"missing": 0.5}``, ``{"scale": 100}``, ``{"shift_sd": 1}`` or ``{"category": "X"}``.

    >>> parse_change({"scale": 100})
    Change(kind='scale', value=100.0)
    """
    if not isinstance(shape, dict) or len(shape) != 1:
        raise InvalidInput(f"change: expected an object with one of {', '.join(KINDS)}, found {str(shape)[:80]}")
    (kind, value), *_ = shape.items()
    if kind not in KINDS:
        raise InvalidInput(
            f"change {kind[:40]!r} is not known{nearest(kind, KINDS)}: expected one of {', '.join(KINDS)}"
        )
    if kind == "category":
        if not isinstance(value, str) or not 1 <= len(value) <= _MOST_CHARS or not value.isprintable():
            raise InvalidInput(f"change.category: expected a text of 1 to {_MOST_CHARS} printable characters")
        return Change(kind="category", value=value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidInput(f"change.{kind}: expected a number, found {str(value)[:40]!r}")
    if kind == "missing" and not 0 < value <= 1:
        raise InvalidInput(f"change.missing: expected a share of the rows, above 0 and at most 1, found {value:g}")
    return Change(kind=kind, value=float(value))


def refuse_misfit(change: Change, *, column: Column, sd: float | None) -> None:
    """Nothing, or ``InvalidInput`` where a column of that type cannot change so; ``sd`` is the reference's."""
    numeric = column.type == "numeric"
    if change.kind in ("scale", "shift_sd") and not numeric:
        raise InvalidInput(
            f"column {column.name!r} is {column.type}: {change.kind} is for numbers; try missing or category"
        )
    if change.kind == "category" and numeric:
        raise InvalidInput(f"column {column.name!r} holds numbers: category is for categories; try scale or shift_sd")
    if change.kind == "shift_sd" and not sd:
        raise InvalidInput(
            f"column {column.name!r} has no spread in the reference, so a shift by standard deviations moves nothing: "
            "try scale or missing"
        )


def changed(
    batch: pa.RecordBatch, *, column: Column, change: Change, sd: float | None, rng: np.random.Generator
) -> pa.RecordBatch:
    """The conformed batch with the column so changed, read again by its type as ingest reads it; others untouched.

    ``sd`` is the column's standard deviation in the reference, ``rng`` chooses which rows go missing.
    """
    values = batch.column(batch.schema.get_field_index(column.stored_name))
    raw = _companion(batch, column=column)
    if change.kind == "missing":
        gone = pa.array(rng.random(batch.num_rows) < float(change.value))
        values = plain(values)
        kept = pc.if_else(gone, pa.scalar(None, values.type), values)
        return _with(batch, column=column, values=kept, raw=pc.if_else(gone, pa.scalar(None, pa.string()), raw))
    if change.kind == "category":
        values, raw = pa.array([change.value] * batch.num_rows, pa.string()), pa.nulls(batch.num_rows, pa.string())
    elif change.kind == "scale":
        values = pc.multiply(values.cast(pa.float64()), float(change.value))
    else:
        values = pc.add(values.cast(pa.float64()), float(change.value) * (sd or 0.0))
    read = coerce(values, column, form="typed")
    return _with(batch, column=column, values=read.values, raw=raw if read.raw is None else pc.coalesce(read.raw, raw))


def _companion(batch: pa.RecordBatch, *, column: Column) -> pa.Array:
    position = batch.schema.get_field_index(companion_of(column.stored_name))
    return pa.nulls(batch.num_rows, pa.string()) if position < 0 else batch.column(position)


def _with(batch: pa.RecordBatch, *, column: Column, values: pa.Array, raw: pa.Array) -> pa.RecordBatch:
    """The batch with the column's values and what is invalid of them in place of those it had."""
    companion = companion_of(column.stored_name)
    arrays = {name: batch.column(name) for name in batch.schema.names if name != companion}
    arrays[column.stored_name] = values
    if raw.null_count < len(raw):
        arrays[companion] = raw
    return pa.RecordBatch.from_pydict(arrays)
