"""Backups that a server writes while it serves: one at a time, by a thread of its own, as fast as they are taken."""

from __future__ import annotations

import queue
import shutil
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from monitor.model.errors import Unavailable
from monitor.store.backup.sqlite_copy import PREFIX
from monitor.store.backup.write import write_backup
from monitor.store.engine import Store

TAKEN_WITHIN_SECONDS = 120.0  # a piece, by whoever asked: longer than a connection may stall
_AHEAD = 4  # pieces of about a mebibyte
_BUSY_SECONDS = 30
_LOOK_SECONDS = 0.2


class Backups:
    """Backups of one store. ``directory`` is where copies of an SQLite database are while they are sent."""

    def __init__(self, store: Store, *, directory: Path, release: str) -> None:
        self._store = store
        self._directory = directory
        self._release = release
        self._free = threading.Lock()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def stream(self, *, created: str) -> Iterator[bytes]:
        """A backup of everything committed by now, piece by piece; ``Unavailable`` while another one is written, and
        where there is no room for a copy.

        An error on the way is raised where the next piece is taken.
        """
        self._check_room()
        if self._closing.is_set() or not self._free.acquire(blocking=False):
            raise Unavailable(
                "another backup is written by this process: ask again when it is done",
                retry_after_seconds=_BUSY_SECONDS,
            )
        run = _Run()
        self._thread = threading.Thread(target=self._write, args=(run, created), name="backup", daemon=True)
        self._thread.start()
        return run.taken()

    def _check_room(self) -> None:
        """Said before the first piece: later nobody would hear the reason."""
        if self._store.dialect != "sqlite":
            return
        path = Path(str(self._store.url.database))
        size, free = path.stat().st_size, shutil.disk_usage(self._directory.parent).free
        if free < size:
            raise Unavailable(
                f"a backup needs a copy of {size} bytes in {self._directory}, and {free} are free: free some space",
                retry_after_seconds=_BUSY_SECONDS,
            )

    def remove_leftovers(self) -> None:
        """Removes copies of a process that was killed while it sent one."""
        with suppress(OSError):
            for place in self._directory.glob(f"{PREFIX}*"):
                shutil.rmtree(place, ignore_errors=True)

    def close(self) -> None:
        """Ends a backup that is being written: who takes it sees it break off."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join()

    def _write(self, run: _Run, created: str) -> None:
        try:
            write_backup(
                self._store, lambda piece: run.put(piece, closing=self._closing), created=created,
                release=self._release, beside=self._directory,
            )  # fmt: skip
        except BaseException as error:
            run.failed = error
        finally:
            self._free.release()
            run.ended.set()


class _Run:
    """One backup on its way from the thread that writes it to whoever takes it."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.failed: BaseException | None = None
        self._pieces: queue.Queue[bytes] = queue.Queue(_AHEAD)
        self._abandoned = threading.Event()

    def put(self, piece: bytes, *, closing: threading.Event) -> None:
        """Waits until there is room for the piece; ``Unavailable`` where nobody takes it, or where the server stops."""
        waited = 0.0
        while not (self._abandoned.is_set() or closing.is_set() or waited >= TAKEN_WITHIN_SECONDS):
            try:
                return self._pieces.put(piece, timeout=_LOOK_SECONDS)
            except queue.Full:
                waited += _LOOK_SECONDS
        raise Unavailable("the backup was broken off: the server stops, or nobody took it", retry_after_seconds=5)

    def taken(self) -> Iterator[bytes]:
        """The pieces, in their order; at the end what went wrong, if anything did."""
        try:
            while True:
                over = self.ended.is_set()  # looked at first: what was put before it is still to be taken
                try:
                    yield self._pieces.get(timeout=0.0 if over else _LOOK_SECONDS)
                except queue.Empty:
                    if over:
                        break
            if self.failed is not None:
                raise self.failed
        finally:
            self._abandoned.set()
