"""The few places where SQLite and PostgreSQL differ inside a statement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import BigInteger, ColumnElement, Connection, Table, bindparam, literal_column, select
from sqlalchemy.dialects import postgresql, sqlite

_T = TypeVar("_T")

# SQLite's own library before 3.42 has no sub-second unixepoch(); julianday() is good to 40 microseconds.
_NOW = {
    "sqlite": "CAST(ROUND((julianday('now') - 2440587.5) * 86400000000.0) AS INTEGER)",
    "postgresql": "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)",
}
IN_LIMIT = 5_000  # values of one IN list: PostgreSQL takes 65,535 parameters, SQLite 3.40 takes 32,766


def insert(conn: Connection, table: Table) -> Any:
    """An INSERT of the connection's dialect, which has ``on_conflict_do_nothing`` and ``on_conflict_do_update``."""
    return insert_into(conn.dialect.name, table)


def insert_into(name: str, table: Table) -> Any:
    """The same by the dialect's name, for statements that are built once."""
    return sqlite.insert(table) if name == "sqlite" else postgresql.insert(table)


def upsert(conn: Connection, table: Table) -> Any:
    """An INSERT of whole rows of the table, each in place of the one with its primary key; for ``execute(…, values)``.

    Made once a table and dialect: building it costs as much as running it.
    """
    return _upsert(conn.dialect.name, table)


@cache
def _upsert(name: str, table: Table) -> Any:
    put = insert_into(name, table)
    changed = {c.name: put.excluded[c.name] for c in table.c if not c.primary_key}
    return put.on_conflict_do_update(index_elements=[c.name for c in table.primary_key], set_=changed)


def now_us(conn: Connection) -> ColumnElement[int]:
    """The database's clock in microseconds since the epoch, as an SQL expression.

    Leases are compared by it alone, so that no replica's own clock can lengthen or steal one.
    """
    return clock(conn.dialect.name)


def clock(name: str) -> ColumnElement[int]:
    """The same by the dialect's name, for statements that are built once."""
    return literal_column(_NOW[name], BigInteger)


def read_clock_us(conn: Connection) -> int:
    """The database's clock now, microseconds since the epoch."""
    return int(conn.execute(select(now_us(conn))).scalar_one())


def is_id(number: int) -> bool:
    """Whether a number from outside can be an id at all: a larger one is an error in either driver.

    >>> [is_id(1), is_id(0), is_id(10**30)]
    [True, False, False]
    """
    return 0 < number < 1 << 63


def among(column: ColumnElement[int], ids: Sequence[int]) -> ColumnElement[bool]:
    """Whether the column is one of the ids, however many: they stand in the statement itself, which has no limit."""
    return column.in_(bindparam(None, list(ids), BigInteger, expanding=True, literal_execute=True))


def slices(values: Sequence[_T], *, size: int = IN_LIMIT) -> Iterator[Sequence[_T]]:
    """The values in runs of at most ``size``.

    >>> list(slices([1, 2, 3], size=2))
    [[1, 2], [3]]
    """
    for start in range(0, len(values), size):
        yield values[start : start + size]


def wait_briefly(conn: Connection) -> None:
    """From now on this transaction waits for a lock for a second at most, then it is ``Unavailable``.

    SQLite has one lock, which a transaction that writes holds already.
    """
    if conn.dialect.name == "postgresql":
        conn.exec_driver_sql("SET LOCAL lock_timeout = '1s'")
