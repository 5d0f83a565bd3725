"""A table's rows in canonical form: roles applied, repeats of an id dropped, what was left out counted."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from monitor.columns.batch import ID, TIMESTAMP
from monitor.columns.keyed_ids import among, first_rows, hash_ids
from monitor.columns.roles import Roles, stored_names
from monitor.columns.table import Canonical, canonical_batch
from monitor.compare.flow import in_order
from monitor.compare.tables import Part, Table, flat_names
from monitor.model.schema import Schema
from monitor.model.window import WindowSpec

NO_TIME_US = -1  # the timestamp of rows without one: before every window
HELD_BYTES = 1 << 30  # canonical rows kept for the next pass; beyond, the table is read again
_HASH_KEY = "driftline-check0"  # repeats are found within one run only: no secret is at stake


@dataclass(slots=True)
class Found:
    """What was found while a side was read; names as users know them."""

    rows: int = 0
    unusable: int = 0
    repeated: int = 0
    timed: bool = False
    named: bool = False  # some row has an id of its own
    names: tuple[str, ...] = ()
    first_us: int | None = None
    last_us: int | None = None
    unknown: dict[str, int] = field(default_factory=dict)


def canonical(
    table: Table, *, schema: Schema | None, roles: Roles, found: Found, pool: ThreadPoolExecutor
) -> Iterator[Canonical]:
    """The table's slices in canonical form, in order; ``found`` is filled on the way."""

    def read(part: Part) -> tuple[tuple[str, ...], Canonical]:
        batch = part()
        return flat_names(batch), canonical_batch(batch, schema=schema, roles=roles, received_us=NO_TIME_US)

    for names, result in in_order(pool, read, table.parts()):
        if not found.names:
            found.names = names
            found.timed = TIMESTAMP in stored_names(names, schema=schema, roles=roles)
        found.rows += result.batch.num_rows
        found.named = found.named or bool(result.own_ids.any())
        found.unusable += len(result.quarantined)
        for name, count in result.unknown.items():
            found.unknown[name] = found.unknown.get(name, 0) + count
        _note_times(result.batch, found)
        yield result


def without_repeats(results: Iterator[Canonical], *, spec: WindowSpec | None, found: Found) -> Iterator[pa.RecordBatch]:
    """The batches less rows whose id was there before (in the same window, where there are windows): the first wins."""
    seen = np.empty(0, np.uint64)
    for result in results:
        batch = result.batch
        own = np.flatnonzero(result.own_ids)
        if len(own):
            keys = hash_ids(batch.column(ID).take(pa.array(own)), key=_HASH_KEY)
            if spec is not None:
                instants = batch.column(TIMESTAMP).cast(pa.int64()).to_numpy()[own]
                keys ^= spec.starts_of(instants).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
            distinct, first = first_rows(keys)
            fresh = ~among(distinct, seen)
            seen = np.sort(np.concatenate((seen, distinct[fresh])))
            kept = np.ones(batch.num_rows, bool)
            kept[own] = False
            kept[own[first[fresh]]] = True
            dropped = batch.num_rows - int(kept.sum())
            if dropped:
                found.repeated += dropped
                batch = batch.filter(pa.array(kept))
        yield batch


def _note_times(batch: pa.RecordBatch, found: Found) -> None:
    if not found.timed or not batch.num_rows:
        return
    instants = batch.column(TIMESTAMP).cast(pa.int64()).to_numpy()
    instants = instants[instants != NO_TIME_US]
    if len(instants):
        first, last = int(instants.min()), int(instants.max())
        found.first_us = first if found.first_us is None else min(found.first_us, first)
        found.last_us = last if found.last_us is None else max(found.last_us, last)
