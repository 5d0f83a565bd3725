"""Quarantined records put back through ingest: stored, or quarantined again, in one transaction."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from monitor.columns.roles import Roles
from monitor.columns.who_and_when import Sealed
from monitor.ingest.assemble import AS_TEXT, Reading, Received, read_records, read_texts
from monitor.ingest.limits import Limits
from monitor.ingest.receive import quarantine_row
from monitor.ingest.sealed import in_windows, sealed_within
from monitor.ingest.targets import Target
from monitor.ingest.work import new_batch
from monitor.store import Store, batches, quarantine
from monitor.store.quarantine import QuarantineRow

REPLAYED_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many records were taken out, and what became of them."""

    stored: int
    quarantined: int
    duplicate: int
    errors: tuple[dict[str, object], ...]

    def to_json(self) -> dict[str, Any]:
        """The answer's body."""
        return {"stored": self.stored, "quarantined": self.quarantined, "duplicate": self.duplicate,
                "errors": list(self.errors)}  # fmt: skip


def replay_quarantine(
    store: Store, *, target: Target, clock: Callable[[], int], limits: Limits, ids: Sequence[int] | None = None
) -> Replayed:  # fmt: skip
    """Take waiting records (``ids``, or the oldest thousand) out and put them through ingest again.

    Records are read with the version's present schema and the present clock; a record without a timestamp of
    its own keeps the time at which it was first received.
    """
    with store.write() as conn:
        now_us = clock()
        taken = quarantine.take_for_replay(
            conn, version_id=target.version.id, now_us=now_us, ids=ids, limit=REPLAYED_AT_ONCE
        )
        sealed = partial(_sealed, conn=conn, target=target)
        outcomes = [_again(rows, target, now_us, limits, sealed) for rows in _alike(taken)]
        for rows, received in zip(_alike(taken), outcomes, strict=True):
            new = [new_batch(b, target=target, received_us=now_us) for b in received.batches]
            batches.insert_batches(conn, new)
            still = [
                replace(quarantine_row(q, owner_id=target.version.id, received_us=now_us, roles=rows[0].roles),
                        position=rows[q.index].position, raw=rows[q.index].raw)
                for q in received.quarantined
            ]  # fmt: skip
            quarantine.insert_quarantine(conn, still)
    errors = [q.error() for received in outcomes for q in received.quarantined]
    return Replayed(
        stored=sum(r.stored for r in outcomes), quarantined=sum(len(r.quarantined) for r in outcomes),
        duplicate=sum(r.duplicates for r in outcomes), errors=tuple(errors[:100]),
    )  # fmt: skip


def _alike(rows: Sequence[QuarantineRow]) -> list[list[QuarantineRow]]:
    """Rows that came in one request, with one time and one meaning of their columns."""
    groups: dict[tuple[int, str], list[QuarantineRow]] = {}
    for row in rows:
        alike = (row.received_us, json.dumps(row.roles, sort_keys=True) + ("" if row.raw.startswith("{") else "…"))
        groups.setdefault(alike, []).append(row)
    return list(groups.values())


def _sealed(instants_us: NDArray[np.int64], *, conn: Connection, target: Target) -> NDArray[np.bool_]:
    if not len(instants_us):
        return np.zeros(0, dtype=np.bool_)
    first_us, last_us = int(instants_us.min()), int(instants_us.max())
    starts = sealed_within(conn, target=target, first_us=first_us, last_us=last_us)
    return in_windows(instants_us, starts=starts, window=target.model.window)


def _again(
    rows: Sequence[QuarantineRow], target: Target, now_us: int, limits: Limits, sealed: Sealed
) -> Received:  # fmt: skip
    roles = {name: value for name, value in rows[0].roles.items() if name not in AS_TEXT}
    reading = Reading(
        schema=target.schema, plan=target.plan, roles=Roles.from_json(roles), window=target.model.window,
        received_us=now_us, limits=limits, sealed=sealed,
    )  # fmt: skip
    records = [_record(row) for row in rows]
    if len(roles) < len(rows[0].roles) and all(isinstance(r, dict) for r in records):
        return read_texts([{name: str(value) for name, value in r.items()} for r in records], reading=reading)
    return read_records(records, reading=reading)


def _record(row: QuarantineRow) -> Any:
    """The record as it was sent; one without a time of its own keeps that of its first receipt."""
    record = json.loads(row.raw)
    time = row.roles.get("timestamp", "timestamp")
    if isinstance(record, dict) and record.get(time) is None and "timestamp" not in record:
        return record | {time: row.received_us}
    return record
