"""Tables of any size from a file, batch by batch: what references and ``check`` read.

Columns come as the file names them; ``columns.table.canonical_batch`` gives them their meaning. Memory stays
bounded whatever the file's size: rows in slices, CSV in blocks, Parquet pages through a small buffer, Arrow
mapped from the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from monitor.ingest.flat_records import flat_table
from monitor.ingest.parse_json import UNREADABLE as UNREADABLE_LINE
from monitor.ingest.parse_json import parse_lines
from monitor.ingest.tables import UNREADABLE, as_text, check_names, csv_header, csv_options
from monitor.model.errors import InvalidInput, Malformed, UnsupportedMedia

SLICE_ROWS = 65_536
_LINES = 1_000
_BLOCK_BYTES = 8 << 20  # of CSV; a row must fit
_PAGE_BUFFER = 1 << 20
_BATCH_CELLS = 8 << 20
_MAX_LINE_BYTES = 8 << 20
TABLE_TYPES = (
    "application/vnd.apache.parquet", "text/csv", "application/x-ndjson", "application/vnd.apache.arrow.stream",
)  # fmt: skip
_SUFFIXES = {
    ".parquet": TABLE_TYPES[0], ".pq": TABLE_TYPES[0], ".csv": TABLE_TYPES[1], ".ndjson": TABLE_TYPES[2],
    ".jsonl": TABLE_TYPES[2], ".arrow": TABLE_TYPES[3], ".arrows": TABLE_TYPES[3], ".ipc": TABLE_TYPES[3],
    ".feather": TABLE_TYPES[3],
}  # fmt: skip


def media_type_of(path: Path | str) -> str:
    """The media type a file's name stands for, or ``UnsupportedMedia`` that lists the known endings."""
    suffix = Path(path).suffix.lower()
    if suffix not in _SUFFIXES:
        raise UnsupportedMedia(f"{Path(path).name!r} ends in none of the known endings: {', '.join(_SUFFIXES)}")
    return _SUFFIXES[suffix]


def open_table(path: Path | str, media_type: str) -> Iterator[pa.RecordBatch]:
    """The file's batches as sent (at most ``SLICE_ROWS`` rows each).

    ``Malformed`` where the file is not what its media type says, ``InvalidInput`` where it holds no rows or no
    records, ``UnsupportedMedia`` for a type not in ``TABLE_TYPES``.
    """
    if media_type not in _READERS:
        raise UnsupportedMedia(f"{media_type[:80]!r} is not a table: expected one of {', '.join(TABLE_TYPES)}")
    rows = 0
    for batch in _read(Path(path), media_type):
        rows += batch.num_rows
        for start in range(0, batch.num_rows, SLICE_ROWS):
            yield batch.slice(start, SLICE_ROWS)
    if rows == 0:
        raise InvalidInput("the table holds no row: expected at least one", code="empty")


def _read(path: Path, media_type: str) -> Iterator[pa.RecordBatch]:
    try:
        yield from _READERS[media_type](path)
    except UNREADABLE as error:
        detail = str(error)
        if "straddling" in detail:
            detail = f"a row is longer than {_BLOCK_BYTES} bytes, or a quote is never closed"
        raise Malformed(f"the file cannot be read as {media_type}: {detail[:300]}") from None


def _parquet(path: Path) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(path, pre_buffer=False, buffer_size=_PAGE_BUFFER) as file:
        check_names(file.schema_arrow.names)
        rows = max(1_000, min(SLICE_ROWS, _BATCH_CELLS // max(1, file.metadata.num_columns)))
        yield from file.iter_batches(batch_size=rows, use_threads=False)


def _csv(path: Path) -> Iterator[pa.RecordBatch]:
    with path.open("rb") as file:
        names = csv_header(file.read(1 << 20))
    reader = pa_csv.open_csv(
        path,
        read_options=pa_csv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES),
        parse_options=pa_csv.ParseOptions(newlines_in_values=True),
        convert_options=csv_options(names),
    )
    with reader:
        for batch in reader:
            yield as_text(batch)


def _ndjson(path: Path) -> Iterator[pa.RecordBatch]:
    with path.open("rb") as file:
        first = 1
        while lines := list(islice(iter(lambda: file.readline(_MAX_LINE_BYTES), b""), _LINES)):
            yield _line_batch(lines, first)
            first += len(lines)


def _line_batch(lines: list[bytes], first: int) -> pa.RecordBatch:
    kept = [(first + i, line) for i, line in enumerate(lines) if not line.isspace()]
    values = parse_lines([line for _, line in kept])
    for (number, _), value in zip(kept, values, strict=True):
        if value is UNREADABLE_LINE or not isinstance(value, dict):
            raise Malformed(f"line {number} is no JSON object: expected one record a line")
    return flat_table(values)


def _arrow(path: Path) -> Iterator[pa.RecordBatch]:
    with pa.memory_map(str(path)) as source:
        head = source.read(6)
        source.seek(0)
        if head == b"ARROW1":  # the file format (Feather), whose batches stand the same way
            with pa.ipc.open_file(source) as file:
                for i in range(file.num_record_batches):
                    yield _validated(file.get_batch(i))
            return
        with pa.ipc.open_stream(source) as reader:
            for batch in reader:
                yield _validated(batch)


def _validated(batch: pa.RecordBatch) -> pa.RecordBatch:
    check_names(batch.schema.names)
    batch.validate(full=True)
    return batch


_READERS: dict[str, Callable[[Path], Iterator[pa.RecordBatch]]] = dict(
    zip(TABLE_TYPES, (_parquet, _csv, _ndjson, _arrow), strict=True)
)
