"""pandas frames as record batches: NaN is missing there, and columns of mixed objects keep their values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.columns.batch import field_of
from monitor.columns.text import json_text
from monitor.model.errors import InvalidInput

if TYPE_CHECKING:
    import pandas as pd


def pandas_names(frame: pd.DataFrame, *, side: str) -> list[str]:
    """The frame's column names as texts; a name that is there twice is refused."""
    names = [str(name) for name in frame.columns]
    twice = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
    if twice is not None:
        raise InvalidInput(f"{side}: column {twice[:80]!r} is there twice: rename or drop one", code="column_twice")
    return names


def pandas_parts(frame: pd.DataFrame, *, rows: int) -> Iterator[Callable[[], pa.RecordBatch]]:
    """Slices of the frame of so many rows, each converted when it is called; the index is left out."""
    for start in range(0, max(len(frame), 1), rows):
        yield partial(_batch, frame.iloc[start : start + rows])


def pandas_head(frame: pd.DataFrame, *, rows: int) -> pa.RecordBatch:
    """A batch named and typed as the first slice; only of objects do the values tell the type."""
    first = frame.iloc[:rows]
    objects = [position for position, kind in enumerate(first.dtypes) if kind == np.dtype(object)]
    typed = _batch(first.iloc[:0])
    columns, fields = typed.columns, list(typed.schema)
    for position in objects:
        array, form = _column(first.iloc[:, position])
        columns[position], fields[position] = array[:0], field_of(fields[position].name, array.type, form=form)
    return pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))


def _batch(part: pd.DataFrame) -> pa.RecordBatch:
    """The rows as a batch, whole numbers and floats without a copy."""
    names = [str(name) for name in part.columns]
    columns = [_column(part.iloc[:, position]) for position in range(len(names))]
    fields = [field_of(n, array.type, form=form) for n, (array, form) in zip(names, columns, strict=True)]
    return pa.RecordBatch.from_arrays([array for array, _ in columns], schema=pa.schema(fields))


def _column(series: pd.Series[Any]) -> tuple[pa.Array, str]:
    """The values and their form: ``json`` where objects of several kinds share the column."""
    if series.dtype == np.float64:
        values = series.to_numpy()
        missing = np.isnan(values)  # Arrow's own search for NaN takes ten times as long
        return pa.array(values, mask=missing if missing.any() else None), "typed"
    try:
        array = pa.array(series, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        pairs = zip(series.to_list(), series.isna().to_list(), strict=True)
        return pa.array([None if gone is True else json_text(v) for v, gone in pairs], pa.string()), "json"
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if pa.types.is_floating(array.type) and not isinstance(series.dtype, np.dtype):
        array = _without_nan(array)
    return array, "typed"


def _without_nan(array: pa.Array) -> pa.Array:
    """Arrow-backed columns keep NaN apart from missing; of pandas frames both mean missing."""
    nan = pc.is_nan(array)
    if pc.any(nan).as_py():
        return pc.if_else(nan.fill_null(False), pa.scalar(None, array.type), array)
    return array
