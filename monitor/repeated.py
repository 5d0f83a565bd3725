"""Work that a thread of its own repeats for as long as the process runs."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Repeated:
    """Calls ``work`` from ``start`` to ``close``, each time ``every_seconds`` after the call before it has ended.

    The first call comes ``every_seconds`` after ``start``, or ``at_once``. The thread is a daemon called ``name``. An
    error that ``work`` lets through ends it: ``work`` handles those that it shall outlive.
    """

    def __init__(
        self, work: Callable[[], object], *, every_seconds: float, name: str, at_once: bool = False,
        close_seconds: float | None = None,
    ) -> None:  # fmt: skip
        self._work = work
        self._every_seconds = every_seconds
        self._name = name
        self._at_once = at_once
        self._close_seconds = close_seconds
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Repeats from now on, in a new thread; also after ``close``."""
        self._stopped = threading.Event()  # its own: one that outlived ``close_seconds`` still ends
        self._thread = threading.Thread(target=self._repeat, args=(self._stopped,), name=self._name, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """No further call; returns when the one that runs has ended, after ``close_seconds`` at the latest."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(self._close_seconds)

    def _repeat(self, stopped: threading.Event) -> None:
        if self._at_once and not stopped.is_set():
            self._work()
        while not stopped.wait(self._every_seconds):
            self._work()
