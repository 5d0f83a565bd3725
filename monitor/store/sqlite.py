"""SQLite engines: which library, which journal, and transactions that are begun on purpose.

SQLite 3.7.0 to 3.51.2 can lose committed writes in WAL mode with two or more connections (fixed in 3.51.3,
3.50.7 and 3.44.6; https://www.sqlite.org/wal.html#walresetbug). So WAL is used only with a library that has the fix;
the bundled one (``pysqlite3``) has. See docs/decisions/sqlite-engine.md.
"""

from __future__ import annotations

import importlib
import logging
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.engine import Connection
from sqlalchemy.pool import QueuePool

from monitor.model.errors import ConfigurationError

_log = logging.getLogger(__name__)

BUSY_SECONDS = 5.0
READERS, MORE_READERS = 8, 24
_told: set[str] = set()
# Of a new file only. Payloads run to megabytes: with 4 KiB pages writing 5,000 rows takes a quarter more CPU.
_PAGE_SIZE = "page_size=16384"
_PRAGMAS = ("foreign_keys=ON", "journal_size_limit=67108864")
# A connection's, which it keeps prepared. Lists of ids make texts of any length that are never asked again: 256 of them
# were megabytes in each connection, at the same processor time.
_STATEMENTS = 64
# KiB of pages. What a reader keeps is forgotten when anybody commits; one that then waits would keep it for nothing.
_READERS_CACHE, _WRITERS_CACHE = "cache_size=-1000", "cache_size=-16000"


def library() -> Any:
    """The DB-API module to use: the bundled newer SQLite where it can be imported, else the standard library's."""
    for name in ("pysqlite3.dbapi2", "sqlite3"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise ImportError("this Python has no sqlite3 module")


def wal_is_safe(version: tuple[int, ...]) -> bool:
    """Whether a library of that version keeps every commit in WAL mode with several connections.

    >>> [wal_is_safe(v) for v in ((3, 40, 1), (3, 44, 6), (3, 50, 6), (3, 50, 7), (3, 51, 2), (3, 53, 4))]
    [False, True, False, True, False, True]
    """
    return version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51) or (3, 44, 6) <= version < (3, 45)


def journal_mode(module: Any) -> str:
    """``wal`` or ``delete`` for that library; said once in the log where it is not ``wal``."""
    version = module.sqlite_version
    if wal_is_safe(module.sqlite_version_info):
        return "wal"
    if version not in _told:
        _told.add(version)
        _log.warning(
            "SQLite %s can lose commits in WAL mode (fixed in 3.51.3): using the rollback journal, in which readers "
            "hold up commits. Install pysqlite3 to get a newer SQLite, or use PostgreSQL.",
            version,
        )
    return "delete"


def make_engines(path: Path) -> tuple[Engine, Engine]:
    """(reading, writing) engines of the file. Readers cannot write; the writer has one connection of its own."""
    module = library()
    journal = journal_mode(module)
    url = URL.create("sqlite", database=str(path))
    shared: dict[str, Any] = {
        "module": module,
        "poolclass": QueuePool,
        "pool_use_lifo": True,  # the connection used last: taking turns, each would fill a page cache of its own
        "pool_timeout": BUSY_SECONDS,
        "hide_parameters": True,  # an error's text is logged, and they are what clients sent
        "connect_args": {"timeout": BUSY_SECONDS, "check_same_thread": False, "cached_statements": _STATEMENTS},
    }
    reading = create_engine(url, pool_size=READERS, max_overflow=MORE_READERS, **shared)
    writing = create_engine(url, pool_size=1, max_overflow=0, **shared)
    _begin_with(reading, "BEGIN", pragmas=(*_PRAGMAS, _READERS_CACHE, "query_only=ON"), journal=None)
    written = (_PAGE_SIZE, *_PRAGMAS, _WRITERS_CACHE, "synchronous=FULL")
    _begin_with(writing, "BEGIN IMMEDIATE", pragmas=written, journal=journal)
    return reading, writing


def _begin_with(engine: Engine, statement: str, *, pragmas: tuple[str, ...], journal: str | None) -> None:
    """Every connection of the engine begins its transactions by that statement, in that journal mode.

    The driver's own way emits no BEGIN before a SELECT, and a deferred transaction that reads first and then
    writes fails at once with SQLITE_BUSY_SNAPSHOT, whatever the time-out.
    """

    @event.listens_for(engine, "connect")
    def _set_up(connection: Any, record: Any) -> None:
        connection.isolation_level = None
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}").fetchall()
        if journal is not None:
            _set_journal(connection, journal)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(statement)


def _set_journal(connection: Any, journal: str) -> None:
    """Puts the file into that journal mode; to stay in WAL with a library that loses commits in it is refused."""
    mode = connection.execute(f"PRAGMA journal_mode={journal}").fetchone()[0]
    if mode == journal:
        return
    if mode == "wal":
        raise ConfigurationError(
            "the database file is in WAL mode, in use by another process, and this Python's SQLite can lose commits "
            "in that mode: stop the other process, or install pysqlite3"
        )
    if mode not in _told:
        _told.add(mode)
        _log.warning("SQLite keeps journal_mode=%s instead of %s on this file system", mode, journal)
