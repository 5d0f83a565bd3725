"""Files on their way to a server: media types by name, and tables and lines cut into parts of one request each."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet

from monitor.ingest.open_table import TABLE_TYPES, media_type_of
from monitor.model.errors import Malformed
from monitor.profile.dlp import DLP_MEDIA_TYPE

PARQUET, CSV, NDJSON, ARROW = TABLE_TYPES

# Not options: the same file must be cut the same way again, or a rerun would store it twice.
PART_ROWS = 5_000
PART_BYTES = 4 * 1024**2
_PIECE = 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One request's worth of a file: its bytes, and how far into the file it reaches (bytes or rows)."""

    body: bytes
    reached: int


def reference_type_of(path: Path) -> str:
    """The media type that the file's name says, a profile's among them.

    >>> reference_type_of(Path("january.dlp")), reference_type_of(Path("march.csv"))
    ('application/vnd.driftline.profile', 'text/csv')
    """
    return DLP_MEDIA_TYPE if path.suffix.lower() == ".dlp" else media_type_of(path)


def digest_of(path: Path) -> str:
    """The file's SHA-256, read in pieces."""
    digest = hashlib.sha256()
    for piece in pieces_of(path):
        digest.update(piece)
    return digest.hexdigest()


def pieces_of(path: Path) -> Iterator[bytes]:
    """The file's bytes, a piece at a time."""
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece


def size_of(path: Path, *, media_type: str) -> int:
    """What ``Part.reached`` counts up to: rows of Parquet, else bytes."""
    if media_type == PARQUET:
        return int(pa.parquet.ParquetFile(path).metadata.num_rows)
    return path.stat().st_size


def parts_of(path: Path, *, media_type: str) -> Iterator[Part]:
    """The file in parts of at most 5,000 records and about 4 MiB, always cut in the same places."""
    if media_type == PARQUET:
        with pa.parquet.ParquetFile(path) as file:
            yield from _table_parts(file.iter_batches(batch_size=PART_ROWS))
        return
    with path.open("rb") as file:
        if media_type == ARROW:
            yield from _arrow_parts(file)
        elif media_type == CSV:
            header, _ = next(_csv_rows(file), (b"", 0))
            yield from _line_parts(_csv_rows(file), header=header)
        else:
            yield from _line_parts(
                ((line, file.tell()) for line in iter(file.readline, b"") if line.strip()), header=b""
            )


def part_media_type(media_type: str) -> str:
    """What the parts of such a file are sent as: Parquet goes as Arrow, the rest as it is."""
    return ARROW if media_type == PARQUET else media_type


def _csv_rows(file: IO[bytes]) -> Iterator[tuple[bytes, int]]:
    """(row, offset after it); a row ends at a line end outside quotes (RFC 4180, section 2.6)."""
    row = b""
    for line in iter(file.readline, b""):
        row += line
        if row.count(b'"') % 2 == 0:
            if row.strip():
                yield row if row.endswith(b"\n") else row + b"\n", file.tell()
            row = b""
        elif len(row) > 4 * PART_BYTES:
            raise Malformed(f"a quoted CSV field before byte {file.tell()} does not end: is a quote missing?")
    if row:
        raise Malformed("the CSV file ends inside a quoted field: is a quote missing, or the end of the file?")


def _line_parts(rows: Iterable[tuple[bytes, int]], *, header: bytes) -> Iterator[Part]:
    gathered: list[bytes] = []
    size, reached = 0, 0
    for row, end in rows:
        if gathered and (len(gathered) == PART_ROWS or size + len(row) > PART_BYTES):
            yield Part(body=header + b"".join(gathered), reached=reached)
            gathered, size = [], 0
        gathered.append(row)
        size += len(row)
        reached = end
    if gathered:
        yield Part(body=header + b"".join(gathered), reached=reached)


def _arrow_parts(file: IO[bytes]) -> Iterator[Part]:
    reader: Any
    try:
        reader = pa.ipc.open_stream(file)
        batches: Iterable[pa.RecordBatch] = reader
    except pa.ArrowInvalid:  # the file format begins with another word, and knows its batches by number
        file.seek(0)
        reader = pa.ipc.open_file(file)
        batches = (reader.get_batch(i) for i in range(reader.num_record_batches))
    for part in _table_parts(batches):
        yield Part(body=part.body, reached=file.tell())


def _table_parts(batches: Iterable[pa.RecordBatch]) -> Iterator[Part]:
    reached = 0
    for batch in batches:
        rows = max(1, min(PART_ROWS, PART_BYTES * batch.num_rows // max(1, batch.nbytes)))
        for start in range(0, batch.num_rows, rows):
            piece = batch.slice(start, rows)
            reached += piece.num_rows
            yield Part(body=_stream(piece), reached=reached)


def _stream(batch: pa.RecordBatch) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue()
