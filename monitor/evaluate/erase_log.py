"""Records erased from a version's log: batch after batch, each in a short transaction of its own."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitor.columns.batch import ID, decode_batch, encode_batch
from monitor.columns.keyed_ids import Hashes, hash_ids, hash_key
from monitor.evaluate.slices import instants_of
from monitor.model.entities import Model
from monitor.model.errors import FenceLost
from monitor.store.batches import BatchInfo, payloads
from monitor.store.engine import Store
from monitor.store.erased import Remains, batches_behind, replace_rows
from monitor.store.erasures import Erasing, erasing
from monitor.store.versions import lock_version

_TRIES = 5


def erase_records(store: Store, *, model: Model, version_id: int, hashes: Hashes, guard: Erasing) -> int:
    """How many rows of the version had one of the ids and are gone; ``hashes`` are those of the ids, ascending.

    Done again after it was cut off anywhere, it finds what is left. Whatever is compacted meanwhile comes again, for
    a segment's id is higher than those of its batches.
    """
    after, erased = 0, 0
    while True:
        with store.read() as conn:
            page = batches_behind(conn, version_id=version_id, after=after)
        if not page:
            return erased
        for batch in page:
            erased += _erase(store, model=model, batch=batch, hashes=hashes, guard=guard)
        after = page[-1].id
        with store.write() as conn:  # that nothing was found is progress too
            guard(conn, "records", 0)


def _erase(store: Store, *, model: Model, batch: BatchInfo, hashes: Hashes, guard: Erasing) -> int:
    for _ in range(_TRIES):
        with store.read() as conn:
            now = batches_behind(conn, version_id=batch.version_id, after=batch.id - 1, limit=1)
            stored = payloads(conn, ids=[batch.id])
        if not stored or now[0].id != batch.id:  # compacted away: its segment comes later
            return 0
        rows = decode_batch(*stored[batch.id])
        named = np.isin(hash_ids(rows.column(ID), key=hash_key(store.secret)), hashes)
        if not named.any():
            return 0
        try:
            _replace(store, model=model, batch=now[0], rows=rows, named=named, guard=guard)
        except FenceLost:  # folded meanwhile: it is read again; a claim that is lost is lost then too
            continue
        return int(named.sum())
    raise FenceLost(f"batch {batch.id} changed again and again while it was read")


def _replace(
    store: Store, *, model: Model, batch: BatchInfo, rows: pa.RecordBatch, named: NDArray[np.bool_], guard: Erasing
) -> None:
    instants = instants_of(rows)
    left = rows.filter(pa.array(~named))
    remains = remains_of(left, codec=batch.codec)
    gone = Counter(model.window.start_of(instant) for instant in instants[named].tolist())
    with erasing(store) as conn:
        lock_version(conn, id=batch.version_id)
        replace_rows(conn, batch=batch, remains=remains, gone=gone)
        guard(conn, "records", len(instants) - left.num_rows)


def remains_of(left: pa.RecordBatch, *, codec: str) -> Remains | None:
    """The rows that are left of a batch, as they are stored in its place; None without a row."""
    if not left.num_rows:
        return None
    kept = instants_of(left)
    return Remains(
        t_min_us=int(kept.min()), t_max_us=int(kept.max()), rows=left.num_rows,
        payload=encode_batch(left, codec=codec),
    )  # fmt: skip
