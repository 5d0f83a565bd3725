"""One attempt at claimed work: held, watched, and its end written down whatever it is."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from functools import partial
from threading import Lock
from typing import TypeVar

from sqlalchemy import Connection

from monitor.evaluate.guard import Guard, Moved
from monitor.jobs.leases import Leases
from monitor.jobs.settings import JobSettings
from monitor.jobs.steps import watched
from monitor.model.errors import FenceLost, NotFound, Unavailable
from monitor.store.engine import Store
from monitor.store.runs import Claim, claim, fail, finish, release
from monitor.telemetry import Telemetry

_T = TypeVar("_T")
# Told, in the transaction that ends a run for good, why: shows what was not done.
Lost = Callable[[Connection, str], None]
_log = logging.getLogger(__name__)
_MOVED_FREELY = 3
_MOST_MOVED = 1_000


class Attempts:
    """Claims work and attempts it; what fails is queued again, after the fifth time ``lost`` is told."""

    def __init__(self, store: Store, *, telemetry: Telemetry, leases: Leases, settings: JobSettings) -> None:
        self._store = store
        self._telemetry = telemetry
        self._settings = settings
        self._moved: Counter[int] = Counter()
        self._lock = Lock()
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
        lost: Lost | None = None,
    ) -> _T | None:
        """What the work brought; None where it did not come to that.

        The work's last transaction calls the guard it is given, which finishes the claim there or rolls both back.
        Work that shows no progress for long may be taken over by somebody else meanwhile.
        ``Unavailable`` and ``NotFound`` go on to the caller: the database is away, or the version is deleted.
        """
        with self.leases.working(held):
            try:
                attributes: dict[str, str | int] = {"driftline.job": held.job, "driftline.attempt": held.attempt}
                with watched(step, telemetry=self._telemetry, attributes=attributes):
                    done = work(partial(_finish, held))
            except FenceLost as taken:
                _log.info("%s of %s: %s", held.job, held.subject, taken)
                if isinstance(taken, Moved) and self._moved_often(held):
                    self._failed(held, reason=str(taken)[:500], lost=lost)
                else:
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

    def _moved_often(self, held: Claim) -> bool:
        """Whether the same work found what it had read changed again and again: once is chance, always is a fault."""
        with self._lock:
            if len(self._moved) > _MOST_MOVED:
                self._moved.clear()
            self._moved[held.id] += 1
            return self._moved[held.id] > _MOVED_FREELY

    def give_up(self, held: Claim, *, reason: str, lost: Lost | None) -> None:
        """The claim is over: tried again later, or after the fifth time told to ``lost``."""
        self.leases.drop(held)
        self._failed(held, reason=reason, lost=lost)

    def _failed(self, held: Claim, *, reason: str, lost: Lost | None) -> None:
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
