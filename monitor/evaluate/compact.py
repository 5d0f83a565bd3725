"""Compaction: small folded batches become zstd segments of up to 64,000 rows, in the same order, with the same rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, groupby

import pyarrow as pa

from monitor.columns.batch import decode_batch, encode_batch
from monitor.model.errors import FenceLost
from monitor.store.batch_rows import BatchInfo, NewBatch, by_bytes
from monitor.store.batches import payloads
from monitor.store.compaction import compactable, replace_batches
from monitor.store.engine import Store

LEAST_BATCHES = 2  # of one shape; the store offers runs of at least eight
READ_BYTES = 4 * 2**20  # of payloads: those of single records are many times as large as what they hold

_Shape = tuple[int | None, bytes]  # schema id, and the columns as they were sent


def compact_version(store: Store, *, version_id: int) -> int:
    """How many batches were replaced by segments.

    Read and packed outside the transaction, which replaces exactly those batches or rolls back.
    """
    with store.read() as conn:
        runs = compactable(conn, version_id=version_id)
    return sum(_compact_run(store, version_id=version_id, run=run) for run in runs)


def _compact_run(store: Store, *, version_id: int, run: Sequence[BatchInfo]) -> int:
    replaced = 0
    for _, alike in groupby(_joined(store, run), key=lambda joined: joined[0]):
        _, infos, batches = zip(*alike, strict=True)
        together = list(chain.from_iterable(infos))
        if len(together) < LEAST_BATCHES:
            continue
        try:
            replaced += _replace(store, version_id=version_id, infos=together, segment=pa.concat_batches(batches))
        except FenceLost:  # somebody compacted or deleted them meanwhile
            return replaced
    return replaced


def _joined(store: Store, run: Sequence[BatchInfo]) -> Iterator[tuple[_Shape, list[BatchInfo], pa.RecordBatch]]:
    """Neighbours sent with the same columns, as one batch, of a few MiB that are read at a time.

    Nothing is converted, so a segment reads as its batches did. Ends before a batch that is gone.
    """
    for page in by_bytes(run, most=READ_BYTES):
        with store.read() as conn:
            stored = payloads(conn, ids=[info.id for info in page])
        if len(stored) != len(page):
            return
        decoded = ((info, decode_batch(*stored.pop(info.id))) for info in page)
        for shape, alike in groupby(decoded, key=lambda pair: (pair[0].schema_id, bytes(pair[1].schema.serialize()))):
            infos, batches = zip(*alike, strict=True)
            yield shape, list(infos), pa.concat_batches(batches)


def _replace(store: Store, *, version_id: int, infos: Sequence[BatchInfo], segment: pa.RecordBatch) -> int:
    folds = [info.fold for info in infos if info.fold is not None]
    new = NewBatch(
        version_id=version_id,
        received_us=max(info.received_us for info in infos),
        t_min_us=min(info.t_min_us for info in infos),
        t_max_us=max(info.t_max_us for info in infos),
        rows=segment.num_rows,
        schema_id=infos[0].schema_id,
        payload=encode_batch(segment, codec="zstd"),
        codec="zstd",
    )
    with store.write() as conn:
        replace_batches(
            conn, version_id=version_id, ids=[info.id for info in infos], new=new,
            fold_min=min(folds), fold_max=max(folds),
        )  # fmt: skip
    return len(infos)
