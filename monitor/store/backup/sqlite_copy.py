"""A copy of an SQLite database that is being written to, made by the connection that writes.

SQLite's backup goes on beside writes of its own connection, which reach the copy too, and begins anew when another
connection writes (https://www.sqlite.org/backup.html, "Concurrent usage of database connections"). So under load it
ends only on the writer's own connection: a few pages at a time, each under the writer's lock, which is free between.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from monitor.model.errors import Unavailable
from monitor.store.backup.file import Progress
from monitor.store.engine import WRITE_WAIT_SECONDS, Store
from monitor.store.sqlite import library

STEP_PAGES = 128  # of 16 KiB: 2 MiB, a few milliseconds
BREATH_SECONDS = 0.002  # the lock is not fair: whoever waits for it gets it now
MOST_RESTARTS = 3
PREFIX = "copy-"
Told = Callable[[Progress], None]


class _BeginsAnew(Exception):
    """Another process writes: on this connection it would never end."""


@contextmanager
def copy_beside_writes(store: Store, *, directory: Path, told: Told) -> Iterator[Path]:
    """The path of a consistent copy that holds everything committed before; it is gone when the block ends."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(dir=directory, prefix=PREFIX))
    except OSError as error:
        raise Unavailable(f"the copy cannot be kept in {directory}: {error}", retry_after_seconds=30) from None
    try:
        path = place / "copy.db"
        try:
            _by_writer(store, path, told=told)
        except _BeginsAnew:
            path.unlink()
            _by_reader(Path(str(store.url.database)), path, told=told)
        yield path
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _by_writer(store: Store, path: Path, *, told: Told) -> None:
    turns = _Turns(store, told=told)
    with closing(_target(path)) as target, turns as source:
        source.backup(target, pages=STEP_PAGES, progress=turns, sleep=0.01)


def _by_reader(original: Path, path: Path, *, told: Told) -> None:
    """The copy of one read transaction, which sees none of what others commit meanwhile."""
    with closing(_target(path)) as target, closing(library().connect(str(original), isolation_level=None)) as source:
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_master").fetchone()
        page_size = _page_size(source)
        source.backup(
            target, pages=STEP_PAGES,
            progress=lambda _, left, pages: told(_progress(pages - left, of=pages, page_size=page_size)),
        )  # fmt: skip


class _Turns:
    """Takes the writer's lock for each step and gives it back after; called by SQLite between two."""

    def __init__(self, store: Store, *, told: Told) -> None:
        self._store = store
        self._told = told
        self._held = False
        self._copied = self._restarts = self._page_size = 0

    def __enter__(self) -> Any:
        self._take()
        source = self._store.raw_writer()
        self._page_size = _page_size(source)
        return source

    def __exit__(self, *_: object) -> None:
        if self._held:
            self._give()

    def __call__(self, _: int, left: int, pages: int) -> None:
        """Between two steps, of which the last left so many of the pages to be copied."""
        self._give()
        self._restarts += pages - left < self._copied
        self._copied = pages - left
        if self._restarts > MOST_RESTARTS:
            raise _BeginsAnew
        self._told(_progress(self._copied, of=pages, page_size=self._page_size))
        time.sleep(BREATH_SECONDS)
        self._take()

    def _take(self) -> None:
        if not self._store.writer_lock.acquire(timeout=WRITE_WAIT_SECONDS):
            raise Unavailable("the database is busy with another write")
        self._held = True

    def _give(self) -> None:
        self._held = False
        self._store.writer_lock.release()


def _target(path: Path) -> Any:
    connection = library().connect(str(path), isolation_level=None)
    # Nobody needs this file after a crash.
    connection.execute("PRAGMA journal_mode=OFF").fetchone()
    connection.execute("PRAGMA synchronous=OFF")
    return connection


def _page_size(connection: Any) -> int:
    return int(connection.execute("PRAGMA page_size").fetchone()[0])


def _progress(pages: int, *, of: int, page_size: int) -> Progress:
    return Progress(step="copy", done=pages * page_size, of=of * page_size)
