"""CSV, Parquet and Arrow bodies of bounded size as one record batch each, checked before they are expanded."""

from __future__ import annotations

import csv
import io
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from monitor.columns.batch import field_of
from monitor.columns.quarantine import Quarantined, reason_message
from monitor.columns.text import json_text
from monitor.ingest.ipc_size import plain_bytes
from monitor.ingest.limits import Limits, TooManyRecords
from monitor.model.errors import InvalidInput, Malformed, TooLarge

_NO_MARKS = bytes(c for c in range(256) if c not in b'"\n')
_QUOTED = re.compile(rb'"[^"]*"')
# What pyarrow raises for bytes that are not the format they claim to be.
UNREADABLE = (pa.ArrowException, OSError, ValueError, KeyError, IndexError, EOFError, struct.error)


@dataclass(slots=True)
class Table:
    """A body's rows, their positions in it, and the rows that could not be read."""

    batch: pa.RecordBatch
    positions: np.ndarray[tuple[int], np.dtype[np.int64]]
    quarantined: list[Quarantined] = field(default_factory=list)


def read_csv(body: bytes, *, limits: Limits) -> Table:
    """A CSV body; every field a text, an empty unquoted one missing; ragged rows are quarantined."""
    names = csv_header(body)
    check_columns(len(names), limits)
    _check_lines(body, columns=len(names), limits=limits)
    ragged: list[tuple[int, str]] = []

    def skip(row: pa_csv.InvalidRow) -> str:
        ragged.append((row.number - 2, f"{row.text[:200]} ({row.actual_columns} fields)"))
        return "skip"

    try:
        table = pa_csv.read_csv(
            pa.BufferReader(body),
            # One block: a row may be as long as the body; the row numbers need a single thread.
            read_options=pa_csv.ReadOptions(use_threads=False, block_size=len(body) + 1),
            parse_options=pa_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=skip),
            convert_options=csv_options(names),
        )
    except UNREADABLE as error:
        raise Malformed(f"the body cannot be read as CSV: {str(error)[:200]}") from None
    rows = table.num_rows + len(ragged)
    check_rows(rows, limits)
    positions = np.delete(np.arange(rows), [row for row, _ in ragged])
    quarantined = [_ragged(row, text, len(names)) for row, text in ragged]
    return Table(as_text(one_batch(table)), positions, quarantined)


def _check_lines(body: bytes, *, columns: int, limits: Limits) -> None:
    """Refuse too many rows before they are read; line breaks within quotes are none, blank lines are no rows."""
    marks = body.translate(None, _NO_MARKS).replace(b'""', b"")
    lines = (_QUOTED.sub(b"", marks) if b'"' in marks else marks).count(b"\n")
    if lines > 2 * limits.max_records + 1:
        raise TooManyRecords(lines - 1, limits=limits)
    if body.count(b",") > limits.max_cells:
        check_cells(min(lines, limits.max_records) * columns, limits)


def csv_header(body: bytes) -> list[str]:
    """The names of the first line; ``InvalidInput`` for one that is there twice."""
    start = body[: 1 << 20].decode("utf-8-sig", "replace")
    names = next(csv.reader(io.StringIO(start, newline="")), [])
    if not names:
        raise InvalidInput("the CSV body has no header line: expected the column names in the first line", code="empty")
    check_names(names)
    return names


def csv_options(names: list[str]) -> pa_csv.ConvertOptions:
    """Every column a string; an empty unquoted field is missing, nothing else is; ``""`` is the empty category."""
    return pa_csv.ConvertOptions(
        column_types={name: pa.string() for name in names},
        null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False,
    )  # fmt: skip


