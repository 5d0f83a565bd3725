"""One attempt at claimed work: held, watched, and its end written down whatever it is."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection

from monitor.evaluate.guard import Guard
from monitor.jobs.leases import Leases
from monitor.jobs.settings import JobSettings
from monitor.jobs.steps import watched
from monitor.model.errors import FenceLost, NotFound, Unavailable
from monitor.store.engine import Store
from monitor.store.runs import Claim, claim, fail, finish, release
from monitor.telemetry import Telemetry

_T = TypeVar("_T")
_log = logging.getLogger(__name__)


class Attempts:
    """Claims work and attempts it; what fails is queued again, after the fifth time ``lost`` is told."""

    def __init__(self, store: Store, *, telemetry: Telemetry, leases: Leases, settings: JobSettings) -> None:
        self._store = store
        self._telemetry = telemetry
        self._settings = settings
        self.leases = leases

    def claim(self, conn: Connection, *, job: str, subject: str, scheduled_us: int) -> Claim | None:
        """The claim of a subject's occurrence, or None: somebody has it, it waits for its next try, or it is over."""
        return claim(
            conn, job=job, subject=subject, scheduled_us=scheduled_us, owner=self.leases.owner,
            lease_us=self._settings.lease_us,
        )  # fmt: skip

    def run(
        self,
        held: Claim,
        *,
        step: str,
        work: Callable[[Guard], _T | None],
        lost: Callable[[Connection, str], None] | None = None,
    ) -> _T | None:
        """What the work brought; None where it did not come to that.

        The work's last transaction calls the guard it is given, which finishes the claim there or rolls both back.
        ``Unavailable`` and ``NotFound`` go on to the caller: the database is away, or the version is deleted.
        """
        with self.leases.working(held):
            try:
                with watched(step, telemetry=self._telemetry):
                    done = work(partial(_finish, held))
            except FenceLost as taken:
                _log.info("%s of %s: %s", held.job, held.subject, taken)
                self.give_back(held)
                return None
            except (NotFound, Unavailable):
                self.give_back(held)
                raise
            except Exception as error:
                _log.exception("%s of %s failed, attempt %d", held.job, held.subject, held.attempt)
                self._failed(held, reason=f"{type(error).__name__}: {error}"[:500], lost=lost)
                return None
            if done is None:
                self.give_back(held)
            return done

    def _failed(self, held: Claim, *, reason: str, lost: Callable[[Connection, str], None] | None) -> None:
        try:
            with self._store.write() as conn:
                state = fail(conn, held, error=reason, retry_in_us=self._settings.retry_us)
                if state == "failed" and lost is not None:
                    lost(conn, reason)
        except FenceLost:
            _log.info("%s of %s was taken over while it failed", held.job, held.subject)

    def give_back(self, held: Claim) -> None:
        """Releases a claim that was not attempted, or not to an end: somebody else may have it at once."""
        self.leases.drop(held)
        try:
            with self._store.write() as conn:
                release(conn, held)
        except (FenceLost, Unavailable):  # taken over, or the lease will say so in time
            _log.debug("%s of %s not given back", held.job, held.subject)


def _finish(held: Claim, conn: Connection) -> None:
    finish(conn, held)
