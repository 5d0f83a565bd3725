"""What a request hands to the committer, and what it gets back."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import pyarrow as pa
import pyarrow.compute as pc

from monitor.columns.batch import TIMESTAMP, encode_batch, encode_buffer
from monitor.ingest.targets import LabelTarget, Target
from monitor.store.batches import NewBatch
from monitor.store.keys import model_scope
from monitor.store.labels import LabelBatch
from monitor.store.quarantine import QuarantineRow
from monitor.tracing import Link

MAX_LABELS_A_BATCH = 1 << 20  # a label's place among all is its batch's id and 20 bits of position in it


@dataclass(frozen=True, slots=True)
class Committed:
    """The answer of a request that is on disk; ``replayed`` when an earlier request with its key stored it."""

    body: bytes
    replayed: bool = False


@dataclass(slots=True, kw_only=True)
class Work:
    """One request ready to store, of either kind. Its key is unique within ``route`` and ``scope``."""

    route: ClassVar[str]
    answer: bytes
    received_us: int
    future: asyncio.Future[Committed]
    quarantine: Sequence[QuarantineRow] = ()
    key: str | None = None
    digest: str = ""
    stored: int = 0
    origin: Link | None = None  # the request's span, where it is recorded

    @property
    def scope(self) -> int:
        """The version's id, or ``model_scope`` of the model's."""
        raise NotImplementedError

    @property
    def size(self) -> int:
        """About how many bytes it will write."""
        raise NotImplementedError

    @property
    def subject(self) -> str:
        """What it writes to, in words."""
        raise NotImplementedError


@dataclass(slots=True, kw_only=True)
class PredictionWork(Work):
    """Records of a version: encoded batches, or rows to be merged with other requests' rows."""

    route: ClassVar[str] = "predictions"
    target: Target
    batches: Sequence[NewBatch] = ()
    ids: Sequence[str] = ()
    instants_us: Sequence[int] = ()
    rows: Sequence[tuple[Any, ...]] = ()
    duplicates: int = 0

    @property
    def scope(self) -> int:
        """The version's id."""
        return self.target.version.id

    @property
    def size(self) -> int:
        """About how many bytes it will write."""
        return sum(len(b.payload) for b in self.batches) + 512 * len(self.rows)

    @property
    def subject(self) -> str:
        """The version."""
        return f"version {self.target.version.name!r} of model {self.target.model.name!r}"


@dataclass(slots=True, kw_only=True)
class LabelWork(Work):
    """Labels of a model: encoded batches."""

    route: ClassVar[str] = "labels"
    target: LabelTarget
    batches: Sequence[LabelBatch] = ()

    @property
    def scope(self) -> int:
        """What stands for the model."""
        return model_scope(self.target.model.id)

    @property
    def size(self) -> int:
        """How many bytes it will write."""
        return sum(len(b.payload) for b in self.batches)

    @property
    def subject(self) -> str:
        """The model."""
        return f"model {self.target.model.name!r}"


def new_batch(batch: pa.RecordBatch, *, target: Target, received_us: int) -> NewBatch:
    """The batch as the store keeps it."""
    bounds = pc.min_max(batch.column(TIMESTAMP).cast(pa.int64()))
    return NewBatch(
        version_id=target.version.id, received_us=received_us, t_min_us=bounds["min"].as_py(),
        t_max_us=bounds["max"].as_py(), rows=batch.num_rows, schema_id=target.version.schema_id,
        payload=cast("bytes", memoryview(encode_buffer(batch))),  # drivers bind a view without copying it first
    )  # fmt: skip


def new_label_batches(batch: pa.RecordBatch, *, target: LabelTarget, received_us: int) -> list[LabelBatch]:
    """The labels as the store keeps them: one batch, or as many as their positions need."""
    return [
        LabelBatch(
            model_id=target.model.id, received_us=received_us, rows=part.num_rows,
            payload=cast("bytes", memoryview(encode_buffer(part))),
        )
        for part in (batch.slice(start, MAX_LABELS_A_BATCH) for start in range(0, batch.num_rows, MAX_LABELS_A_BATCH))
    ]  # fmt: skip


def merged(works: list[PredictionWork]) -> list[NewBatch]:
    """One batch a (version, schema) out of the single rows of many requests, in their order."""
    groups: dict[tuple[int, int | None], list[PredictionWork]] = {}
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
