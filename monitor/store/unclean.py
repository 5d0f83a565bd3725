"""Whether the embedded database was left by a process that did not end, and if so, whether the file is whole.

Beside the database lies ``<its name>-running``. A server holds a shared lock on it for as long as it lives and has
written in it; the last one to end empties it. So what is written there, and locked by nobody, is from a crash.
"""

from __future__ import annotations

import fcntl
import logging
import os
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from monitor.model.errors import ConfigurationError
from monitor.store import sqlite

CHECK_SECONDS = 60.0
_PAGES_A_LOOK = 1_000  # at the clock
_log = logging.getLogger(__name__)


class Marker:
    """The lock and the file of one server; ``begin`` and ``end`` once each."""

    def __init__(self, path: Path) -> None:
        self._descriptor = _opened(path)

    def begin(self) -> None:
        """From here on an end without ``end`` is an unclean one; on disk when this returns."""
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)
        os.pwrite(self._descriptor, b"a server runs on this database, or did not end\n", 0)
        os.fsync(self._descriptor)

    def end(self) -> None:
        """The end is clean. While other servers run the rest is theirs."""
        with suppress(BlockingIOError):
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)


def check_after_crash(path: Path) -> None:
    """Nothing, if the last end was clean, a server runs, or the file is whole; else ``ConfigurationError``.

    Reads the whole file, for ``CHECK_SECONDS`` at most. What it costs is in docs/reliability.md.
    """
    if not path.exists() or not _marker(path).exists():
        return
    descriptor = _opened(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_size:
            _check(path)
            os.ftruncate(descriptor, 0)
    except BlockingIOError:
        return  # a server runs: it has looked
    finally:
        os.close(descriptor)


def _check(path: Path) -> None:
    began = time.monotonic()
    module = sqlite.library()
    with closing(module.connect(str(path), timeout=sqlite.BUSY_SECONDS)) as connection:
        connection.set_progress_handler(lambda: time.monotonic() - began > CHECK_SECONDS, _PAGES_A_LOOK)
        found = _first_damage(module, connection)
    if found is not None:
        raise ConfigurationError(
            f"{path} was not closed and is damaged ({found[:200]}): restore a backup into a new directory, and keep "
            "this one to see what can be saved of it"
        )
    _log.info("%s was not closed and is whole: read in %.1f s", path, time.monotonic() - began)


def _first_damage(module: Any, connection: Any) -> str | None:
    try:
        row = connection.execute("PRAGMA quick_check(1)").fetchone()
    except module.OperationalError as error:
        if str(error) != "interrupted":
            raise ConfigurationError(f"the database was not closed and cannot be read: {error}") from error
        _log.warning("the database was not closed and is too large to read whole within %g s", CHECK_SECONDS)
        return None
    except module.DatabaseError as error:
        return str(error)
    return None if row[0] == "ok" else str(row[0])


def _opened(path: Path) -> int:
    marker = _marker(path)
    fresh = not marker.exists()
    try:
        descriptor = os.open(marker, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise ConfigurationError(f"{marker} cannot be opened ({error.strerror}): make it writable") from error
    if fresh:  # the name itself is on disk before anything depends on it
        directory = os.open(marker.parent, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)
    return descriptor


def _marker(path: Path) -> Path:
    return path.with_name(path.name + "-running")
