"""One ingest request the whole way: budget → body → decode → decide → commit → answer.

What is particular to predictions and to labels is their ``Course``; everything else is the same for both.
"""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Protocol, TypeVar

from monitor.columns.quarantine import Quarantined
from monitor.ingest.assemble import AS_TEXT, JSON_TYPES
from monitor.ingest.body import Receive, read_body
from monitor.ingest.budget import ByteBudget, Lease
from monitor.ingest.decompress import decompress
from monitor.ingest.group_commit import GroupCommitter, replay
from monitor.ingest.limits import JSON_WEIGHT, MAX_ERRORS_SHOWN, Limits
from monitor.ingest.quota import Meter
from monitor.ingest.request import Head
from monitor.ingest.single import MAX_BYTES
from monitor.ingest.work import Committed, Work
from monitor.model.errors import ClientError, Conflict, InvalidInput, Malformed
from monitor.store import Store, keys
from monitor.store.kept_aside import QuarantineRow
from monitor.telemetry import Telemetry
from monitor.tracing import CURRENT, stage, staged

R = TypeVar("R")


@dataclass(slots=True, kw_only=True)  # one a request: a frozen one costs five times as much to make
class Arrived:
    """A body and what it came with: its head, when it came, its digest where it has a key."""

    head: Head
    body: bytes
    received_us: int
    digest: str
    future: asyncio.Future[Committed]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A decoded request: how many records it held, which of them cannot be used, and what is to be stored."""

    records: int
    quarantined: Sequence[Quarantined]
    work: Work


class Course(Protocol):
    """What one request of one kind does on its way; ``inline``: a small one waits for nothing while it is prepared."""

    route: str
    inline: bool

    @property
    def scope(self) -> int:
        """What its ``Idempotency-Key`` is unique in, beside the route."""
        ...

    def quick(self, arrived: Arrived) -> Work | None:
        """The work of a small body in which nothing is odd, by a short way; None where there is none."""
        ...

    def prepare(self, arrived: Arrived) -> Prepared:
        """The body decoded (in a thread of its own, unless it is small and ``inline``)."""
        ...

    async def look_again(self) -> bool:
        """Whether what the store knows makes the body read otherwise: it is to be prepared once more."""
        ...

    async def accept(self, prepared: Prepared) -> None:
        """Nothing, or the error with which the decoded request is refused."""
        ...

    def count(self, result: str, records: int) -> None:
        """Counts what was refused, or answered from memory."""
        ...

    def records_of(self, answer: bytes) -> int:
        """How many records a request held, by its answer."""
        ...


class Receiver:
    """Takes requests in. ``clock`` gives microseconds since the epoch; ``pool`` decodes what is not small."""

    def __init__(
        self, store: Store, committer: GroupCommitter, telemetry: Telemetry, *,
        limits: Limits, clock: Callable[[], int], pool: Executor,
    ) -> None:  # fmt: skip
        self.limits = limits
        self._store = store
        self._committer = committer
        self._clock = clock
        self._pool = pool
        self.budget = ByteBudget(limits.max_inflight_bytes, gauge=telemetry.queue_bytes)
        telemetry.queue_limit_bytes.set(limits.max_inflight_bytes)
        self._in_flight: set[tuple[int, str]] = set()

    async def receive(self, course: Course, head: Head, body: Receive, *, meter: Meter | None = None) -> Committed:
        """The answer of a request that is stored (or would be, in a dry run); every refusal is an exception.

        What was refused is counted by its records, or as one where nobody could count them. ``meter`` counts what is
        stored against the quota of whoever sent it.
        """
        seen = Seen(meter)
        try:
            answer = await self._receive(course, head, body, seen)
        except Exception as error:
            if not head.asked.dry_run:
                course.count("rejected", getattr(error, "records", seen.records))
            raise
        if answer.replayed:
            course.count("duplicate", course.records_of(answer.body))
        return answer

    async def _receive(self, course: Course, head: Head, body: Receive, seen: Seen) -> Committed:
        weight = JSON_WEIGHT if head.asked.media_type in JSON_TYPES else 1
        if seen.meter is not None and head.key is None and not head.asked.dry_run:
            seen.meter.expect_records()  # one with a key may have been answered before: its first answer stands
        with self.budget.lease(0) as lease:
            reading = read_body(body, declared=head.length, lease=lease, weight=weight, limits=self.limits)
            sent = await staged("ingest read", reading)
            if head.key is None or head.asked.dry_run:
                return await self._store_body(course, head, sent, lease, seen)
            claim = (course.scope, head.key)
            if claim in self._in_flight:
                raise Conflict(
                    f"a request with Idempotency-Key {head.key[:60]!r} is in flight: send again when it is answered",
                    retry_after_seconds=1,
                )
            self._in_flight.add(claim)
            try:
                return await self._store_body(course, head, sent, lease, seen)
            finally:
                self._in_flight.discard(claim)

    async def _store_body(
        self, course: Course, head: Head, sent: bytes, lease: Lease, seen: Seen
    ) -> Committed:  # fmt: skip
        small = len(sent) <= MAX_BYTES and not head.asked.encoding
        if small:
            body = sent
        else:
            with stage("ingest decompress"):
                body = await self._in_pool(self._decoded, sent, head, lease)
        digest = hashlib.sha256(body).hexdigest() if head.key is not None else ""
        arrived = Arrived(
            head=head, body=body, received_us=self._clock(), digest=digest,
            future=asyncio.get_running_loop().create_future(),
        )  # fmt: skip
        try:
            if small and not head.asked.dry_run:
                with stage("ingest decode"):
                    work = course.quick(arrived)
                if work is not None:
                    seen.records = work.stored
                    return await self._commit(work, seen)
            return await self._general(course, arrived, inline=small and course.inline, seen=seen)
        except ClientError:
            # The first answer stands, also where the version has changed since and would refuse the body today.
            stored = await self._answered_before(course, head, digest)
            if stored is None:
                raise
            return stored

    async def _general(self, course: Course, arrived: Arrived, *, inline: bool, seen: Seen) -> Committed:
        with stage("ingest decode"):
            prepared = prepare(course, arrived) if inline else await self._in_pool(prepare, course, arrived)
            if await course.look_again():
                prepared = await self._in_pool(prepare, course, arrived)
        seen.records = prepared.records
        if arrived.head.asked.strict and prepared.quarantined:
            raise InvalidInput(
                f"{len(prepared.quarantined)} of {prepared.records} records cannot be used and "
                "Prefer: handling=strict was asked for: nothing was stored",
                code="strict", errors=[q.error() for q in prepared.quarantined[:MAX_ERRORS_SHOWN]],
            )  # fmt: skip
        await course.accept(prepared)
        if arrived.head.asked.dry_run:
            return Committed(prepared.work.answer)
        return await self._commit(prepared.work, seen)

    def _commit(self, work: Work, seen: Seen) -> Awaitable[Committed]:
        """The answer once the work is on disk."""
        return self._ride(work) if seen.meter is None else self._metered(work, meter=seen.meter, seen=seen)

    async def _metered(self, work: Work, *, meter: Meter, seen: Seen) -> Committed:
        """The answer; what is not stored by it does not count against the quota.

        Of a request that is cut off here nobody knows: it counts.
        """
        minute = meter.take_records(seen.records)
        try:
            answer = await self._ride(work)
        except Exception:
            meter.give_back(seen.records, minute=minute)
            raise
        if answer.replayed:
            meter.give_back(seen.records, minute=minute)
        return answer

    def _ride(self, work: Work) -> Awaitable[Committed]:
        """What the group commit says of the work."""
        span = CURRENT.get()
        if span is not None:
            work.origin = span.link
        self._committer.submit(work)
        return staged("ingest commit", work.future)

    async def _answered_before(self, course: Course, head: Head, digest: str) -> Committed | None:
        if head.key is None or head.asked.dry_run:
            return None
        stored = await asyncio.to_thread(self._find_key, course, head.key)
        return None if stored is None else replay(stored, digest=digest, key=head.key)

    def _find_key(self, course: Course, key: str) -> keys.StoredAnswer | None:
        with self._store.read() as conn:
            return keys.find_key(conn, version_id=course.scope, route=course.route, key=key)

    def _decoded(self, sent: bytes, head: Head, lease: Lease) -> bytes:
        weight = JSON_WEIGHT if head.asked.media_type in JSON_TYPES else 1
        return decompress(
            sent, encoding=head.asked.encoding, max_bytes=self.limits.max_decoded_bytes,
            taken=lambda size: lease.grow(size * weight),
        )  # fmt: skip

    async def _in_pool(self, step: Callable[..., R], *arguments: object) -> R:
        context = contextvars.copy_context()  # what is logged there is of this request too
        return await asyncio.get_running_loop().run_in_executor(self._pool, context.run, step, *arguments)


def prepare(course: Course, arrived: Arrived) -> Prepared:
    """The body decoded; ``Malformed`` where it nests deeper than Python goes."""
    try:
        return course.prepare(arrived)
    except RecursionError:
        raise Malformed("the body nests too deep to be read") from None


class Seen:
    """How many records a request was found to hold, one until they are counted; whose quota they count against."""

    __slots__ = ("meter", "records")

    def __init__(self, meter: Meter | None) -> None:
        self.meter = meter
        self.records = 1


def quarantine_row(
    found: Quarantined, *, owner_id: int, received_us: int, roles: dict[str, object]
) -> QuarantineRow:  # fmt: skip
    """The unusable record as the store keeps it."""
    return QuarantineRow(
        owner_id=owner_id, received_us=received_us, position=found.index, code=found.code,
        message=found.message, raw=found.raw, roles=roles,
    )  # fmt: skip


def kept_roles(head: Head) -> dict[str, object]:
    """What is kept beside a quarantined record, so that a replay reads it the same way."""
    return head.asked.roles.to_json() | (AS_TEXT if head.asked.media_type == "text/csv" else {})
