"""How storing goes, for ``/readyz``: whether the last group could be stored, and for how long the one under way has."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from monitor.ingest.work import Committed
from monitor.model.errors import DriftlineError, Unavailable

LONG_SECONDS = 5.0
# A server that is not ready may get no more requests: without one that succeeds, a failure counts for so long.
REMEMBERED_SECONDS = 10.0


class CommitWatch:
    """Written by the thread that commits, read by others."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._failed: tuple[float, str] | None = None
        self._stored: float | None = None

    @contextmanager
    def storing(self) -> Iterator[None]:
        """The block stores a group."""
        self._began = time.monotonic()
        try:
            yield
        finally:
            self._began = None

    def note(self, outcomes: Sequence[Committed | DriftlineError]) -> None:
        """What became of the group: a failure is one of the database where nobody of it was told anything else."""
        last = outcomes[-1]
        away = isinstance(last, Unavailable) and all(isinstance(outcome, Unavailable) for outcome in outcomes)
        self._failed = (time.monotonic(), last.detail) if away and isinstance(last, Unavailable) else None

        if any(isinstance(outcome, Committed) for outcome in outcomes):
            self._stored = time.monotonic()

    def stored_within(self, seconds: float) -> bool:
        """Whether a group was stored in that time: then the database can be written."""
        return self._stored is not None and time.monotonic() - self._stored <= seconds

    def trouble(self) -> str | None:
        """Why records can probably not be stored now, or None."""
        began, failed, now = self._began, self._failed, time.monotonic()
        if failed is not None and now - failed[0] < REMEMBERED_SECONDS:
            return failed[1]
        if began is not None and now - began > LONG_SECONDS:
            return f"a commit has taken {now - began:.0f} s so far: the database is locked, or its disk is slow"
        return None
