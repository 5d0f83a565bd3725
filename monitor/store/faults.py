"""Which database errors mean "not now": they become ``Unavailable`` (503), never a 500."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import exc

from monitor.model.errors import Unavailable
from monitor.store import sqlite

_log = logging.getLogger(__name__)

DAMAGED_SECONDS = 60  # to wait where waiting does not help: what is wrong is the database's content
# Primary result codes, https://www.sqlite.org/rescode.html: (name, part of its message, seconds, what to say).
# A driver's exceptions may carry no code, so the message decides there.
_SQLITE = (
    ("SQLITE_BUSY", "database is locked", 1, "the database is locked by another process"),
    ("SQLITE_LOCKED", "table is locked", 1, "the database is locked by another connection"),
    ("SQLITE_FULL", "disk is full", 10, "the disk that holds the database is full: free some space"),
    ("SQLITE_IOERR", "disk I/O error", 10, "the disk that holds the database fails to read or write"),
    ("SQLITE_READONLY", "readonly database", 10, "the database file or its directory is read-only: make it writable"),
    ("SQLITE_CANTOPEN", "unable to open database", 10, "the database file cannot be opened: make it writable"),
    ("SQLITE_CORRUPT", "image is malformed", DAMAGED_SECONDS, "the database file is damaged: restore a backup"),
    ("SQLITE_NOTADB", "is not a database", DAMAGED_SECONDS, "the file is not a database: restore a backup"),
    ("SQLITE_PROTOCOL", "locking protocol", 1, "the database is locked by another process"),
    ("SQLITE_NOMEM", "out of memory", 10, "the database is out of memory"),
    ("", "FOREIGN KEY constraint failed", 1, "what this belongs to was deleted meanwhile"),
    ("", "no such table", DAMAGED_SECONDS, "the database lacks its tables: run driftline migrate"),
)
# Codes and classes of SQLSTATE, https://www.postgresql.org/docs/current/errcodes-appendix.html
_POSTGRESQL = {
    "08": (5, "the connection to the database failed"),
    "23503": (1, "what this belongs to was deleted meanwhile"),
    "25006": (10, "the database is read-only: a standby, or default_transaction_read_only is on"),
    "25P03": (1, "a transaction waited too long and was ended by the database"),
    "28": (10, "the database refuses this user: see DATABASE_URL"),
    "3D000": (10, "the database that DATABASE_URL names does not exist"),
    "40": (1, "the transaction collided with another one"),
    "42P01": (DAMAGED_SECONDS, "the database lacks its tables: run driftline migrate"),
    "53100": (10, "the disk of the database is full: free some space"),
    "53": (5, "the database is out of resources"),
    "55P03": (1, "a lock in the database is held by somebody else"),
    "57014": (1, "the database took longer than the statement timeout"),
    "57": (5, "the database is shutting down or starting"),
    "58": (10, "the system that runs the database reports an error"),
}
# What a server says that takes no more connections; an error of connecting carries no SQLSTATE.
_NO_CONNECTION_LEFT = ("too many clients", "too many connections", "connection slots are reserved")
_LOG_EVERY_SECONDS = 10.0
_logged: dict[str, float] = {}


@contextmanager
def unavailable_when_away() -> Iterator[None]:
    """Turns locked, full, read-only, damaged and absent databases into ``Unavailable``; other errors pass."""
    try:
        yield
    except exc.TimeoutError as error:
        raise Unavailable("all connections to the database are in use", retry_after_seconds=1) from error
    except exc.DBAPIError as error:
        found = meaning(error)
        if found is None:
            raise
        seconds, text = found
        _note(text, error)
        raise Unavailable(text, retry_after_seconds=seconds) from error


@contextmanager
def unavailable_when_the_driver_fails() -> Iterator[None]:
    """The same of errors of a driver that is used without SQLAlchemy, as backups are written and read."""
    try:
        yield
    except _driver_errors() as error:
        _, text = meaning(exc.DBAPIError("", None, error)) or (5, f"the database fails: {str(error)[:300]}")
        raise Unavailable(text, retry_after_seconds=10) from error


def _driver_errors() -> tuple[type[BaseException], ...]:
    errors: tuple[type[BaseException], ...] = (sqlite.library().Error,)
    try:
        import psycopg
    except ImportError:
        return errors
    return (*errors, psycopg.Error)


def meaning(error: exc.DBAPIError) -> tuple[int, str] | None:
    """(seconds to wait, what is the matter) of an error that is the database's state; None of any other."""
    original = error.orig
    state = getattr(original, "sqlstate", None)
    if state is not None:
        return next((_POSTGRESQL[key] for key in (state, state[:2]) if key in _POSTGRESQL), None)
    if type(original).__module__.startswith("psycopg"):
        lost = isinstance(error, exc.OperationalError | exc.InterfaceError) or error.connection_invalidated
        if lost and any(part in str(original) for part in _NO_CONNECTION_LEFT):
            return 5, "the database has no connection left: raise its max_connections, or run fewer processes"
        return (5, "the connection to the database failed") if lost else None
    message, name = str(original), getattr(original, "sqlite_errorname", "")
    for code, part, seconds, text in _SQLITE:
        if (code and name.startswith(code)) or part in message:
            return seconds, text
    return None


def _note(text: str, error: exc.DBAPIError) -> None:
    """Says it in the log, with the driver's own words, every ten seconds at most."""
    now = time.monotonic()
    if now - _logged.get(text, -_LOG_EVERY_SECONDS) >= _LOG_EVERY_SECONDS:
        _logged[text] = now
        _log.warning("%s (%s)", text, str(error.orig).strip().replace("\n", " ")[:300])
