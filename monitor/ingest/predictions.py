"""The course of a request of predictions."""

from __future__ import annotations

import asyncio
from functools import partial

import msgspec

from monitor.ingest.assemble import Reading, Received
from monitor.ingest.assemble import read_body as read_records
from monitor.ingest.limits import Limits
from monitor.ingest.matching import check_columns_match
from monitor.ingest.receive import Arrived, Prepared, kept_roles, quarantine_row
from monitor.ingest.sealed import in_windows, sealed_within, span_of
from monitor.ingest.single import quick_rows
from monitor.ingest.targets import Target
from monitor.ingest.work import PredictionWork, new_batch
from monitor.store import Store, batches
from monitor.telemetry import Telemetry


class _Counts(msgspec.Struct):
    stored: int
    quarantined: int
    duplicate: int


_COUNTS = msgspec.json.Decoder(_Counts)


class Predictions:
    """What the courses of all requests of predictions share; ``established`` versions have their first thousand."""

    def __init__(self, store: Store, telemetry: Telemetry, *, limits: Limits) -> None:
        self.store = store
        self.telemetry = telemetry
        self.limits = limits
        self.established: set[int] = set()

    def course(self, target: Target) -> PredictionCourse:
        """The course of one request."""
        return PredictionCourse(self, target)


class PredictionCourse:
    """One request of predictions of one version."""

    route = PredictionWork.route
    inline = True
    __slots__ = ("_received", "_sealed", "_shared", "_target")

    def __init__(self, shared: Predictions, target: Target) -> None:
        self._shared = shared
        self._target = target
        self._received: Received | None = None
        self._sealed: frozenset[int] = frozenset()

    @property
    def scope(self) -> int:
        """The version's id."""
        return self._target.version.id

    def quick(self, arrived: Arrived) -> PredictionWork | None:
        """Rows for the next group commit, where the schema's structs decode a few of them and nothing is odd."""
        plan, asked = self._target.plan, arrived.head.asked
        if plan is None or not plan.simple or not asked.plain:
            return None
        rows = quick_rows(
            arrived.body, media_type=asked.media_type, plan=plan, received_us=arrived.received_us,
            limits=self._shared.limits,
        )  # fmt: skip
        if rows is None or min(rows.instants_us) < self._target.sealed_until_us:
            return None
        return PredictionWork(
            target=self._target, answer=rows.answer, received_us=arrived.received_us, ids=rows.ids,
            instants_us=rows.instants_us, rows=rows.rows, key=arrived.head.key, digest=arrived.digest,
            stored=len(rows.rows), future=arrived.future,
        )  # fmt: skip

    def prepare(self, arrived: Arrived) -> Prepared:
        """Canonical batches of the whole body, and its quarantined records."""
        target, asked, received_us = self._target, arrived.head.asked, arrived.received_us
        reading = Reading(
            schema=target.schema, plan=target.plan, roles=asked.roles, window=target.model.window,
            received_us=received_us, limits=self._shared.limits,
            sealed=partial(in_windows, starts=self._sealed, window=target.model.window),
        )  # fmt: skip
        received = self._received = read_records(arrived.body, media_type=asked.media_type, reading=reading)
        roles = kept_roles(arrived.head)
        work = PredictionWork(
            target=target, answer=received.answer(), received_us=received_us, future=arrived.future,
            batches=[new_batch(b, target=target, received_us=received_us) for b in received.batches],
            quarantine=[quarantine_row(q, owner_id=target.version.id, received_us=received_us, roles=roles)
                        for q in received.quarantined],
            key=arrived.head.key, digest=arrived.digest, stored=received.stored, duplicates=received.duplicates,
        )  # fmt: skip
        return Prepared(records=received.records, quarantined=received.quarantined, work=work)

    async def look_again(self) -> bool:
        """Whether some of the rows are of windows that are sealed: then they are to be sorted out."""
        span = span_of(self._received) if self._received is not None and self._target.sealed_until_us else None
        if span is None or span[0] >= self._target.sealed_until_us:
            return False
        self._sealed = await asyncio.to_thread(self._sealed_within, *span)
        return bool(self._sealed)

    def _sealed_within(self, first_us: int, last_us: int) -> frozenset[int]:
        with self._shared.store.read() as conn:
            return sealed_within(conn, target=self._target, first_us=first_us, last_us=last_us)

    async def accept(self, prepared: Prepared) -> None:
        """Refuse a wholly different set of columns while the version is new."""
        received, target = self._received, self._target
        if received is None or received.matched or not received.unknown or self.scope in self._shared.established:
            return
        rows = await asyncio.to_thread(self._stored_rows)
        check_columns_match(target.schema, received.unknown, stored_rows=rows)
        self._shared.established.add(self.scope)

    def _stored_rows(self) -> int:
        with self._shared.store.read() as conn:
            return sum(batches.count_rows(conn, version_id=self._target.version.id))

    def count(self, result: str, records: int) -> None:
        """Counts the version's records that were refused or answered from memory."""
        self._shared.telemetry.records.labels(self._target.model.name, self._target.version.name, result).inc(records)

    def records_of(self, answer: bytes) -> int:
        """How many records a request held, by its answer."""
        return records_of(answer)


def records_of(answer: bytes) -> int:
    """How many records a request held, by its answer.

    >>> records_of(b'{"stored": 2, "quarantined": 1, "duplicate": 0, "columns": {}, "errors": []}')
    3
    """
    counts = _COUNTS.decode(answer)
    return counts.stored + counts.quarantined + counts.duplicate
