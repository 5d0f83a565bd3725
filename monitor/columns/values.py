"""The values of one column of a conformed batch, with missing and invalid counted apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from monitor.columns.batch import companion_of


@dataclass(frozen=True, slots=True, kw_only=True)
class NumericValues:
    """Valid numbers, float64[v], all finite, in row order; how many rows were missing or invalid."""

    values: NDArray[np.float64]
    missing: int
    invalid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryValues:
    """Valid categories as ``names[codes]``, int32[v] in row order, names distinct; missing and invalid rows."""

    codes: NDArray[np.int32]
    names: tuple[str, ...]
    missing: int
    invalid: int


def numeric_values(batch: pa.RecordBatch, stored_name: str) -> NumericValues:
    """The numbers of a float64 column; a column the batch lacks is all missing."""
    array, missing, invalid = _valid(batch, stored_name)
    if array is None:
        return NumericValues(values=np.empty(0), missing=missing, invalid=invalid)
    return NumericValues(values=array.to_numpy(zero_copy_only=False), missing=missing, invalid=invalid)


def category_values(batch: pa.RecordBatch, stored_name: str) -> CategoryValues:
    """The categories of a text column; a column the batch lacks is all missing."""
    array, missing, invalid = _valid(batch, stored_name)
    if array is None:
        return CategoryValues(codes=np.empty(0, np.int32), names=(), missing=missing, invalid=invalid)
    encoded = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
    codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int32, copy=False)
    return CategoryValues(
        codes=codes, names=tuple(encoded.dictionary.to_pylist()), missing=missing, invalid=invalid
    )  # fmt: skip


def _valid(batch: pa.RecordBatch, stored_name: str) -> tuple[pa.Array | None, int, int]:
    position = batch.schema.get_field_index(stored_name)
    if position < 0:
        return None, batch.num_rows, 0
    array = batch.column(position)
    raw = batch.schema.get_field_index(companion_of(stored_name))
    invalid = batch.num_rows - batch.column(raw).null_count if raw >= 0 else 0
    if array.null_count == 0:
        return array, 0, invalid
    missing = array.null_count - invalid
    return (None if array.null_count == len(array) else pc.drop_null(array)), missing, invalid
