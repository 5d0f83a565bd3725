"""Any table as record batches that can be gone through again: frames, Arrow objects, files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import pyarrow as pa

from monitor.columns.flatten import flat_columns
from monitor.compare.frames import pandas_batches, pandas_names
from monitor.ingest.open_table import media_type_of, open_table
from monitor.model.errors import InvalidInput, Malformed, NotFound
from monitor.profile.dlp import ProfileFile, read_dlp

SLICE_ROWS = 250_000  # rows worked on at a time; numbers of frames are views, so they cost no memory
DLP_SUFFIX = ".dlp"
EXPECTED = "expected a pandas or polars frame, a pyarrow table, anything with __arrow_c_stream__ or a path"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows under their own column names; ``batches`` begins anew at every call."""

    batches: Callable[[], Iterator[pa.RecordBatch]]


def open_side(given: Any, *, side: str) -> Table | ProfileFile:
    """The table behind what was given as ``side``, or the profile file; ``InvalidInput`` for anything else."""
    if isinstance(given, str | PathLike):
        return _open_path(Path(given), side=side)
    if isinstance(given, ProfileFile | Table):
        return given
    if _is_pandas(given):
        pandas_names(given, side=side)
        return Table(batches=lambda: pandas_batches(given, rows=SLICE_ROWS))
    table = _arrow_table(given, side=side)
    return Table(batches=lambda: iter(table.to_batches(max_chunksize=SLICE_ROWS)))


def table_names(table: Table) -> tuple[str, ...]:
    """The table's flat column names (of its first batch; nested objects with ``.``)."""
    first = next(table.batches(), None)
    return () if first is None else tuple(flat_columns(first.slice(0, 0)))


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
    return Table(batches=lambda: _file_batches(path, media_type=media_type, side=side))


def _file_batches(path: Path, *, media_type: str, side: str) -> Iterator[pa.RecordBatch]:
    try:
        yield from open_table(path, media_type)
    except (Malformed, InvalidInput) as error:
        raise type(error)(f"{side}: {path}: {error.detail}") from None
