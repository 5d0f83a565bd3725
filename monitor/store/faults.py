"""Which database errors mean "not now": they become ``Unavailable`` (503), never a 500."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import exc

from monitor.model.errors import Unavailable

# Primary result codes, https://www.sqlite.org/rescode.html: (code name, part of its message, seconds, what to say)
_SQLITE = (
    ("SQLITE_BUSY", "database is locked", 1, "the database is locked by another process"),
    ("SQLITE_LOCKED", "table is locked", 1, "the database is locked by another connection"),
    ("SQLITE_FULL", "disk is full", 10, "the disk that holds the database is full: free some space"),
    ("SQLITE_IOERR", "disk I/O error", 10, "the disk that holds the database fails to read or write"),
    ("SQLITE_READONLY", "readonly database", 10, "the database file or its directory is read-only"),
    ("SQLITE_CANTOPEN", "unable to open database", 10, "the database file cannot be opened"),
    ("SQLITE_CORRUPT", "malformed", 60, "the database file is damaged: restore a backup"),
    ("SQLITE_NOTADB", "not a database", 60, "the file is not a database: restore a backup"),
    ("SQLITE_PROTOCOL", "locking protocol", 1, "the database is locked by another process"),
    ("SQLITE_NOMEM", "out of memory", 10, "the database is out of memory"),
)
# SQLSTATE classes, https://www.postgresql.org/docs/current/errcodes-appendix.html
_POSTGRESQL = {
    "08": (5, "the connection to the database failed"),
    "25006": (10, "the database is read-only: a standby, or default_transaction_read_only is on"),
    "40": (1, "the transaction collided with another one"),
    "53100": (10, "the disk of the database is full: free some space"),
    "53": (5, "the database is out of resources"),
    "55P03": (1, "a lock in the database is held by somebody else"),
    "57014": (1, "the database took longer than the statement timeout"),
    "57": (5, "the database is shutting down or starting"),
    "58": (10, "the system that runs the database reports an error"),
}


@contextmanager
def unavailable_when_away() -> Iterator[None]:
    """Turns locked, full, read-only, damaged and absent databases into ``Unavailable``; other errors pass."""
    try:
        yield
    except exc.TimeoutError as error:
        raise Unavailable("all connections to the database are in use", retry_after_seconds=1) from error
    except exc.DBAPIError as error:
        meaning = _meaning(error)
        if meaning is None:
            raise
        seconds, text = meaning
        raise Unavailable(text, retry_after_seconds=seconds) from error


def _meaning(error: exc.DBAPIError) -> tuple[int, str] | None:
    original = error.orig
    state = getattr(original, "sqlstate", None)
    if state is not None:
        return next((_POSTGRESQL[key] for key in (state, state[:2]) if key in _POSTGRESQL), None)
    message = str(original)
    name = getattr(original, "sqlite_errorname", "")
    for code, part, seconds, text in _SQLITE:
        if name.startswith(code) or part in message:
            return seconds, text
    if type(original).__module__.startswith("psycopg") and isinstance(error, exc.OperationalError | exc.InterfaceError):
        return 5, "the connection to the database failed"
    return (5, "the connection to the database was lost") if error.connection_invalidated else None
