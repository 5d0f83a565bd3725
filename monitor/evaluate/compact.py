"""Compaction: small folded batches become zstd segments of up to 64,000 rows, in the same order, with the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import pyarrow as pa

from monitor.columns.batch import decode_batch, encode_batch
from monitor.model.errors import FenceLost
from monitor.store.batches import BatchInfo, NewBatch, payloads
from monitor.store.compaction import compactable, replace_batches
from monitor.store.engine import Store

LEAST_BATCHES = 2  # of one shape; the store offers runs of at least eight


def compact_version(store: Store, *, version_id: int) -> int:
    """How many batches were replaced by segments.

    Read and packed outside the transaction, which replaces exactly those batches or rolls back.
    """
    with store.read() as conn:
        runs = compactable(conn, version_id=version_id)
    return sum(_compact_run(store, version_id=version_id, run=run) for run in runs)


def _compact_run(store: Store, *, version_id: int, run: Sequence[BatchInfo]) -> int:
    with store.read() as conn:
        stored = payloads(conn, ids=[info.id for info in run])
    if len(stored) != len(run):
        return 0
    decoded = [(info, decode_batch(*stored[info.id])) for info in run]
    replaced = 0
    # Only batches sent with the same columns: nothing is converted, so a segment reads as its batches did.
    for _, alike in groupby(decoded, key=lambda pair: (pair[0].schema_id, bytes(pair[1].schema.serialize()))):
        infos, batches = zip(*alike, strict=True)
        if len(infos) < LEAST_BATCHES:
            continue
        try:
            replaced += _replace(store, version_id=version_id, infos=infos, segment=pa.concat_batches(batches))
        except FenceLost:  # somebody compacted or deleted them meanwhile
            return replaced
    return replaced


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
