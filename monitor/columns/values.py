"""Valid values of a conformed batch, with what is missing and what is invalid counted apart.

Profiles read batches through here alone, so that nulls, negative zeros and companions are dealt with in one
place and never reach arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitor.columns.batch import companion_of
from monitor.columns.categories import counted
from monitor.columns.floats import present


@dataclass(frozen=True, slots=True)
class NumericValues:
    """``values`` float64[v], finite, without negative zeros, in row order; the other rows counted."""

    values: NDArray[np.float64]
    missing: int
    invalid: int


@dataclass(frozen=True, slots=True)
class CategoryValues:
    """``codes`` int32[v] into the distinct ``names``, in row order; the other rows counted."""

    codes: NDArray[np.int32]
    names: tuple[str, ...]
    missing: int
    invalid: int


@dataclass(frozen=True, slots=True)
class CategoryCounts:
    """Distinct ``names`` (an Arrow string array, no nulls) with ``counts`` int64[d]; the other rows counted."""

    names: pa.Array
    counts: NDArray[np.int64]
    missing: int
    invalid: int


@dataclass(frozen=True, slots=True)
class NumericTable:
    """Many numeric columns at once: ``values`` float64[C, n] with NaN where a row has none; rows counted per column."""

    values: NDArray[np.float64]
    missing: NDArray[np.int64]
    invalid: NDArray[np.int64]


def numeric_values(batch: pa.RecordBatch, stored_name: str) -> NumericValues:
    """The finite values of a numeric column; a column the batch lacks is all missing.

    >>> batch = pa.record_batch({"f:age": pa.array([31.0, None, -0.0])})
    >>> numeric_values(batch, "f:age")
    NumericValues(values=array([31.,  0.]), missing=1, invalid=0)
    """
    position = batch.schema.get_field_index(stored_name)
    if position < 0:
        return NumericValues(np.zeros(0), batch.num_rows, 0)
    column = batch.column(position)
    invalid = _invalid(batch, stored_name)
    if column.null_count == len(column):  # also where nothing was sent, and the column has no type
        return NumericValues(np.zeros(0), len(column) - invalid, invalid)
    # Adding zero turns -0.0 into 0.0: the same value must not be two.
    return NumericValues(present(column) + 0.0, column.null_count - invalid, invalid)


def category_values(batch: pa.RecordBatch, stored_name: str) -> CategoryValues:
    """The values of a categorical column as codes; a column the batch lacks is all missing.

    >>> batch = pa.record_batch({"f:carrier": pa.array(["UA", None, "B6", "UA"])})
    >>> category_values(batch, "f:carrier")
    CategoryValues(codes=array([0, 1, 0], dtype=int32), names=('UA', 'B6'), missing=1, invalid=0)
    """
    position = batch.schema.get_field_index(stored_name)
    if position < 0:
        return CategoryValues(np.zeros(0, np.int32), (), batch.num_rows, 0)
    column = batch.column(position)
    invalid = _invalid(batch, stored_name)
    nulls = column.null_count
    encoded = (column.drop_null() if nulls else column).dictionary_encode()
    codes = np.asarray(encoded.indices.to_numpy(), dtype=np.int32)
    return CategoryValues(codes, tuple(encoded.dictionary.to_pylist()), nulls - invalid, invalid)


def category_counts(batch: pa.RecordBatch, stored_name: str) -> CategoryCounts:
    """How often each value of a categorical column occurs; distinct names stay in Arrow, so a million are cheap."""
    position = batch.schema.get_field_index(stored_name)
    if position < 0:
        return CategoryCounts(pa.array([], pa.string()), np.zeros(0, np.int64), batch.num_rows, 0)
    column = batch.column(position)
    invalid = _invalid(batch, stored_name)
    if column.null_count == len(column):  # also where nothing was sent, and the column has no type
        return CategoryCounts(pa.array([], pa.string()), np.zeros(0, np.int64), len(column) - invalid, invalid)
    return CategoryCounts(*counted(column), column.null_count - invalid, invalid)


def numeric_table(batch: pa.RecordBatch, stored_names: Sequence[str]) -> NumericTable:
    """The numeric columns as one matrix: for small batches, where a call per column would be the cost."""
    positions = {name: i for i, name in enumerate(batch.schema.names)}
    columns, nulls = [], np.zeros(len(stored_names), np.int64)
    for i, name in enumerate(stored_names):
        position = positions.get(name)
        column = pa.nulls(batch.num_rows, pa.float64()) if position is None else batch.column(position)
        columns.append(column)
        nulls[i] = column.null_count
    invalid = np.array(
        [_invalid(batch, name) if companion_of(name) in positions else 0 for name in stored_names], dtype=np.int64
    )  # fmt: skip
    if not columns or not batch.num_rows:
        return NumericTable(np.zeros((len(columns), batch.num_rows)), nulls - invalid, invalid)
    whole = pa.RecordBatch.from_arrays(columns, names=[str(i) for i in range(len(columns))])
    values = np.asarray(whole.to_tensor(null_to_nan=True, row_major=False)).T
    return NumericTable(values + 0.0, nulls - invalid, invalid)


def _invalid(batch: pa.RecordBatch, stored_name: str) -> int:
    position = batch.schema.get_field_index(companion_of(stored_name))
    return 0 if position < 0 else batch.num_rows - batch.column(position).null_count
