"""Distinct names and how often each occurs: of text columns, and of text columns kept as codes into their names."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitor.columns.batch import ID, form_of, is_companion

MOST_NAMES = 1_000  # a column that shows more than these at first is none of categories
FIRST_LOOK = 4 * MOST_NAMES  # rows that show it


def counted(texts: pa.Array) -> tuple[pa.Array, NDArray[np.int64]]:
    """The distinct names of a string array (or of codes), in order of appearance, and their int64[d] counts.

    >>> names, counts = counted(pa.array(["UA", None, "B6", "UA"]))
    >>> names.to_pylist(), counts.tolist()
    (['UA', 'B6'], [2, 1])
    """
    encoded = texts if has_codes(texts.type) else texts.dictionary_encode()  # a fifth faster than value_counts
    names, codes = encoded.dictionary, encoded.indices
    if codes.null_count:
        codes = codes.drop_null()
    counts = np.bincount(codes.to_numpy(), minlength=len(names)).astype(np.int64, copy=False)
    if not counts.all():  # these are some rows of a larger array: they do not have all of its names
        there = np.flatnonzero(counts)
        names, counts = names.take(pa.array(there)), counts[there]
    return names, counts


def has_codes(kind: pa.DataType) -> bool:
    """Whether values of this type are codes into distinct texts."""
    return bool(pa.types.is_dictionary(kind)) and bool(pa.types.is_string(kind.value_type))


def has_many_names(texts: pa.Array) -> bool:
    """Whether a string array shows more than 1,000 distinct names in its first rows."""
    return len(texts) > MOST_NAMES and len(texts.slice(0, FIRST_LOOK).unique()) > MOST_NAMES


def with_codes(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The stored batch with its text columns as codes: what is read several times is hashed once.

    Columns of many names stay as they are: there codes would take memory and save nothing.
    """
    arrays, fields = [], []
    for field, array in zip(batch.schema, batch.columns, strict=True):
        text = pa.types.is_string(array.type) and form_of(field) == "typed" and field.name != ID
        encode = text and not is_companion(field.name) and not has_many_names(array)
        arrays.append(array.dictionary_encode() if encode else array)
        fields.append(field.with_type(arrays[-1].type))
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))


def without_codes(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with the texts themselves: batches of one table may differ in which columns are codes."""
    columns = [array.dictionary_decode() if has_codes(array.type) else array for array in batch.columns]
    fields = [field.with_type(array.type) for field, array in zip(batch.schema, columns, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))
