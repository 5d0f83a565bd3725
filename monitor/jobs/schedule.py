"""The ticker: APScheduler says when to look, the database says what is due.

APScheduler reckons by the wall clock. Set back by three hours (measured, version 3.11.3), it sleeps for three hours,
also when the clock is right again. So a thread that reckons by the clock that nobody sets wakes it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from monitor.repeated import Repeated

_JOB = "driftline-tick"
_LATE = 3  # ticks without one


class Ticker:
    """Calls ``task`` every ``every_us``, never twice at once; ticks missed meanwhile are one tick."""

    def __init__(self, task: Callable[[], None], *, every_us: int) -> None:
        # misfire_grace_time is 1 s unless told and skips silently: None means however late, it is run.
        self._scheduler = BackgroundScheduler(
            timezone=UTC, job_defaults={"coalesce": True, "misfire_grace_time": None, "max_instances": 1}
        )
        self._task = task
        self._every_seconds = every_us / 1e6
        self._began = time.monotonic()
        self._running = False
        self._watch = Repeated(self._wake_if_late, every_seconds=self._every_seconds, name="driftline-ticks")

    def start(self) -> None:
        """Ticks from now on."""
        # Processes that start together do not go on looking together: each tick comes up to a tenth late.
        jitter = self._every_seconds / 10
        trigger = IntervalTrigger(seconds=self._every_seconds, jitter=jitter, timezone=UTC)
        self._scheduler.add_job(self._tick, trigger, id=_JOB, next_run_time=datetime.now(UTC))
        self._scheduler.start()
        self._watch.start()

    def wake(self) -> None:
        """Ticks at once."""
        self._scheduler.modify_job(_JOB, next_run_time=datetime.now(UTC))

    def stop(self) -> None:
        """No more ticks; returns when the one that runs has ended."""
        self._watch.close()
        self._scheduler.shutdown(wait=True)

    def _tick(self) -> None:
        self._began, self._running = time.monotonic(), True
        try:
            self._task()
        finally:
            self._running = False

    def _wake_if_late(self) -> None:
        if not self._running and time.monotonic() - self._began > _LATE * self._every_seconds:
            self.wake()
