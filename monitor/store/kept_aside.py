"""What could not be used, kept as it came: the rows and statements that both quarantines share.

Records are kept by their version (``quarantine``), labels by their model (``label_quarantine``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import BigInteger, Connection, Row, Select, Table, func, insert, select, update
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from monitor.store import dialect, jsontext

PAGE_BYTES = 16 << 20  # a thousand of the largest records there may be would be more memory than a server has


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineRow:
    """One record or label that could not be used; ``position`` is its index in the request, ``raw`` its JSON or text.

    ``owner_id`` is the id of its version, or of its model where it is a label. ``roles`` are those the request named
    its columns by, so that a replay reads it the same way.
    """

    id: int = 0
    owner_id: int
    received_us: int
    position: int
    code: str
    message: str
    raw: str
    roles: dict[str, Any] = field(default_factory=dict)
    replayed_us: int | None = None


@dataclass(frozen=True, slots=True)
class Shelf:
    """A table of such rows, and the name of the column that says whose they are."""

    table: Table
    owner: str

    def insert(self, conn: Connection, rows: Sequence[QuarantineRow]) -> None:
        """Keeps the rows, in the transaction of the records they came with."""
        values = [
            {self.owner: r.owner_id, "received_us": r.received_us, "position": r.position, "code": r.code,
             "message": r.message, "raw": r.raw, "roles": jsontext.dump(r.roles)}
            for r in rows
        ]  # fmt: skip
        if values:
            conn.execute(insert(self.table), values)

    def page(
        self, conn: Connection, *, owner_id: int, after: int, limit: int, replayed: bool | None
    ) -> list[QuarantineRow]:
        """The owner's rows by id, behind ``after``: the waiting ones, the replayed ones, or (None) both.

        At most ``limit``, and fewer where they are large: about ``PAGE_BYTES``. None only where none is left.
        """
        c = self.table.c
        query = self._sizes().where(c[self.owner] == owner_id, c.id > after)
        if replayed is not None:
            query = query.where(c.replayed_us.is_not(None) if replayed else c.replayed_us.is_(None))
        rows: list[QuarantineRow] = []
        for some in dialect.slices(_within_bytes(conn, query.order_by(c.id).limit(limit))):
            found = conn.execute(select(self.table).where(c.id.in_(some)).order_by(c.id))
            rows += [self._row(row) for row in found]
        return rows

    def waits_behind(self, conn: Connection, *, owner_id: int, after: int) -> bool:
        """Whether a waiting row of the owner has a higher id."""
        c = self.table.c
        query = select(c.id).where(c[self.owner] == owner_id, c.id > after, c.replayed_us.is_(None)).limit(1)
        return conn.execute(query).first() is not None

    def count(self, conn: Connection, *, owner_id: int) -> int:
        """How many of the owner's rows wait."""
        c = self.table.c
        query = select(func.count()).where(c[self.owner] == owner_id, c.replayed_us.is_(None))
        return int(conn.execute(query).scalar_one())

    def take(
        self, conn: Connection, *, owner_id: int, now_us: int, ids: Sequence[int] | None, limit: int
    ) -> list[QuarantineRow]:
        """Waiting rows, marked replayed in this transaction: store what becomes of them in the same one.

        A row is taken once: of two replays at the same time one gets it. ``ids`` are at most 5,000. At most ``limit``,
        and fewer where they are large, as in ``page``.
        """
        c = self.table.c
        waiting = self._sizes().where(c[self.owner] == owner_id, c.replayed_us.is_(None))
        if ids is not None:
            waiting = waiting.where(c.id.in_(ids))
        waiting = waiting.order_by(c.id).limit(limit)
        if conn.dialect.name == "postgresql":
            waiting = waiting.with_for_update(skip_locked=True)
        # Chosen first, changed then: PostgreSQL may run a locking subquery of an UPDATE again for every row it looks
        # at, and each run skips what the last one locked, so that more than ``limit`` would be taken.
        taken: dict[int, QuarantineRow] = {}
        for some in dialect.slices(_within_bytes(conn, waiting)):
            change = update(self.table).where(c.id.in_(some)).values(replayed_us=now_us)
            taken |= {row.id: self._row(row) for row in conn.execute(change.returning(self.table))}
        return [taken[id] for id in sorted(taken)]

    def remove(self, conn: Connection, *, ids: Sequence[int]) -> int:
        """How many of those rows were there, and are removed."""
        gone = (self.table.delete().where(self.table.c.id.in_(some)) for some in dialect.slices(ids))
        return sum(conn.execute(statement).rowcount for statement in gone)

    def purge(self, conn: Connection, *, before_us: int, limit: int) -> int:
        """How many rows received before ``before_us`` were removed, at most ``limit``."""
        c = self.table.c
        old = select(c.id).where(c.received_us < before_us).limit(limit)
        return conn.execute(self.table.delete().where(c.id.in_(old))).rowcount

    def _sizes(self) -> Select[Any]:
        return select(self.table.c.id, _size_of(self.table.c.raw))

    def _row(self, row: Row[Any]) -> QuarantineRow:
        values = dict(row._mapping)
        owner_id = values.pop(self.owner)
        return QuarantineRow(**values | {"owner_id": owner_id, "roles": jsontext.load(row.roles)})


def _within_bytes(conn: Connection, query: Select[Any]) -> list[int]:
    """The first ids of the query, one at least, whose rows hold about ``PAGE_BYTES`` together.

    Sizes are looked at one after the other, so that SQLite, which reads a text to tell its size, reads no more.
    """
    ids: list[int] = []
    held = 0
    with conn.execute(query) as found:
        for id, size in found:
            held += size
            if ids and held > PAGE_BYTES:
                break
            ids.append(id)
    return ids


class _size_of(FunctionElement[int]):
    """About the bytes of a text."""

    type = BigInteger()
    inherit_cache = True


@compiles(_size_of)
def _characters(element: _size_of, compiler: SQLCompiler, **more: Any) -> str:
    return f"length({compiler.process(element.clauses, **more)})"


@compiles(_size_of, "postgresql")
def _octets(element: _size_of, compiler: SQLCompiler, **more: Any) -> str:
    return f"octet_length({compiler.process(element.clauses, **more)})"  # it need not unpack the text to tell
