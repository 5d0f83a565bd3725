"""A backup read into an empty place: whole, or nothing of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
from sqlalchemy import Boolean, Connection, inspect, text

from monitor.model.errors import InvalidInput
from monitor.store import migrate, tables
from monitor.store.backup.file import Header, Row, Summary, Table, blocks, read_header, unpacked
from monitor.store.backup.place import empty_place
from monitor.store.faults import unavailable_when_away, unavailable_when_the_driver_fails
from monitor.store.migrations import REVISIONS
from monitor.store.postgres import take_the_time

Read = Callable[[int], None]


def restore_backup(
    path: Path, *, url: str, data_dir: Path, read: Read = lambda bytes_: None
) -> tuple[Header, Summary]:  # fmt: skip
    """(what the backup says it is, what it held), now in the database at ``url`` with the current schema.

    The caller has checked its digest. Refuses a place that is not empty and a backup of a newer schema. Killed at
    any point it leaves no database: SQLite's file gets its name last, PostgreSQL commits last. ``read`` is told how
    many bytes of the file are done.
    """
    with path.open("rb") as file:
        header = read_header(file, path=path)
        if header.schema not in REVISIONS:
            raise InvalidInput(
                f"{path} has schema {header.schema}, and this release knows up to {REVISIONS[-1]}: restore it with "
                f"release {header.release} or a later one",
                code="backup",
            )
        with unavailable_when_away(), unavailable_when_the_driver_fails(), _empty_store(url, data_dir=data_dir) as conn:
            return header, _fill(conn, file=file, header=header, read=read)


def _fill(conn: Connection, *, file: BinaryIO, header: Header, read: Read) -> Summary:
    """What the backup held, in a database that has been made for it, in one transaction."""
    migrate.upgrade(conn, to=header.schema)
    if conn.dialect.name == "postgresql":
        take_the_time(conn)
        conn.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
    for table in reversed(tables.metadata.sorted_tables):  # what migrations put there comes from the backup
        if inspect(conn).has_table(table.name):
            conn.execute(text(f'DELETE FROM "{table.name}"'))
    rows: dict[str, int] = {}
    into: Table | None = None
    put: Callable[[Sequence[Row]], None] | None = None
    for kind, content in blocks(file):
        if kind == "T":
            into = msgspec.msgpack.decode(content, type=Table)
            put, rows[into.name] = _loader(conn, into), 0
        elif kind == "R" and into is not None and put is not None:
            part = unpacked(content)
            put(part)
            rows[into.name] += len(part)
            read(file.tell())
        elif kind == "E":
            summary = msgspec.msgpack.decode(content, type=Summary)
    if rows != summary.rows:
        raise InvalidInput(f"the backup holds other rows than it says: {rows}, expected {summary.rows}", code="backup")
    _count_on(conn, summary.counters)
    migrate.upgrade(conn)
    return summary


def _loader(conn: Connection, table: Table) -> Callable[[Sequence[Row]], None]:
    """Puts rows into the table."""
    known = {column["name"]: column["type"] for column in inspect(conn).get_columns(table.name)}
    strangers = set(table.columns) - set(known)
    if strangers:
        raise InvalidInput(f"the backup has columns that {table.name} has not: {sorted(strangers)}", code="backup")
    named = ", ".join(f'"{name}"' for name in table.columns)
    if conn.dialect.name == "sqlite":
        marks = ", ".join("?" * len(table.columns))
        statement = f'INSERT INTO "{table.name}" ({named}) VALUES ({marks})'
        return lambda rows: _insert(conn, statement, rows)
    flags = [position for position, name in enumerate(table.columns) if isinstance(known[name], Boolean)]
    return lambda rows: _copy(conn, f'"{table.name}"', named, [_with_flags(row, flags) for row in rows])


def _insert(conn: Connection, statement: str, rows: Sequence[Row]) -> None:
    conn.exec_driver_sql(statement, [tuple(row) for row in rows])


def _copy(conn: Connection, table: str, named: str, rows: Sequence[Row]) -> None:
    driver: Any = conn.connection.driver_connection
    with closing(driver.cursor()) as cursor:
        types = [column.type_code for column in cursor.execute(f"SELECT {named} FROM {table} LIMIT 0").description]
        with cursor.copy(f"COPY {table} ({named}) FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(types)
            for row in rows:
                copy.write_row(row)


def _with_flags(row: Row, flags: Sequence[int]) -> list[Any]:
    """The row with booleans where SQLite keeps 0 and 1."""
    values = list(row)
    for position in flags:
        values[position] = None if values[position] is None else bool(values[position])
    return values


def _count_on(conn: Connection, counters: dict[str, int]) -> None:
    """No id is given twice, not even one whose row was deleted before the backup."""
    if conn.dialect.name == "sqlite":
        conn.execute(text("DELETE FROM sqlite_sequence"))
    for table, last in counters.items():
        if conn.dialect.name == "sqlite":
            conn.execute(text("INSERT INTO sqlite_sequence (name, seq) VALUES (:t, :n)"), {"t": table, "n": last})
        elif last:
            conn.execute(text("SELECT setval(pg_get_serial_sequence(:t, 'id'), :n)"), {"t": f'"{table}"', "n": last})


@contextmanager
def _empty_store(url: str, *, data_dir: Path) -> Iterator[Connection]:
    """The one transaction that fills a store which is the one at ``url`` once the block has ended well."""
    with empty_place(url, data_dir=data_dir) as store, store.write() as conn:
        yield conn
