"""The store: one database, reads that see one snapshot, writes that are on disk when they return."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, make_url, select
from sqlalchemy.exc import ArgumentError

from monitor.model.errors import ConfigurationError, FlushFailed, Unavailable
from monitor.store import dialect, postgres, sqlite, tables
from monitor.store.faults import unavailable_when_away
from monitor.store.flush import FLUSH_FAILED, flush_failed
from monitor.store.pool import TrimmedPool
from monitor.store.unclean import Marker, check_after_crash

WRITE_WAIT_SECONDS = 10.0
_locks: dict[str, threading.Lock] = {}
_locks_guard = threading.Lock()


class Store:
    """A database that is open. Made by ``open_store``; threads share it, processes do not.

    ``failure`` says that a flush failed: from then on every read and write is ``Unavailable``, and the process ends.
    """

    def __init__(self, url: URL) -> None:
        self.url = url
        self.failure: str | None = None
        self.dialect = url.get_backend_name()
        self._pid = os.getpid()
        self._secret: bytes | None = None
        self._writing_thread: int | None = None
        self._lock: threading.Lock | None = None
        self._path: Path | None = None
        self._marker: Marker | None = None
        if self.dialect == "sqlite":
            self._path = Path(str(url.database))
            self._reader, self._writer = sqlite.make_engines(self._path)
            with _locks_guard:
                self._lock = _locks.setdefault(os.path.realpath(self._path), threading.Lock())
        else:
            self._reader, self._writer = postgres.make_engines(url)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees one snapshot and cannot write. Keep it short: under 50 ms (DESIGN 5)."""
        with self._begun(self._reader) as conn:
            yield conn

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A connection whose transaction commits, flushed to disk, when the block ends; an error rolls back.

        On SQLite one writer at a time: waits are in order of this process's lock, then of the database's.
        """
        if self._lock is None:
            with self._begun(self._writer) as conn:
                yield conn
            return
        if self._writing_thread == threading.get_ident():
            raise RuntimeError("a write inside a write: pass the open connection on")
        if not self._lock.acquire(timeout=WRITE_WAIT_SECONDS):
            raise Unavailable("the database is busy with another write")
        try:
            self._writing_thread = threading.get_ident()
            with self._begun(self._writer) as conn:
                yield conn
        finally:
            self._writing_thread = None
            self._lock.release()

    @property
    def writer_lock(self) -> threading.Lock:
        """What a writer of an SQLite store holds while it writes."""
        if self._lock is None:
            raise RuntimeError("only SQLite has one writer")
        return self._lock

    def raw_writer(self) -> Any:
        """The driver's own connection that writes to SQLite, for who holds ``writer_lock``."""
        with closing(self._writer.raw_connection()) as pooled:
            return pooled.driver_connection

    @property
    def secret(self) -> bytes:
        """16 random bytes, made with the database and kept in it: the key of hashed ids."""
        if self._secret is None:
            with self.read() as conn:
                stored = conn.execute(select(tables.meta.c.value).where(tables.meta.c.key == "secret")).scalar_one()
            self._secret = bytes.fromhex(stored)
        return self._secret

    def check_writable(self) -> None:
        """Returns if a commit reaches the disk; ``Unavailable`` with the reason if it does not."""
        with self.write() as conn:
            put = dialect.insert(conn, tables.meta).values(key="last_write_check", value=dialect.read_clock_us(conn))
            conn.execute(put.on_conflict_do_update(index_elements=["key"], set_={"value": put.excluded.value}))

    def schema_current(self) -> bool:
        """Whether every migration is applied; a newer or foreign schema raises ``ConfigurationError``."""
        from monitor.store import migrate

        with self.read() as conn:
            return migrate.pending(conn) == ()

    def migrate(self, *, told: Callable[[str, int, int], None] | None = None) -> tuple[str, ...]:
        """The migrations that this process has brought to their end, oldest first; ``told`` (what, done, of how much).

        Several processes may do it at once, and each ends when nothing is left to do.
        """
        from monitor.store.migrating import bring_up_to_date

        return bring_up_to_date(self, told=told)

    def end_idle(self) -> None:
        """Ends connections that nobody has needed for a while. Those of SQLite stay, see ``open_readers``."""
        if isinstance(pool := self._reader.pool, TrimmedPool):
            pool.end_idle()

    def mark_running(self) -> None:
        """From here on the embedded database is in use by a server, until ``close``: an end without it is noticed."""
        if self._path is not None:
            self._marker = Marker(self._path)
            self._marker.begin()

    def open_readers(self) -> None:
        """Opens the connections that a pool of SQLite keeps, so that a server has its descriptors from the start.

        One that ends gives its file back only when no other is open: POSIX would drop their locks with it
        (``unixClose`` in https://sqlite.org/src/file/src/os_unix.c).
        """
        if self.dialect == "sqlite":
            with ExitStack() as stack:
                for _ in range(sqlite.READERS):
                    stack.enter_context(self.read())

    def close(self) -> None:
        """Closes every connection; one that is used again opens new ones. A forked child leaves its parent's alone.

        After a failed flush it leaves everything as a crash does: closing SQLite's last connection would copy its log
        into the file and remove it.
        """
        if self.failure is not None:
            return
        self._reader.dispose(close=self._pid == os.getpid())
        self._writer.dispose(close=self._pid == os.getpid())
        if self._marker is not None and self._pid == os.getpid():
            self._marker.end()
            self._marker = None

    @contextmanager
    def _begun(self, engine: Engine) -> Iterator[Connection]:
        if os.getpid() != self._pid:
            raise ConfigurationError("the store was opened before this process was forked: open it after the fork")
        if self.failure is not None:
            raise FlushFailed(self.failure, retry_after_seconds=10)
        try:
            with unavailable_when_away(), engine.begin() as conn:
                yield conn
        except Unavailable as error:
            if self._path is None or engine is not self._writer or not flush_failed(error, path=self._path):
                raise
            self.failure = FLUSH_FAILED
            raise FlushFailed(FLUSH_FAILED, retry_after_seconds=10) from error


