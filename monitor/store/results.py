"""Results: one row per (version, window, segment), its numbers packed into one blob."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import pyarrow as pa
from sqlalchemy import Connection, Row, exists, select

from monitor.model.results import ResultRow, Status
from monitor.store import dialect, tables
from monitor.store.marks import held_healthy

_r, _w = tables.result.c, tables.window.c
# Built once: asked for with every status.
_HELD_HEALTHY, _SEGMENT_HELD_HEALTHY = held_healthy(), held_healthy(of_a_segment=True)
_LENGTH = struct.Struct("<BQ")  # format, bytes before compression
_FORMAT = 2
_ROWS_ALONE = 1  # the format before: without the status of the data
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(tuple[Status | None, tuple[ResultRow, ...]])
_decoder_of_rows = msgspec.msgpack.Decoder(tuple[ResultRow, ...])


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredResult:
    """What one window was found to be: ``status`` is the worst of its rows, ``payload`` the rows (``unpack_rows``)."""

    version_id: int
    window_start_us: int
    window_end_us: int
    segment: str = ""
    revision: int
    reference_number: int | None
    status: str
    rows: int
    reference_rows: int
    computed_us: int
    payload: bytes


def pack_rows(rows: Sequence[ResultRow], *, data_status: Status | None = None) -> bytes:
    """The rows as MessagePack under zstd; ``data_status`` is the worst verdict of the checks that need no labels.

    >>> row = ResultRow(column="age", metric="psi", check="drift", kind="drift", value=0.5, rows=9, reference_rows=9,
    ...                 status="ok")
    >>> unpack_rows(pack_rows([row])) == (row,)
    True
    """
    plain = _encoder.encode((data_status, rows))
    packed: bytes = pa.compress(plain, codec="zstd", asbytes=True)
    return _LENGTH.pack(_FORMAT, len(plain)) + packed


def unpack_rows(payload: bytes) -> tuple[ResultRow, ...]:
    """The rows that ``pack_rows`` packed; ``ValueError`` for bytes of another format."""
    return unpack(payload)[1]


def unpack(payload: bytes) -> tuple[Status | None, tuple[ResultRow, ...]]:
    """The status of the window's data, where it was kept, and the rows; ``ValueError`` as ``unpack_rows``."""
    format_, length = _LENGTH.unpack_from(payload)
    if format_ not in (_FORMAT, _ROWS_ALONE):
        raise ValueError(f"result format {format_} is not known to this release: expected {_FORMAT}")
    plain = pa.decompress(payload[_LENGTH.size :], decompressed_size=length, codec="zstd", asbytes=True)
    return (None, _decoder_of_rows.decode(plain)) if format_ == _ROWS_ALONE else _decoder.decode(plain)


def put_result(conn: Connection, result: StoredResult) -> None:
    """Keeps the result in place of an earlier revision of the same window and segment."""
    put_results(conn, [result])


def put_results(conn: Connection, results: Sequence[StoredResult]) -> None:
    """Keeps the results in place of earlier revisions of their windows and segments."""
    values = [{name: getattr(result, name) for name in StoredResult.__slots__} for result in results]
    if not values:
        return
    conn.execute(dialect.upsert(conn, tables.result), values)


def list_results(
    conn: Connection,
    *,
    version_id: int,
    from_us: int | None = None,
    to_us: int | None = None,
    segment: str | None = None,
    before_us: int | None = None,
    limit: int = 1000,
) -> list[StoredResult]:
    """Results of the windows that start in [from_us, to_us) and before ``before_us``, newest first."""
    query = select(tables.result).where(_r.version_id == version_id)
    for bound in (to_us, before_us):
        if bound is not None:
            query = query.where(_r.window_start_us < bound)
    if from_us is not None:
        query = query.where(_r.window_start_us >= from_us)
    if segment is not None:
        query = query.where(_r.segment == segment)
    query = query.order_by(_r.window_start_us.desc(), _r.segment).limit(limit)
    return [read_result(row) for row in conn.execute(query)]


def latest_result(conn: Connection, *, version_id: int, segment: str = "") -> StoredResult | None:
    """The result of the version's latest judged window, if any."""
    found = list_results(conn, version_id=version_id, segment=segment, limit=1)
    return found[0] if found else None


def healthy_windows(
    conn: Connection, *, version_id: int, min_rows: int, after_us: int = -1, limit: int = 1000, segment: str = ""
) -> list[tuple[int, int]]:
    """(start, rows) of judged windows of the segment with ``min_rows`` rows that are held healthy, newest first.

    Those in no alarm, neither by the segment nor by all traffic, unless somebody said otherwise. Only those that
    start after ``after_us`` and whose profile is no part of a longer span's.
    """
    here = (_r.version_id == version_id, _r.segment == segment, _r.rows >= min_rows, _r.window_start_us > after_us)
    merged = exists().where(
        _w.version_id == _r.version_id, _w.start_us == _r.window_start_us, _w.merged_layout_id.is_not(None)
    )
    healthy = _SEGMENT_HELD_HEALTHY if segment else _HELD_HEALTHY
    query = select(_r.window_start_us, _r.rows).where(*here, healthy, ~merged)
    found = conn.execute(query.order_by(_r.window_start_us.desc()).limit(limit))
    return [(row.window_start_us, row.rows) for row in found]


def get_result(conn: Connection, *, version_id: int, window_start_us: int, segment: str = "") -> StoredResult | None:
    """The result of that window and segment, if any."""
    here = (_r.version_id == version_id, _r.window_start_us == window_start_us, _r.segment == segment)
    row = conn.execute(select(tables.result).where(*here)).first()
    return None if row is None else read_result(row)


def read_result(row: Row[Any]) -> StoredResult:
    """The result of a row of its table."""
    return StoredResult(**{**row._mapping, "payload": bytes(row.payload)})
