"""Where the rows of a backup come from: one snapshot of a database, whichever kind it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any, Protocol

from sqlalchemy import Connection, text

from monitor.model.errors import ConfigurationError
from monitor.store import tables
from monitor.store.backup.file import Row
from monitor.store.migrate import UNDER_WAY
from monitor.store.postgres import take_the_time

_FETCHED = 100


class Source(Protocol):
    """One snapshot of a database."""

    def revision(self) -> str:
        """The revision of its schema."""

    def columns(self) -> dict[str, tuple[str, ...]]:
        """Table → its columns, parents before what belongs to them."""

    def rows(self, table: str, *, columns: Sequence[str]) -> Iterator[Row]:
        """The rows of a table, one by one."""

    def counters(self) -> dict[str, int]:
        """Table → the highest id ever given, of those that count their ids."""

    def size(self) -> int:
        """Bytes of the database, about."""


class SqliteSource:
    """A DB-API connection to an SQLite database inside a read transaction."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def revision(self) -> str:
        """The revision of its schema."""
        found = self._connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone()
        return _only([] if found is None else self._connection.execute("SELECT version_num FROM alembic_version"))

    def columns(self) -> dict[str, tuple[str, ...]]:
        """Table → its columns, parents before what belongs to them."""
        found = self._connection.execute(
            "SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c "
            "WHERE m.type = 'table' ORDER BY m.name, c.cid"
        )
        return _grouped(found)

    def rows(self, table: str, *, columns: Sequence[str]) -> Iterator[Row]:
        """The rows of a table, one by one."""
        return iter(self._connection.execute(f'SELECT {_named(columns)} FROM "{table}"'))

    def counters(self) -> dict[str, int]:
        """Table → the highest id ever given."""
        return dict(self._connection.execute("SELECT name, seq FROM sqlite_sequence").fetchall())

    def size(self) -> int:
        """Bytes of the database."""
        query = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
        return int(self._connection.execute(query).fetchone()[0])


class PostgresSource:
    """A connection in a repeatable-read transaction: everything in it sees what was committed when it began."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        # A table may take longer to send than any statement of the service may; the client's pace is not ours.
        take_the_time(conn)
        conn.execute(text("SET LOCAL idle_in_transaction_session_timeout = '10min'"))

    def revision(self) -> str:
        """The revision of its schema."""
        found = self._conn.execute(text("SELECT to_regclass('alembic_version') IS NOT NULL")).scalar()
        return _only(self._conn.execute(text("SELECT version_num FROM alembic_version")) if found else [])

    def columns(self) -> dict[str, tuple[str, ...]]:
        """Table → its columns, parents before what belongs to them."""
        query = (
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema() "
            "ORDER BY table_name, ordinal_position"
        )
        return _grouped(self._conn.execute(text(query)))

    def rows(self, table: str, *, columns: Sequence[str]) -> Iterator[Row]:
        """The rows of a table, one by one, by COPY."""
        named = f'SELECT {_named(columns)} FROM "{table}"'
        driver: Any = self._conn.connection.driver_connection
        with closing(driver.cursor()) as cursor:
            types = [column.type_code for column in cursor.execute(named + " LIMIT 0").description]
            with cursor.copy(f"COPY ({named}) TO STDOUT (FORMAT BINARY)") as copy:
                copy.set_types(types)
                yield from copy.rows()

    def counters(self) -> dict[str, int]:
        """Table → the highest id ever given; read after the snapshot, so never too low."""
        found = {}
        for table, columns in self.columns().items():
            if "id" in columns:
                name = self._conn.execute(text("SELECT pg_get_serial_sequence(:t, 'id')"), {"t": f'"{table}"'}).scalar()
                if name is not None:
                    last, called = self._conn.execute(text(f"SELECT last_value, is_called FROM {name}")).one()
                    found[table] = last if called else last - 1
        return found

    def size(self) -> int:
        """Bytes of the database."""
        return int(self._conn.execute(text("SELECT pg_database_size(current_database())")).scalar_one())


def _named(columns: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in columns)


def _grouped(found: Any) -> dict[str, tuple[str, ...]]:
    by_table: dict[str, list[str]] = {}
    for table, column in found:
        by_table.setdefault(table, []).append(column)
    known = [str(table.name) for table in tables.metadata.sorted_tables]
    return {name: tuple(by_table[name]) for name in known if name in by_table}


def _only(rows: Any) -> str:
    found = [row[0] for row in rows]
    if len(found) != 1:
        raise ConfigurationError("the database has no schema of Driftline: nothing to back up")
    if str(found[0]).endswith(UNDER_WAY):
        raise ConfigurationError(f"migration {found[0][:-1]} is under way: let driftline migrate end, then back up")
    return str(found[0])
