"""Versions whose work hangs in this process: they get no second thread, and their windows become gaps that say so.

A thread cannot be ended from outside. Its claim lapses (``leases``) and another process may try; where none does
within a lease, the attempts that are left are used up here without being made.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

from monitor.jobs.plan import Due
from monitor.jobs.settings import JobSettings
from monitor.jobs.version_work import VersionWork
from monitor.model.errors import NotFound
from monitor.telemetry import Telemetry

_log = logging.getLogger(__name__)


class Hanging:
    """Watches what hangs; ``look`` is told with every tick."""

    def __init__(self, work: VersionWork, *, telemetry: Telemetry, settings: JobSettings) -> None:
        self._work = work
        self._gauge = telemetry.hanging
        self._wait_seconds = settings.lease_us / 1e6
        self._since: dict[int, float] = {}  # version id → since when it has been due and nobody did it
        self._told: dict[Any, float] = {}

    def look(self, dues: Sequence[Due], *, hanging: Mapping[Any, float], now_us: int) -> None:
        """Gives up the due work of versions that hang here, once others have had the time to do it."""
        self._told = dict(hanging)
        self._gauge.set(len(hanging))
        now = time.monotonic()
        waiting = {due.version_id: due for due in dues if due.version_id in hanging}
        self._since = {id: self._since.get(id, now) for id in waiting}
        for id, due in waiting.items():
            if now - self._since[id] < self._wait_seconds:
                continue
            try:
                self._work.give_up(due, reason=f"the work of the version hangs for {hanging[id]:.0f} s", now_us=now_us)
            except NotFound:
                _log.info("version %d was deleted while it hung", id)

    def notes(self) -> list[str]:
        """What hangs, in words."""
        return [
            f"work on {_named(subject)} hangs for {seconds:.0f} s: it keeps a thread of this process until a restart"
            for subject, seconds in self._told.items()
        ]


def _named(subject: Any) -> str:
    if isinstance(subject, str):
        return f"the labels of model {subject[1:]}"
    if subject == 0:
        return "the upkeep"
    return f"version {subject}" if subject > 0 else f"job {-subject}"
