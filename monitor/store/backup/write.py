"""A backup written from a snapshot: every table, every row, in blocks of about a mebibyte."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import text

from monitor.model.errors import ConfigurationError, Unavailable
from monitor.store.backup.file import FORMAT, BackupWriter, Emit, Header, Progress, Summary, Table
from monitor.store.backup.sources import PostgresSource, Source, SqliteSource
from monitor.store.backup.sqlite_copy import copy_beside_writes
from monitor.store.engine import Store
from monitor.store.faults import unavailable_when_away, unavailable_when_the_driver_fails
from monitor.store.sqlite import library

BLOCK_BYTES = 1024**2
SAID_EVERY_SECONDS = 0.5
_encoder = msgspec.msgpack.Encoder()


def write_backup(
    store: Store, emit: Emit, *, created: str, release: str, beside: Path | None = None,
    told: Callable[[Progress], None] = lambda progress: None,
) -> tuple[Summary, str]:  # fmt: skip
    """(what it holds, ``sha256:…``) of a backup of everything committed before it began; ``emit`` gets its bytes.

    ``beside`` is a directory for a copy of an SQLite database, which its own writer makes in small steps while it
    goes on writing; without it the database is read in one transaction, for when nobody else uses it. An error in
    ``emit`` ends it.
    """
    with unavailable_when_away(), unavailable_when_the_driver_fails():
        revision = _revision(store)
        head = Header(format=FORMAT, schema=revision, database=store.dialect, created=created, release=release)
        writer = BackupWriter(emit, header=head)
        say = _Teller(writer, told=told)
        with _snapshot(store, beside=beside, told=say) as source:
            if source.revision() != revision:
                raise Unavailable("the database was migrated meanwhile: ask again")
            return _write(writer, source=source, told=say)


def _write(writer: BackupWriter, *, source: Source, told: Callable[[Progress], None]) -> tuple[Summary, str]:
    columns = source.columns()
    rows: dict[str, int] = {}
    size, done = source.size(), 0
    for table, names in columns.items():
        writer.table(Table(name=table, columns=names))
        rows[table] = 0
        for packed, count in _packed(source.rows(table, columns=names)):
            writer.rows(packed)
            rows[table] += count
            done += len(packed)
            told(Progress(step="write", done=min(done, size), of=size))
    summary = Summary(rows=rows, counters={t: n for t, n in source.counters().items() if t in columns})
    return summary, writer.finish(summary)


class _Teller:
    """Says in the backup itself and to whoever runs it how far it is, twice a second at most."""

    def __init__(self, writer: BackupWriter, *, told: Callable[[Progress], None]) -> None:
        self._writer = writer
        self._told = told
        self._said = 0.0

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self._said > SAID_EVERY_SECONDS:
            self._said = now
            self._writer.progress(progress)
            self._told(progress)


def _packed(rows: Iterator[Any]) -> Iterator[tuple[bytes, int]]:
    """(a MessagePack array of rows, how many) of about a mebibyte each; a larger row has one of its own."""
    held: list[bytes] = []
    size = 0
    for row in rows:
        packed = _encoder.encode(tuple(row))
        if held and size + len(packed) > BLOCK_BYTES:
            yield _array(held), len(held)
            held, size = [], 0
        held.append(packed)
        size += len(packed)
    if held:
        yield _array(held), len(held)


def _array(packed: list[bytes]) -> bytes:
    """MessagePack of the list of what is packed already: array 32, so many, one after the other."""
    return b"".join([b"\xdd", len(packed).to_bytes(4, "big"), *packed])


def _revision(store: Store) -> str:
    """The revision of the schema as it is now."""
    if store.dialect == "sqlite" and not Path(str(store.url.database)).exists():
        raise ConfigurationError(f"there is no database at {store.url.database}: nothing to back up")
    with store.read() as conn:
        found = conn.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
    return str(found[0]) if found else ""


@contextmanager
def _snapshot(store: Store, *, beside: Path | None, told: Callable[[Progress], None]) -> Iterator[Source]:
    if store.dialect == "postgresql":
        with store.read() as conn:
            yield PostgresSource(conn)
        return
    if beside is None:
        with _reading(Path(str(store.url.database))) as connection:
            yield SqliteSource(connection)
        return
    with copy_beside_writes(store, directory=beside, told=told) as copy, _reading(copy) as connection:
        yield SqliteSource(connection)


@contextmanager
def _reading(path: Path) -> Iterator[Any]:
    """A connection to the file inside a read transaction."""
    with closing(library().connect(str(path), timeout=5.0, isolation_level=None)) as connection:
        connection.execute("PRAGMA query_only=ON")
        connection.execute("BEGIN")
        yield connection