def as_text(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with its string columns marked as texts whose type nobody declared."""
    fields = [field_of(f.name, f.type, form="text") for f in batch.schema]
    return pa.RecordBatch.from_arrays(batch.columns, schema=pa.schema(fields))


def read_parquet(body: bytes, *, limits: Limits) -> Table:
    """A Parquet body; its metadata is held against the limits before a page is read."""
    try:
        file = pq.ParquetFile(pa.BufferReader(body), pre_buffer=False)
        check_rows(file.metadata.num_rows, limits)
        check_columns(file.metadata.num_columns, limits)
        check_cells(file.metadata.num_rows * file.metadata.num_columns, limits)
        check_names(file.schema_arrow.names)
        groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
        check_expanded(sum(g.total_byte_size for g in groups), limits)
        texts = [f.name for f in file.schema_arrow if pa.types.is_string(f.type) or pa.types.is_binary(f.type)]
        # Dictionaries stay dictionaries until their expanded size is known: a page of indices may mean gigabytes.
        file = pq.ParquetFile(pa.BufferReader(body), read_dictionary=texts, pre_buffer=False)
        table = file.read(use_threads=False)
        return _checked(table, limits)
    except UNREADABLE as error:
        raise Malformed(f"the body cannot be read as Parquet: {str(error)[:200]}") from None


def read_arrow(body: bytes, *, limits: Limits) -> Table:
    """An Arrow IPC stream body, every buffer validated."""
    try:
        check_expanded(plain_bytes(body), limits)
        with pa.ipc.open_stream(pa.BufferReader(body)) as reader:
            check_columns(len(reader.schema), limits)
            check_names(reader.schema.names)
            batches = []
            rows = 0
            for batch in reader:
                rows += batch.num_rows
                check_rows(rows, limits, at_least=0)
                batch.validate(full=True)
                batches.append(batch)
            if len(batches) == 1:
                check_rows(rows, limits)
                if not all(map(_is_flat, reader.schema.types)):  # of flat columns the buffers are all there is
                    _check_size(batches[0], limits)
                return Table(batches[0], np.arange(rows, dtype=np.int64))
            return _checked(pa.Table.from_batches(batches, schema=reader.schema), limits)
    except UNREADABLE as error:
        raise Malformed(f"the body cannot be read as an Arrow IPC stream: {str(error)[:200]}") from None


READERS: dict[str, Callable[..., Table]] = {
    "text/csv": read_csv,
    "application/vnd.apache.parquet": read_parquet,
    "application/vnd.apache.arrow.stream": read_arrow,
}


def one_batch(table: pa.Table) -> pa.RecordBatch:
    """The table as one record batch."""
    if table.num_columns == 0:
        return pa.RecordBatch.from_arrays([], schema=pa.schema([]))
    batches = table.combine_chunks().to_batches()
    if len(batches) == 1:
        return batches[0]
    return pa.concat_batches(batches) if batches else pa.RecordBatch.from_pylist([], schema=table.schema)


def check_rows(rows: int, limits: Limits, *, at_least: int = 1) -> None:
    """``InvalidInput`` for none, ``TooLarge`` for too many."""
    if rows < at_least:
        raise InvalidInput("the body holds no record: expected at least one", code="empty")
    if rows > limits.max_records:
        raise TooManyRecords(rows, limits=limits)


def check_columns(columns: int, limits: Limits) -> None:
    """``TooLarge`` for too many columns."""
    if columns > limits.max_columns:
        raise TooLarge(f"{columns} columns: expected at most {limits.max_columns} (MAX_COLUMNS)")


def check_cells(cells: int, limits: Limits) -> None:
    """``TooLarge`` for more rows × columns than a request may have."""
    if cells > limits.max_cells:
        raise TooLarge(
            f"{cells} values, those that are missing included: expected at most {limits.max_cells} "
            "(a quarter of MAX_DECODED_BYTES); send fewer records a request, or those with the same columns together"
        )


def check_names(names: list[str]) -> None:
    """``InvalidInput`` for a name that is there twice."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InvalidInput(f"column {name[:80]!r} is there twice: expected each name once", code="column_twice")
        seen.add(name)


def check_expanded(size: int, limits: Limits) -> None:
    """``TooLarge`` for a table that is too large once read."""
    if size > limits.max_decoded_bytes:
        raise TooLarge(
            f"the table is {size} bytes read: expected at most {limits.max_decoded_bytes} (MAX_DECODED_BYTES)"
        )


def _checked(table: pa.Table, limits: Limits) -> Table:
    check_rows(table.num_rows, limits)
    _check_size(table, limits)
    return Table(one_batch(table), np.arange(table.num_rows, dtype=np.int64))


def _check_size(table: pa.Table | pa.RecordBatch, limits: Limits) -> None:
    """Refuse a table whose plain values would not fit: dictionaries may hold gigabytes in a few bytes."""
    size = table.nbytes
    for kind, column in zip(table.schema.types, table.columns, strict=True):
        if pa.types.is_dictionary(kind):
            chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
            size += sum(_expanded_bytes(chunk) for chunk in chunks)
    check_expanded(size, limits)


def _is_flat(kind: pa.DataType) -> bool:
    """Whether a column of that type is what its buffers are: no dictionary, nothing nested, no view."""
    return bool(pa.types.is_primitive(kind) or pa.types.is_string(kind) or pa.types.is_binary(kind))


def _expanded_bytes(chunk: pa.DictionaryArray) -> int:
    """Bytes that a dictionary array of texts takes as plain values (0 for other values)."""
    if not (pa.types.is_string(chunk.dictionary.type) or pa.types.is_binary(chunk.dictionary.type)):
        return 0
    lengths = pc.binary_length(chunk.dictionary)
    if len(chunk) * (pc.max(lengths).as_py() or 0) <= 1 << 20:
        return 0
    return int(pc.sum(lengths.take(chunk.indices)).as_py() or 0)


def _ragged(row: int, text: str, expected: int) -> Quarantined:
    found = f"{text}, expected {expected}"
    return Quarantined(index=row, code="malformed", field="row", raw=json_text(text),
                       message=reason_message("malformed", field="row", found=found))  # fmt: skip
