"""Pages of records as JSON, CSV, Parquet or an Arrow stream."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from monitor.columns.batch import FEATURE_PREFIX
from monitor.columns.conform import stored_columns
from monitor.ingest.records import Place
from monitor.ingest.unified import INVALID, UNKNOWN
from monitor.model.schema import Schema
from monitor.model.time import rfc3339, to_us


def json_page(table: pa.Table, following: Place | None, *, schema: Schema) -> bytes:
    """``{"results": [Record, …], "next": cursor | null}``; a record can be sent again as it is."""
    shape = {"results": json_records(table, schema=schema), "next": None if following is None else str(following)}
    try:
        return msgspec.json.encode(shape)
    except UnicodeEncodeError:  # a raw value with a lone surrogate, which only an escape can say
        return json.dumps(shape).encode()


def json_records(table: pa.Table, *, schema: Schema) -> list[dict[str, Any]]:
    """The rows as Records: features nested, raw invalid values in their place, missing ones left out."""
    columns = stored_columns(schema)
    own = {c.name: c.stored_name for c in columns}
    records = []
    for row in table.to_pylist():
        values = list(row.values())
        identity, time = values[0], values[1]
        invalid, unknown = (json.loads(row[k]) if row[k] else {} for k in (INVALID, UNKNOWN))
        record: dict[str, Any] = {"id": identity, "timestamp": rfc3339(to_us(time)), "features": {}}
        for column, value in zip(columns, values[2:-2], strict=True):
            _place(record, column.stored_name, invalid.get(column.name, value))
        for name, value in unknown.items():
            stored = name if name in own or _is_reserved(name) else FEATURE_PREFIX + name
            _place(record, stored, value)
        records.append(record)
    return records


def _is_reserved(name: str) -> bool:
    return name in ("prediction", "score", "label") or name.startswith("score:")


def _place(record: dict[str, Any], stored_name: str, value: Any) -> None:
    if value is None:
        return
    if stored_name.startswith(FEATURE_PREFIX):
        record["features"][stored_name.removeprefix(FEATURE_PREFIX)] = value
    elif stored_name.startswith("score:"):
        record.setdefault("scores", {})[stored_name.removeprefix("score:")] = value
    else:
        record[stored_name] = value


def csv_page(table: pa.Table, *, header: bool = True) -> bytes:
    """The rows as CSV: missing is empty and unquoted, ``""`` the empty category; lists as JSON text."""
    for i, field in enumerate(table.schema):
        if pa.types.is_list(field.type):
            texts = [None if v is None else msgspec.json.encode(v).decode() for v in table.column(i).to_pylist()]
            table = table.set_column(i, field.name, pa.array(texts, pa.string()))
    sink = pa.BufferOutputStream()
    pa_csv.write_csv(table, sink, pa_csv.WriteOptions(include_header=header))
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]


def csv_stream(tables: Iterable[pa.Table]) -> Iterator[bytes]:
    """A whole range as CSV."""
    for number, table in enumerate(tables):
        yield csv_page(table, header=number == 0)


def arrow_stream(tables: Iterable[pa.Table]) -> Iterator[bytes]:
    """A whole range as one Arrow IPC stream."""
    return _written(tables, pa.ipc.new_stream)


def parquet_stream(tables: Iterable[pa.Table]) -> Iterator[bytes]:
    """A whole range as one Parquet file, a row group a page."""
    return _written(tables, lambda sink, schema: pq.ParquetWriter(sink, schema, compression="zstd"))


def _written(tables: Iterable[pa.Table], make: Callable[[io.RawIOBase, pa.Schema], Any]) -> Iterator[bytes]:
    sink = _Pieces()
    writer = None
    for table in tables:
        if writer is None:
            writer = make(sink, table.schema)
        writer.write_table(table)
        yield from sink.taken()
    if writer is not None:
        writer.close()
    yield from sink.taken()


class _Pieces(io.RawIOBase):
    """A file that hands out what was written to it."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, piece: Any) -> int:
        self._pieces.append(bytes(piece))
        return len(piece)

    def taken(self) -> list[bytes]:
        pieces, self._pieces = self._pieces, []
        return pieces


RECORD_STREAMS: dict[str, Callable[[Iterable[pa.Table]], Iterator[bytes]]] = {
    "application/vnd.apache.parquet": parquet_stream,
    "application/vnd.apache.arrow.stream": arrow_stream,
}
