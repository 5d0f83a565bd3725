"""The ticker: APScheduler says when to look, the database says what is due."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

_JOB = "driftline-tick"


class Ticker:
    """Calls ``task`` every ``every_us``, never twice at once; ticks missed meanwhile are one tick."""

    def __init__(self, task: Callable[[], None], *, every_us: int) -> None:
        # misfire_grace_time is 1 s unless told and skips silently: None means however late, it is run.
        self._scheduler = BackgroundScheduler(
            timezone=UTC, job_defaults={"coalesce": True, "misfire_grace_time": None, "max_instances": 1}
        )
        self._task = task
        self._every_us = every_us

    def start(self) -> None:
        """Ticks from now on."""
        trigger = IntervalTrigger(seconds=self._every_us / 1e6, timezone=UTC)
        self._scheduler.add_job(self._task, trigger, id=_JOB, next_run_time=datetime.now(UTC))
        self._scheduler.start()

    def wake(self) -> None:
        """Ticks at once."""
        self._scheduler.modify_job(_JOB, next_run_time=datetime.now(UTC))

    def stop(self) -> None:
        """No more ticks; returns when the one that runs has ended."""
        self._scheduler.shutdown(wait=True)
