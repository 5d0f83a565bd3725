"""Tokens as rows. A revoked or expired one stays, so that the list says what became of it, and the door shut."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, exists, or_, select, update

from monitor.model.errors import Conflict, NotFound
from monitor.model.grants import Grant
from monitor.model.quota import quota_of
from monitor.model.time import DAY_US
from monitor.store import dialect, jsontext, tables

MOST_TOKENS = 10_000
KEPT_US = 400 * DAY_US  # how long a token that ended is shown
_t = tables.token.c
_FIRST = "first_token_us"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredToken:
    """A token as stored: what it allows, the hash it is known by, and what became of it."""

    id: int
    grant: Grant
    digest: bytes
    created_us: int
    revoked_us: int | None
    last_used_us: int | None

    def live(self, now_us: int) -> bool:
        """Whether it opens anything now."""
        return self.revoked_us is None and self.grant.live(now_us)


def list_tokens(conn: Connection, *, after: int = 0, limit: int = MOST_TOKENS) -> list[StoredToken]:
    """Tokens in the order they were made, also those that ended, from the one behind id ``after`` on."""
    query = select(tables.token).where(_t.id > after).order_by(_t.id).limit(limit)
    return [_stored(row) for row in conn.execute(query)]


def any_token(conn: Connection) -> bool:
    """Whether a token was ever made here, also one that ended."""
    return bool(conn.execute(select(exists().where(_t.id.is_not(None)))).scalar())


def insert_token(conn: Connection, grant: Grant, *, digest: bytes, now_us: int) -> StoredToken:
    """The token as stored; those that ended long ago make room. ``Conflict`` where there are too many."""
    conn.execute(delete(tables.token).where(or_(_t.revoked_us < now_us - KEPT_US, _t.expires_us < now_us - KEPT_US)))
    if len(conn.execute(select(_t.id).limit(MOST_TOKENS)).all()) >= MOST_TOKENS:
        raise Conflict(f"there are {MOST_TOKENS:,} tokens: expected fewer; one token for each system is enough")
    values = {
        "name": grant.name, "role": grant.role, "models": jsontext.dump(list(grant.models)), "digest": digest,
        "created_us": now_us, "expires_us": grant.expires_us,
        "quota": None if grant.quota is None else jsontext.dump(grant.quota.to_json()),
    }  # fmt: skip
    return _stored(conn.execute(tables.token.insert().values(values).returning(tables.token)).one())


def insert_first_token(conn: Connection, grant: Grant, *, digest: bytes, now_us: int) -> StoredToken | None:
    """The token as stored, or None where there was one before: of several processes at once, one makes it.

    The row in ``meta`` is what they compete for; the others wait for the winner's commit and find it.
    """
    claim = dialect.insert(conn, tables.meta).values(key=_FIRST, value=str(now_us)).on_conflict_do_nothing()
    if conn.execute(claim.returning(tables.meta.c.key)).first() is None or any_token(conn):
        return None
    return insert_token(conn, grant, digest=digest, now_us=now_us)


def revoke_token(conn: Connection, *, id: int, now_us: int) -> None:
    """The token opens nothing from now on; ``NotFound`` where there is none. Again: nothing changes."""
    if not dialect.is_id(id) or conn.execute(select(_t.id).where(_t.id == id)).first() is None:
        raise NotFound(f"token tok_{id} does not exist: see driftline tokens list")
    conn.execute(update(tables.token).where(_t.id == id, _t.revoked_us.is_(None)).values(revoked_us=now_us))


def note_use(conn: Connection, *, ids: Iterable[int], now_us: int) -> None:
    """Says when the tokens were used last."""
    for some in dialect.slices(sorted(ids)):
        conn.execute(update(tables.token).where(_t.id.in_(some)).values(last_used_us=now_us))


def _stored(row: Row[Any]) -> StoredToken:
    grant = Grant(
        name=row.name, role=row.role, models=tuple(jsontext.load(row.models)), expires_us=row.expires_us,
        quota=None if row.quota is None else quota_of(jsontext.load(row.quota)),
    )  # fmt: skip
    return StoredToken(
        id=row.id, grant=grant, digest=bytes(row.digest), created_us=row.created_us, revoked_us=row.revoked_us,
        last_used_us=row.last_used_us,
    )  # fmt: skip
