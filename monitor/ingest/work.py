"""What a request hands to the committer, and what it gets back."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from monitor.columns.batch import TIMESTAMP, encode_batch, encode_buffer
from monitor.ingest.targets import Target
from monitor.store.batches import NewBatch
from monitor.store.quarantine import QuarantineRow

ROUTE = "predictions"


@dataclass(frozen=True, slots=True)
class Committed:
    """The answer of a request that is on disk; ``replayed`` when an earlier request with its key stored it."""

    body: bytes
    replayed: bool = False


@dataclass(slots=True)
class Work:
    """One request ready to store: encoded batches, or rows to be merged with other requests' rows."""

    target: Target
    answer: bytes
    received_us: int
    future: asyncio.Future[Committed]
    batches: Sequence[NewBatch] = ()
    ids: Sequence[str] = ()
    instants_us: Sequence[int] = ()
    rows: Sequence[tuple[Any, ...]] = ()
    quarantine: Sequence[QuarantineRow] = ()
    key: str | None = None
    digest: str = ""
    stored: int = 0
    duplicates: int = 0

    @property
    def size(self) -> int:
        """About how many bytes it will write."""
        return sum(len(b.payload) for b in self.batches) + 512 * len(self.rows)


def new_batch(batch: pa.RecordBatch, *, target: Target, received_us: int) -> NewBatch:
    """The batch as the store keeps it."""
    bounds = pc.min_max(batch.column(TIMESTAMP).cast(pa.int64()))
    return NewBatch(
        version_id=target.version.id, received_us=received_us, t_min_us=bounds["min"].as_py(),
        t_max_us=bounds["max"].as_py(), rows=batch.num_rows, schema_id=target.version.schema_id,
        payload=cast("bytes", memoryview(encode_buffer(batch))),  # drivers bind a view without copying it first
    )  # fmt: skip


def merged(works: list[Work]) -> list[NewBatch]:
    """One batch a (version, schema) out of the single rows of many requests, in their order."""
    groups: dict[tuple[int, int | None], list[Work]] = {}
    for work in works:
        if work.rows:
            groups.setdefault((work.target.version.id, work.target.version.schema_id), []).append(work)
    batches: list[NewBatch] = []
    for group in groups.values():
        target = group[0].target
        if target.plan is None:
            raise ValueError("rows are merged by the plan of their schema")
        ids = [i for w in group for i in w.ids]
        instants_us = [t for w in group for t in w.instants_us]
        rows = [r for w in group for r in w.rows]
        batch = target.plan.batch(ids, instants_us, rows)
        batches.append(
            NewBatch(
                version_id=target.version.id, received_us=max(w.received_us for w in group),
                t_min_us=min(instants_us), t_max_us=max(instants_us), rows=len(rows),
                schema_id=target.version.schema_id, payload=encode_batch(batch),
            )
        )  # fmt: skip
    return batches
