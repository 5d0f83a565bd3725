"""Claims that this process holds, their leases renewed by one thread for as long as the work goes on."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from monitor.model.errors import DriftlineError
from monitor.repeated import Repeated
from monitor.store.engine import Store
from monitor.store.runs import Claim, heartbeat, lapse, release

_log = logging.getLogger(__name__)
_BEATS_A_LEASE = 3


def process_name() -> str:
    """A name no other process has, for the owner column: host, process id, random."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


@dataclass(slots=True)
class _Held:
    claim: Claim
    began: float | None = None  # when its work began, or last said how far it is; None: it waits for its turn


class Leases:
    """Renews what is held; ``start`` runs the thread, without it nothing is renewed (synchronous ticks).

    Work that shows no progress for ``patience_us`` is not renewed any more: it may hang, and others could do it.
    """

    def __init__(self, store: Store, *, lease_us: int, patience_us: int, retry_us: int) -> None:
        self._store = store
        self._lease_us = lease_us
        self._patience_seconds = patience_us / 1e6
        self._retry_us = retry_us
        self._held: dict[int, _Held] = {}
        self._lock = threading.Lock()
        self._repeated = Repeated(
            self._renew_again, every_seconds=lease_us / 1e6 / _BEATS_A_LEASE, name="driftline-leases"
        )  # fmt: skip
        self.owner = process_name()

    def start(self) -> None:
        """Starts the heartbeat thread."""
        self._repeated.start()

    def stop(self) -> None:
        """Stops the thread and gives back what is still held, as if it had not been tried."""
        self._repeated.close()
        for held in self._all():
            self._give_back(held.claim)

    def hold(self, claims: Sequence[Claim]) -> None:
        """From now on these are renewed."""
        with self._lock:
            self._held |= {claim.id: _Held(claim) for claim in claims}

    def drop(self, claim: Claim) -> None:
        """The claim is over, or lost."""
        with self._lock:
            self._held.pop(claim.id, None)

    def progressed(self, claim: Claim) -> None:
        """The work of the claim does not hang."""
        with self._lock:
            if claim.id in self._held:
                self._held[claim.id].began = time.monotonic()

    @contextmanager
    def working(self, claim: Claim) -> Iterator[None]:
        """Holds the claim for the length of the block."""
        self.hold([claim])
        self.progressed(claim)
        try:
            yield
        finally:
            self.drop(claim)

    def renew(self) -> None:
        """Renews every held claim in one statement; forgets those that somebody took over, lets go of what hangs."""
        held = self._all()
        late = time.monotonic() - self._patience_seconds
        hanging = {one.claim.subject: one.claim for one in held if one.began is not None and one.began < late}
        for claim in hanging.values():
            self._lapse(claim)
        for one in held:
            if one.claim.subject in hanging and one.claim.id != hanging[one.claim.subject].id:
                self._give_back(one.claim)  # waits behind it for its turn
        claims = [one.claim for one in held if one.claim.subject not in hanging]
        if not claims:
            return
        with self._store.write() as conn:
            kept = heartbeat(conn, claims, lease_us=self._lease_us)
        for claim in claims:
            if claim.id not in kept:
                self.drop(claim)

    def _lapse(self, claim: Claim) -> None:
        self.drop(claim)
        reason = f"no end within {self._patience_seconds:.0f} s"
        _log.error("%s of %s: %s in attempt %d", claim.job, claim.subject, reason, claim.attempt)
        try:
            with self._store.write() as conn:
                lapse(conn, claim, error=reason, retry_in_us=self._retry_us)
        except DriftlineError as lost:
            _log.info("claim %s of %s was not let go: %s", claim.job, claim.subject, lost)

    def _give_back(self, claim: Claim) -> None:
        self.drop(claim)
        try:
            with self._store.write() as conn:
                release(conn, claim)
        except DriftlineError as lost:
            _log.info("claim %s of %s not released: %s", claim.job, claim.subject, lost)

    def _renew_again(self) -> None:
        try:
            self.renew()
        except DriftlineError as away:  # the database is away: the lease outlives two missed beats
            _log.warning("leases not renewed: %s", away)
        except Exception:  # without this thread every lease of the process would lapse
            _log.exception("leases not renewed")

    def _all(self) -> list[_Held]:
        with self._lock:
            return list(self._held.values())
