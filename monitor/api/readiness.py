"""Whether this process can do its work: looked at when somebody asks, and by itself where nobody does."""

from __future__ import annotations

import logging
import time

from monitor.api.services import Services
from monitor.model.errors import DriftlineError
from monitor.repeated import Repeated

_log = logging.getLogger(__name__)
EVERY_SECONDS = 10.0
_GLANCE_SECONDS = 1.0
_CLOSE_SECONDS = 2.0


def look(services: Services) -> list[str]:
    """What keeps this process from its work, in words; empty when nothing does. ``driftline_ready`` says it too.

    A database that does not answer within ``LOOK_SECONDS`` is a reason: the network may have dropped what was asked.
    """
    reasons = services.looks.find(lambda: _reasons(services))
    services.telemetry.note_ready(ready=not reasons, at=time.monotonic())
    return reasons


def _reasons(services: Services) -> list[str]:
    reasons = _of_the_store(services)
    trouble = services.ingest.committer.watch.trouble()
    if trouble is not None and not reasons:
        reasons.append(f"records cannot be stored now: {trouble}")
    if services.jobs is not None:
        behind = services.jobs.behind()
        if behind is not None:
            reasons.append(f"the jobs are behind: {behind}")
    return reasons


def _of_the_store(services: Services) -> list[str]:
    reasons = []
    try:
        if not services.store.schema_current():
            reasons.append("the database's schema is older than this release: run driftline migrate")
        services.store.check_writable()
    except DriftlineError as error:
        reasons.append(f"the database cannot be written now: {error.detail}")
    return reasons


class ReadinessWatch:
    """Looks every ten seconds, unless somebody has asked or records were stored meanwhile: that is enough.

    Each look costs a small commit, which under load would be one that clients wait for.
    """

    def __init__(self, services: Services, *, every_seconds: float = EVERY_SECONDS) -> None:
        self._services = services
        self._every_seconds = every_seconds
        self._repeated = Repeated(
            self._look_again, every_seconds=min(_GLANCE_SECONDS, every_seconds), name="driftline-ready", at_once=True,
            close_seconds=_CLOSE_SECONDS,
        )  # fmt: skip

    def start(self) -> None:
        """Looks from now on."""
        self._repeated.start()

    def close(self) -> None:
        """Looks no more; a look that waits for the database is waited for a moment only."""
        self._repeated.close()

    def _look_again(self) -> None:
        if self._nobody_knows():
            try:
                look(self._services)
            except Exception:
                _log.exception("whether this process is ready could not be found out")

    def _nobody_knows(self) -> bool:
        services = self._services
        asked = services.telemetry.looked_ready
        if asked is not None and time.monotonic() - asked < self._every_seconds:
            return False
        commits, jobs = services.ingest.committer.watch, services.jobs
        stored = commits.stored_within(self._every_seconds) and commits.trouble() is None
        return not (services.telemetry.was_ready and stored and (jobs is None or jobs.behind() is None))
