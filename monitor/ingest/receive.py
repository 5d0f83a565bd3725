"""One ingest request the whole way: budget → body → decode → decide → commit → answer."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

import msgspec

from monitor.columns.quarantine import Quarantined
from monitor.ingest.assemble import AS_TEXT, JSON_TYPES, Reading, Received
from monitor.ingest.assemble import read_body as read_records
from monitor.ingest.body import Receive, read_body
from monitor.ingest.budget import ByteBudget, Lease
from monitor.ingest.decompress import decompress
from monitor.ingest.group_commit import GroupCommitter, replay
from monitor.ingest.limits import JSON_WEIGHT, Limits
from monitor.ingest.matching import check_columns_match
from monitor.ingest.request import Head
from monitor.ingest.single import MAX_BYTES, quick_rows
from monitor.ingest.targets import Target
from monitor.ingest.work import ROUTE, Committed, Work, new_batch
from monitor.model.errors import ClientError, Conflict, InvalidInput, Malformed
from monitor.store import Store, batches, keys
from monitor.store.quarantine import QuarantineRow
from monitor.telemetry import Telemetry

R = TypeVar("R")


class _Counts(msgspec.Struct):
    stored: int
    quarantined: int
    duplicate: int


_COUNTS = msgspec.json.Decoder(_Counts)


class Receiver:
    """Takes requests in. ``clock`` gives microseconds since the epoch; ``pool`` decodes what is not small."""

    def __init__(
        self, store: Store, committer: GroupCommitter, telemetry: Telemetry, *,
        limits: Limits, clock: Callable[[], int], pool: Executor,
    ) -> None:  # fmt: skip
        self.limits = limits
        self._store = store
        self._committer = committer
        self._telemetry = telemetry
        self._clock = clock
        self._pool = pool
        self._budget = ByteBudget(limits.max_inflight_bytes, gauge=telemetry.queue_bytes)
        telemetry.queue_limit_bytes.set(limits.max_inflight_bytes)
        self._in_flight: set[tuple[int, str]] = set()
        self._established: set[int] = set()  # versions known to have their first thousand records

    async def receive(self, target: Target, head: Head, body: Receive) -> Committed:
        """The answer of a request that is stored (or would be, in a dry run); every refusal is an exception.

        What was refused is counted by its records, or as one where nobody could count them.
        """
        seen = Seen()
        try:
            answer = await self._receive(target, head, body, seen)
        except Exception as error:
            if not head.asked.dry_run:
                self._count(target, "rejected", getattr(error, "records", seen.records))
            raise
        if answer.replayed:
            self._count(target, "duplicate", records_of(answer.body))
        return answer

    async def _receive(self, target: Target, head: Head, body: Receive, seen: Seen) -> Committed:
        weight = JSON_WEIGHT if head.asked.media_type in JSON_TYPES else 1
        with self._budget.lease(0) as lease:
            sent = await read_body(body, declared=head.length, lease=lease, weight=weight, limits=self.limits)
            if head.key is None or head.asked.dry_run:
                return await self._store_body(target, head, sent, lease, seen)
            claim = (target.version.id, head.key)
            if claim in self._in_flight:
                raise Conflict(
                    f"a request with Idempotency-Key {head.key[:60]!r} is in flight: send again when it is answered",
                    retry_after_seconds=1,
                )
            self._in_flight.add(claim)
            try:
                return await self._store_body(target, head, sent, lease, seen)
            finally:
                self._in_flight.discard(claim)

    async def _store_body(
        self, target: Target, head: Head, sent: bytes, lease: Lease, seen: Seen
    ) -> Committed:  # fmt: skip
        small = len(sent) <= MAX_BYTES and not head.asked.encoding
        if small:
            body = sent
        else:
            body = await self._in_pool(self._decoded, sent, head, lease)
        digest = hashlib.sha256(body).hexdigest() if head.key is not None else ""
        received_us = self._clock()
        try:
            if small and not head.asked.dry_run:
                work = self._quick(target, head, body, received_us, digest)
                if work is not None:
                    seen.records = work.stored
                    self._committer.submit(work)
                    return await work.future
            return await self._general(target, head, body, received_us, digest, small=small, seen=seen)
        except ClientError:
            # The first answer stands, also where the version has changed since and would refuse the body today.
            stored = await self._answered_before(target, head, digest)
            if stored is None:
                raise
            return stored

    def _quick(self, target: Target, head: Head, body: bytes, received_us: int, digest: str) -> Work | None:
        plan = target.plan
        if plan is None or not plan.simple or not head.asked.plain:
            return None
        rows = quick_rows(
            body, media_type=head.asked.media_type, plan=plan, received_us=received_us, limits=self.limits
        )  # fmt: skip
        if rows is None:
            return None
        return Work(
            target=target, answer=rows.answer, received_us=received_us, ids=rows.ids, instants_us=rows.instants_us,
            rows=rows.rows, key=head.key, digest=digest, stored=len(rows.rows),
            future=asyncio.get_running_loop().create_future(),
        )  # fmt: skip

    async def _general(
        self, target: Target, head: Head, body: bytes, received_us: int, digest: str, *,
        small: bool, seen: Seen,
    ) -> Committed:  # fmt: skip
        future: asyncio.Future[Committed] = asyncio.get_running_loop().create_future()
        received, work = (
            self._prepared(target, head, body, received_us, digest, future) if small
            else await self._in_pool(self._prepared, target, head, body, received_us, digest, future)
        )  # fmt: skip
        seen.records = received.records
        await self._accept(target, head, received)
        if head.asked.dry_run:
            return Committed(work.answer)
        self._committer.submit(work)
        return await future

    def _prepared(
        self, target: Target, head: Head, body: bytes, received_us: int, digest: str,
        future: asyncio.Future[Committed],
    ) -> tuple[Received, Work]:  # fmt: skip
        reading = Reading(
            schema=target.schema, plan=target.plan, roles=head.asked.roles, window=target.model.window,
            received_us=received_us, limits=self.limits,
        )  # fmt: skip
        try:
            received = read_records(body, media_type=head.asked.media_type, reading=reading)
        except RecursionError:
            raise Malformed("the body nests too deep to be read") from None
        roles = head.asked.roles.to_json() | (AS_TEXT if head.asked.media_type == "text/csv" else {})
        work = Work(
            target=target, answer=received.answer(), received_us=received_us, future=future,
            batches=[new_batch(b, target=target, received_us=received_us) for b in received.batches],
            quarantine=[quarantine_row(q, target=target, received_us=received_us, roles=roles)
                        for q in received.quarantined],
            key=head.key, digest=digest, stored=received.stored, duplicates=received.duplicates,
        )  # fmt: skip
        return received, work

    async def _accept(self, target: Target, head: Head, received: Received) -> None:
        """Refuse what strict handling or a wholly different set of columns forbids."""
        if head.asked.strict and received.quarantined:
            raise InvalidInput(
                f"{len(received.quarantined)} of {received.records} records cannot be used and "
                "Prefer: handling=strict was asked for: nothing was stored",
                code="strict", errors=received.errors(),
            )  # fmt: skip
        if not received.matched and received.unknown and target.version.id not in self._established:
            rows = await asyncio.to_thread(self._stored_rows, target)
            check_columns_match(target.schema, received.unknown, stored_rows=rows)
            self._established.add(target.version.id)

    async def _answered_before(self, target: Target, head: Head, digest: str) -> Committed | None:
        if head.key is None or head.asked.dry_run:
            return None
        stored = await asyncio.to_thread(self._find_key, target.version.id, head.key)
        return None if stored is None else replay(stored, digest=digest, key=head.key)

    def _find_key(self, version_id: int, key: str) -> keys.StoredAnswer | None:
        with self._store.read() as conn:
            return keys.find_key(conn, version_id=version_id, route=ROUTE, key=key)

    def _stored_rows(self, target: Target) -> int:
        with self._store.read() as conn:
            return sum(batches.count_rows(conn, version_id=target.version.id))

    def _decoded(self, sent: bytes, head: Head, lease: Lease) -> bytes:
        weight = JSON_WEIGHT if head.asked.media_type in JSON_TYPES else 1
        return decompress(
            sent, encoding=head.asked.encoding, max_bytes=self.limits.max_decoded_bytes,
            taken=lambda size: lease.grow(size * weight),
        )  # fmt: skip

    async def _in_pool(self, step: Callable[..., R], *arguments: object) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._pool, step, *arguments)

    def _count(self, target: Target, result: str, records: int) -> None:
        self._telemetry.records.labels(target.model.name, target.version.name, result).inc(records)


class Seen:
    """How many records a request was found to hold; one until they are counted."""

    __slots__ = ("records",)

    def __init__(self) -> None:
        self.records = 1


def records_of(answer: bytes) -> int:
    """How many records a request held, by its answer.

    >>> records_of(b'{"stored": 2, "quarantined": 1, "duplicate": 0, "columns": {}, "errors": []}')
    3
    """
    counts = _COUNTS.decode(answer)
    return counts.stored + counts.quarantined + counts.duplicate


def quarantine_row(
    found: Quarantined, *, target: Target, received_us: int, roles: dict[str, object]
) -> QuarantineRow:  # fmt: skip
    """The unusable record as the store keeps it."""
    return QuarantineRow(
        version_id=target.version.id, received_us=received_us, position=found.index, code=found.code,
        message=found.message, raw=found.raw, roles=roles,
    )  # fmt: skip