def open_store(url: str, *, data_dir: Path | str, migrate: bool = False) -> Store:
    """The store at ``url``; empty means ``driftline.db`` in ``data_dir``. ``migrate`` brings its schema up to date.

    Raises ``ConfigurationError`` for a URL it cannot use, a damaged or read-only file, and a schema newer than this
    release. A PostgreSQL that is away is no error unless it must be migrated: reads say ``Unavailable`` until then.
    """
    store = Store(_parse(url, data_dir=Path(data_dir)))
    try:
        if migrate:
            if store.dialect == "sqlite":
                check_after_crash(Path(str(store.url.database)))
            store.migrate()
        else:
            store.schema_current()
    except Unavailable as error:
        store.close()
        # A file does not heal by itself; a server that is away, or a lock, may.
        if store.dialect == "sqlite" and error.retry_after_seconds > 1:
            raise ConfigurationError(f"{store.url.database}: {error.detail}") from error
        if migrate:
            raise
    except BaseException:
        store.close()
        raise
    return store


def _parse(url: str, *, data_dir: Path) -> URL:
    try:
        parsed = make_url(url) if url else URL.create("sqlite", database=str(data_dir / "driftline.db"))
    except (ArgumentError, ValueError):
        raise ConfigurationError(
            "DATABASE_URL cannot be read: expected sqlite:///path/to/file.db or postgresql://user:password@host/name"
        ) from None
    backend = parsed.drivername.partition("+")[0]
    if backend in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise ConfigurationError(f"DATABASE_URL names {backend[:40]!r}: expected sqlite or postgresql")
    if parsed.database in (None, "", ":memory:"):
        raise ConfigurationError("DATABASE_URL names an SQLite database in memory: expected a file, sqlite:///path")
    path = Path(str(parsed.database)).expanduser()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"the directory of the database cannot be made: {error}") from error
    return URL.create("sqlite", database=str(path))
