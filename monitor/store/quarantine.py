"""Quarantined records: kept as they came, with the reason, until they are replayed."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from monitor.store import tables
from monitor.store.kept_aside import QuarantineRow, Shelf

__all__ = ["SHELF", "QuarantineRow", "count_quarantine", "insert_quarantine", "list_quarantine", "purge_quarantine",
           "take_for_replay", "waits_behind"]  # fmt: skip

SHELF = Shelf(tables.quarantine, "version_id")


def insert_quarantine(conn: Connection, rows: Sequence[QuarantineRow]) -> None:
    """Keeps the rows, in the transaction of the records they came with."""
    SHELF.insert(conn, rows)


def list_quarantine(
    conn: Connection, *, version_id: int, after: int = 0, limit: int = 1000, replayed: bool | None = False
) -> list[QuarantineRow]:
    """A version's quarantined records by id, behind ``after``: the waiting ones, the replayed ones, or (None) both."""
    return SHELF.page(conn, owner_id=version_id, after=after, limit=limit, replayed=replayed)


def waits_behind(conn: Connection, *, version_id: int, after: int) -> bool:
    """Whether a waiting record of the version has a higher id."""
    return SHELF.waits_behind(conn, owner_id=version_id, after=after)


def count_quarantine(conn: Connection, *, version_id: int) -> int:
    """How many of the version's records wait in quarantine."""
    return SHELF.count(conn, owner_id=version_id)


def take_for_replay(
    conn: Connection, *, version_id: int, now_us: int, ids: Sequence[int] | None = None, limit: int = 1000
) -> list[QuarantineRow]:
    """Waiting records, marked replayed in this transaction: store what becomes of them in the same one.

    A record is taken once: of two replays at the same time one gets it. ``ids`` are at most 5,000.
    """
    return SHELF.take(conn, owner_id=version_id, now_us=now_us, ids=ids, limit=limit)


def purge_quarantine(conn: Connection, *, before_us: int, limit: int = 10_000) -> int:
    """How many records received before ``before_us`` were removed, at most ``limit``."""
    return SHELF.purge(conn, before_us=before_us, limit=limit)
