"""Idempotency keys: claimed before the records of their request, answered in the same transaction.

A key belongs to a version, or (labels) to a whole model: then ``model_scope`` stands in the place of the version's id.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, delete, select, tuple_, update

from monitor.store import dialect, tables

_k = tables.request_key.c
IN_FLIGHT = 0  # the status of a key that is claimed and not answered: seen only inside the claiming transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyAnswer:
    """The first answer to a key: what a repeat of the same request is told."""

    version_id: int
    route: str
    key: str
    status: int
    answer: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnswer:
    """A key's digest of the first body, and the answer it got."""

    digest: str
    status: int
    answer: bytes
    created_us: int


def model_scope(model_id: int) -> int:
    """What stands for a model where a version's id is expected: below zero, where no version is.

    >>> model_scope(3)
    -3
    """
    return -model_id


def claim_keys(
    conn: Connection, claims: Sequence[tuple[int, str, str, str]], *, now_us: int
) -> set[tuple[int, str, str]]:
    """Those (version_id, route, key) of the claims (…, digest) that were free and are taken now by this transaction.

    A key that loses was answered before (``find_key`` has it); nothing else is disturbed. Of two equal ones in one
    call the first takes it. On PostgreSQL it waits, for at most the lock timeout, for another process that has the
    key in flight.
    """
    first = {claim[:3]: claim[3] for claim in reversed(claims)}
    won: set[tuple[int, str, str]] = set()
    # Sorted: two processes that claim the same keys take them in the same order and cannot deadlock.
    for some in dialect.slices(sorted(first.items()), size=500):
        values = [
            {"version_id": version_id, "route": route, "key": key, "digest": digest, "created_us": now_us,
             "status": IN_FLIGHT, "answer": b""}
            for (version_id, route, key), digest in some
        ]  # fmt: skip
        put = dialect.insert(conn, tables.request_key).values(values).on_conflict_do_nothing()
        taken = conn.execute(put.returning(_k.version_id, _k.route, _k.key))
        won.update((row.version_id, row.route, row.key) for row in taken)
    return won


def save_answers(conn: Connection, answers: Iterable[KeyAnswer]) -> None:
    """Keeps the answers of claimed keys, in the transaction that claimed them."""
    values = [
        {"v": a.version_id, "r": a.route, "k": a.key, "status": a.status, "answer": a.answer} for a in answers
    ]  # fmt: skip
    if values:
        here = (_k.version_id == bindparam("v"), _k.route == bindparam("r"), _k.key == bindparam("k"))
        conn.execute(update(tables.request_key).where(*here), values)


def find_key(conn: Connection, *, version_id: int, route: str, key: str) -> StoredAnswer | None:
    """What the key was answered, if it was used."""
    query = select(_k.digest, _k.status, _k.answer, _k.created_us)
    row = conn.execute(query.where(_k.version_id == version_id, _k.route == route, _k.key == key)).first()
    if row is None:
        return None
    return StoredAnswer(digest=row.digest, status=row.status, answer=bytes(row.answer), created_us=row.created_us)


def purge_keys(conn: Connection, *, before_us: int, limit: int = 2_000) -> int:
    """How many keys first used before ``before_us`` were forgotten, at most ``limit``."""
    whole = (_k.version_id, _k.route, _k.key)
    old = select(*whole).where(_k.created_us < before_us).limit(limit)
    return conn.execute(delete(tables.request_key).where(tuple_(*whole).in_(old))).rowcount
