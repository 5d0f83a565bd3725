"""Any table as record batches that can be gone through again: frames, Arrow objects, files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

import pyarrow as pa

from monitor.columns.flatten import flat_columns
from monitor.compare.frames import pandas_head, pandas_names, pandas_parts
from monitor.ingest.open_table import media_type_of, open_table
from monitor.model.errors import InvalidInput, Malformed, NotFound
from monitor.profile.dlp import ProfileFile, read_dlp

SLICE_ROWS = 250_000  # rows worked on at a time; numbers of frames are views, so they cost no memory
DLP_SUFFIX = ".dlp"
Part = Callable[[], pa.RecordBatch]
EXPECTED = "expected a pandas or polars frame, a pyarrow table, anything with __arrow_c_stream__ or a path"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows under their own column names; ``parts`` begins anew at every call.

    A part is made when it is called: converting a frame's columns is work for threads, not for who hands parts out.
    ``head`` is a batch with the names and types of the first part (None without any); its rows mean nothing.
    """

    parts: Callable[[], Iterator[Part]]
    head: Callable[[], pa.RecordBatch | None]


def open_side(given: Any, *, side: str) -> Table | ProfileFile:
    """The table behind what was given as ``side``, or the profile file; ``InvalidInput`` for anything else."""
    if isinstance(given, str | PathLike):
        return _open_path(Path(given), side=side)
    if isinstance(given, ProfileFile | Table):
        return given
    if _is_pandas(given):
        pandas_names(given, side=side)
        return Table(
            parts=lambda: pandas_parts(given, rows=SLICE_ROWS), head=lambda: pandas_head(given, rows=SLICE_ROWS)
        )
    table = _arrow_table(given, side=side)
    return _table_of(lambda: iter(table.to_batches(max_chunksize=SLICE_ROWS)))


def table_names(table: Table) -> tuple[str, ...]:
    """The table's flat column names (of its first part; nested objects with ``.``)."""
    head = table.head()
    return () if head is None else flat_names(head)


def flat_names(batch: pa.RecordBatch) -> tuple[str, ...]:
    """A batch's flat column names."""
    return tuple(flat_columns(batch.slice(0, 0)))


def _table_of(batches: Callable[[], Iterator[pa.RecordBatch]]) -> Table:
    """The table of batches that are at hand, or read in order."""
    return Table(parts=lambda: (partial(_itself, batch) for batch in batches()), head=lambda: next(batches(), None))


def _itself(batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch


def _is_pandas(given: Any) -> bool:
    return type(given).__module__.split(".")[0] == "pandas" and hasattr(given, "iloc")


def _arrow_table(given: Any, *, side: str) -> pa.Table:
    if isinstance(given, pa.Table):
        return given
    if isinstance(given, pa.RecordBatch):
        return pa.Table.from_batches([given])
    if not hasattr(given, "__arrow_c_stream__"):
        raise InvalidInput(f"{side} is a {type(given).__module__}.{type(given).__qualname__}: {EXPECTED}")
    # A stream can be read once only, and the reference is gone through three times.
    try:
        with pa.RecordBatchReader.from_stream(given) as reader:
            return reader.read_all()
    except pa.ArrowException as error:
        raise InvalidInput(f"{side} is no table of columns ({str(error)[:200]}): {EXPECTED}") from None


def _open_path(path: Path, *, side: str) -> Table | ProfileFile:
    if not path.exists():
        raise NotFound(f"{side}: {path} does not exist")
    if path.suffix.lower() == DLP_SUFFIX:
        try:
            return read_dlp(path.read_bytes())
        except Malformed as error:
            raise Malformed(f"{side}: {path}: {error.detail}") from None
    if path.is_dir():
        raise InvalidInput(f"{side}: {path} is a directory: expected a file")
    media_type = media_type_of(path)
    return _table_of(lambda: _file_batches(path, media_type=media_type, side=side))


def _file_batches(path: Path, *, media_type: str, side: str) -> Iterator[pa.RecordBatch]:
    try:
        yield from open_table(path, media_type)
    except (Malformed, InvalidInput) as error:
        raise type(error)(f"{side}: {path}: {error.detail}") from None
