"""The jobs in the background: a look with every tick, and what it found spread over a few threads."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial

from monitor.jobs.attempts import Attempts
from monitor.jobs.backlog import Backlog
from monitor.jobs.hanging import Hanging
from monitor.jobs.label_work import LabelWork
from monitor.jobs.lanes import Lanes
from monitor.jobs.look import Look
from monitor.jobs.plan import Due
from monitor.jobs.queue_work import QueueWork
from monitor.jobs.schedule import Ticker
from monitor.jobs.settings import JobSettings
from monitor.jobs.upkeep import Upkeep
from monitor.jobs.version_work import VersionWork
from monitor.model.errors import Unavailable
from monitor.store.runs import Claim, model_subject
from monitor.telemetry import Telemetry

_log = logging.getLogger(__name__)
_LATE_TICKS = 30  # so many ticks without a look is jobs that are behind


class Background:
    """Ticks from ``start`` to ``stop``; once."""

    def __init__(
        self, *, look: Look, work: VersionWork, labels: LabelWork, queue: QueueWork, upkeep: Upkeep,
        attempts: Attempts, telemetry: Telemetry, settings: JobSettings, now_us: Callable[[], int],
    ) -> None:  # fmt: skip
        self._look = look
        self._work = work
        self._labels = labels
        self._queue = queue
        self._upkeep = upkeep
        self._leases = attempts.leases
        self._now_us = now_us
        self._tick_seconds = settings.tick_us / 1e6
        self._backlog = Backlog(work, attempts=attempts, settings=settings, begin=self._begin)
        self._hanging = Hanging(work, telemetry=telemetry, settings=settings)
        self._lanes = Lanes(
            workers=settings.workers, slow_seconds=settings.slow_us / 1e6, patience_seconds=settings.patience_us / 1e6,
            idle=self._feed,
        )  # fmt: skip
        self._ticker = Ticker(self._tick, every_us=settings.tick_us)
        self._looked: float | None = None  # by the clock that nobody sets

    def start(self) -> None:
        """Ticks from now on."""
        self._leases.start()
        self._ticker.start()

    def stop(self, *, grace_seconds: float) -> None:
        """Takes nothing new, waits for what runs, gives back the claims of what did not end in time."""
        self._ticker.stop()
        if not self._lanes.close(grace_seconds=grace_seconds):
            _log.warning("work still ran after %.1f s: its claims are given back", grace_seconds)
        self._leases.stop()

    def wake(self) -> None:
        """Looks now rather than at the next tick."""
        self._ticker.wake()

    def behind(self) -> str | None:
        """Why the jobs are not keeping up, or None."""
        if self._looked is None or time.monotonic() - self._looked <= _LATE_TICKS * self._tick_seconds:
            return None
        return f"the jobs have not looked for work for {time.monotonic() - self._looked:.0f} s"

    def notes(self) -> list[str]:
        """What hangs, in words."""
        return self._hanging.notes()

    def _tick(self) -> None:
        """One look; what it found goes to the lanes. The ticker's task: it must not raise for what passes."""
        self._lanes.replace_held_threads()
        now_us = self._now_us()
        for step in (self._submit_due, self._see_to_the_rest):
            try:
                step(now_us)
            except Unavailable as away:  # away, or one row is held by a process that stands still: the others go on
                _log.warning("jobs wait for the database: %s", away)

    def _submit_due(self, now_us: int) -> None:
        found = self._look.everything(now_us)
        self._looked = time.monotonic()
        self._backlog.put([due for due in found.versions if not self._lanes.busy(due.version_id)])
        self._feed()
        for model_id in found.labelled:
            self._lanes.submit(model_subject(model_id), partial(self._labels.task, model_id, self._now_us))
        for run in found.asked:
            self._lanes.submit(-run.id, partial(self._queue.task, run, self._now_us))
        self._hanging.look(found.versions, hanging=self._lanes.hanging(), now_us=now_us)

    def _see_to_the_rest(self, now_us: int) -> None:
        self._lanes.submit(0, partial(self._upkeep.task, self._now_us))
        self._upkeep.sweep(now_us=now_us)

    def _feed(self) -> None:
        """Claims more of what is due while the lanes have little to do; called by whoever finds that."""
        self._backlog.feed(self._lanes.hungry, now_us=self._now_us)

    def _begin(self, due: Due, claim: Claim | None) -> bool:
        return self._lanes.submit(due.version_id, partial(self._task, due, claim))

    def _task(self, due: Due, claim: Claim | None) -> bool:
        now_us = self._now_us()
        done = self._work.run(due, now_us=now_us, fold_claim=claim)
        self._look.remember(due, done=done, now_us=now_us)
        return done.failures == 0
