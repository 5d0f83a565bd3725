"""Quarantined records: kept as they came, with the reason, until they are replayed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from monitor.store import dialect, jsontext, tables

_q = tables.quarantine.c


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineRow:
    """One record that could not be used; ``position`` is its index in the request, ``raw`` its JSON or text.

    ``roles`` are those the request named its columns by, so that a replay reads it the same way.
    """

    id: int = 0
    version_id: int
    received_us: int
    position: int
    code: str
    message: str
    raw: str
    roles: dict[str, Any] = field(default_factory=dict)
    replayed_us: int | None = None


def insert_quarantine(conn: Connection, rows: Sequence[QuarantineRow]) -> None:
    """Keeps the rows, in the transaction of the records they came with."""
    values = [
        {"version_id": r.version_id, "received_us": r.received_us, "position": r.position, "code": r.code,
         "message": r.message, "raw": r.raw, "roles": jsontext.dump(r.roles)}
        for r in rows
    ]  # fmt: skip
    if values:
        conn.execute(insert(tables.quarantine), values)


def list_quarantine(
    conn: Connection, *, version_id: int, after: int = 0, limit: int = 1000, replayed: bool | None = False
) -> list[QuarantineRow]:
    """A version's quarantined records by id, behind ``after``: the waiting ones, the replayed ones, or (None) both."""
    query = select(tables.quarantine).where(_q.version_id == version_id, _q.id > after)
    if replayed is not None:
        query = query.where(_q.replayed_us.is_not(None) if replayed else _q.replayed_us.is_(None))
    return [_row(row) for row in conn.execute(query.order_by(_q.id).limit(limit))]


def count_quarantine(conn: Connection, *, version_id: int) -> int:
    """How many of the version's records wait in quarantine."""
    query = select(func.count()).where(_q.version_id == version_id, _q.replayed_us.is_(None))
    return int(conn.execute(query).scalar_one())


def take_for_replay(
    conn: Connection, *, version_id: int, now_us: int, ids: Sequence[int] | None = None, limit: int = 1000
) -> list[QuarantineRow]:
    """Waiting records, marked replayed in this transaction: store what becomes of them in the same one.

    A record is taken once: of two replays at the same time one gets it. ``ids`` are at most 5,000.
    """
    waiting = select(_q.id).where(_q.version_id == version_id, _q.replayed_us.is_(None))
    if ids is not None:
        waiting = waiting.where(_q.id.in_(ids))
    waiting = waiting.order_by(_q.id).limit(limit)
    if conn.dialect.name == "postgresql":
        waiting = waiting.with_for_update(skip_locked=True)
    # Chosen first, changed then: PostgreSQL may run a locking subquery of an UPDATE again for every row it looks at,
    # and each run skips what the last one locked, so that more than ``limit`` would be taken.
    chosen = list(conn.scalars(waiting))
    taken: list[QuarantineRow] = []
    for some in dialect.slices(chosen):
        change = update(tables.quarantine).where(_q.id.in_(some)).values(replayed_us=now_us)
        taken += [_row(row) for row in conn.execute(change.returning(tables.quarantine))]
    return sorted(taken, key=lambda row: row.id)


def purge_quarantine(conn: Connection, *, before_us: int, limit: int = 10_000) -> int:
    """How many records received before ``before_us`` were removed, at most ``limit``."""
    old = select(_q.id).where(_q.received_us < before_us).limit(limit)
    return conn.execute(tables.quarantine.delete().where(_q.id.in_(old))).rowcount


def _row(row: Row[Any]) -> QuarantineRow:
    return QuarantineRow(**{**row._mapping, "roles": jsontext.load(row.roles)})
