"""A slice of stored batches: read in short transactions, decoded, brought to one schema, cut into windows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np
import pyarrow as pa

from monitor.columns.batch import COMPANION_PREFIX, ID, TIMESTAMP, decode_batch
from monitor.columns.conform import conform
from monitor.model.errors import Unavailable
from monitor.model.schema import Schema
from monitor.store.batches import BatchInfo, payloads
from monitor.store.engine import Store

SLICE_ROWS = 250_000
SLICE_BYTES = 64 * 2**20
_PAGE_BYTES = 4 * 2**20  # what one short read transaction brings
_PAGE_BATCHES = 500
RECEIVED = "#received"  # beside the stored columns while a slice is in memory: when each row was received


class BatchesMoved(Unavailable):
    """A listed batch was compacted away or purged before it was read: list the batches again."""

    def __init__(self) -> None:
        super().__init__("the stored batches were compacted while they were read: try again")


def within_budget(infos: Sequence[BatchInfo], *, rows: int = SLICE_ROWS, size: int = SLICE_BYTES) -> list[BatchInfo]:
    """The first of the batches that together stay within rows and bytes; at least one."""
    kept: list[BatchInfo] = []
    for info in infos:
        rows, size = rows - info.rows, size - info.bytes
        if kept and (rows < 0 or size < 0):
            break
        kept.append(info)
    return kept


def read_rows(
    store: Store, infos: Sequence[BatchInfo], *, schema: Schema | None, schema_id: int | None = None
) -> pa.RecordBatch:
    """The rows of the batches in their order, with ``RECEIVED``; without a schema only ids and timestamps.

    Batches stored under ``schema_id``, the id of that very schema, are taken as they are.

    Raises ``BatchesMoved`` when one of the batches is no longer there.
    """
    parts: list[pa.RecordBatch] = []
    rest = list(infos)
    while rest:
        page = within_budget(rest[:_PAGE_BATCHES], size=_PAGE_BYTES)
        with store.read() as conn:
            stored = payloads(conn, ids=[info.id for info in page])
        if len(stored) != len(page):
            raise BatchesMoved
        parts += [_decoded(info, stored[info.id], schema=schema) for info in page]
        rest = rest[len(page) :]
    ready = schema is not None and schema_id is not None and all(info.schema_id == schema_id for info in infos)
    fit = _selected if ready else _conformed
    return joined([fit(batch, schema=schema) for batch in _runs_of_one_schema(parts)])


def joined(batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    """One batch of all rows; a companion column that only some have is null for the others."""
    if len(batches) == 1:
        return batches[0]
    table = pa.concat_tables([pa.Table.from_batches([batch]) for batch in batches], promote_options="default")
    whole = table.combine_chunks().to_batches()
    return whole[0] if whole else batches[0]


def received_of(batch: pa.RecordBatch) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """int64[n]: when each row of a slice was received."""
    return np.asarray(batch.column(RECEIVED).to_numpy(), dtype=np.int64)


def instants_of(batch: pa.RecordBatch) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """int64[n]: the timestamps in microseconds."""
    return np.asarray(batch.column(TIMESTAMP).cast(pa.int64()).to_numpy(), dtype=np.int64)


def between(batch: pa.RecordBatch, *, start_us: int, end_us: int) -> pa.RecordBatch:
    """The rows whose timestamp is in ``[start, end)``, in their order."""
    instants = instants_of(batch)
    inside = (instants >= start_us) & (instants < end_us)
    return batch if inside.all() else batch.filter(pa.array(inside))


def _decoded(info: BatchInfo, stored: tuple[bytes, str], *, schema: Schema | None) -> pa.RecordBatch:
    payload, codec = stored
    batch = decode_batch(payload, codec)
    if schema is None:
        batch = batch.select([ID, TIMESTAMP])
    return batch.append_column(RECEIVED, pa.array(np.full(batch.num_rows, info.received_us, dtype=np.int64)))


def _runs_of_one_schema(parts: Sequence[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Neighbours that were sent with the same columns, joined: conforming costs by the batch, not by the row."""
    if len(parts) == 1:
        yield parts[0]  # nothing to compare: serializing hundreds of columns would be for nothing
        return
    for _, alike in groupby(parts, key=lambda batch: _shape(batch.schema)):
        batches = list(alike)
        yield batches[0] if len(batches) == 1 else pa.concat_batches(batches)


def _shape(schema: pa.Schema) -> bytes:
    return bytes(schema.serialize())


def _selected(batch: pa.RecordBatch, *, schema: Schema | None) -> pa.RecordBatch:
    """The batch without the columns that its schema did not know."""
    known = {ID, TIMESTAMP, RECEIVED} | (set() if schema is None else set(schema.by_stored_name))
    names = [name for name in batch.schema.names if name.removeprefix(COMPANION_PREFIX) in known]
    return batch if len(names) == batch.num_columns else batch.select(names)


def _conformed(batch: pa.RecordBatch, *, schema: Schema | None) -> pa.RecordBatch:
    if schema is None:
        return batch
    whole = conform(batch.drop_columns([RECEIVED]), schema)
    return whole.append_column(RECEIVED, batch.column(RECEIVED))
