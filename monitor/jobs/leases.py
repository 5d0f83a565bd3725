"""Claims that this process holds, their leases renewed by one thread for as long as the work goes on."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from monitor.model.errors import DriftlineError, FenceLost
from monitor.store.engine import Store
from monitor.store.runs import Claim, heartbeat, release

_log = logging.getLogger(__name__)
_BEATS_A_LEASE = 3


def process_name() -> str:
    """A name no other process has, for the owner column: host, process id, random."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


class Leases:
    """Renews what is held; ``start`` runs the thread, without it nothing is renewed (synchronous ticks)."""

    def __init__(self, store: Store, *, lease_us: int) -> None:
        self._store = store
        self._lease_us = lease_us
        self._held: dict[int, Claim] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self.owner = process_name()

    def start(self) -> None:
        """Starts the heartbeat thread."""
        self._stopped.clear()
        self._thread = threading.Thread(target=self._beat, name="driftline-leases", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stops the thread and gives back what is still held, as if it had not been tried."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        for claim in self._taken():
            self.drop(claim)
            try:
                with self._store.write() as conn:
                    release(conn, claim)
            except DriftlineError as lost:
                _log.info("claim %s of %s not released: %s", claim.job, claim.subject, lost)

    def hold(self, claims: Sequence[Claim]) -> None:
        """From now on these are renewed."""
        with self._lock:
            self._held |= {claim.id: claim for claim in claims}

    def drop(self, claim: Claim) -> None:
        """The claim is over, or lost."""
        with self._lock:
            self._held.pop(claim.id, None)

    @contextmanager
    def working(self, claim: Claim) -> Iterator[None]:
        """Holds the claim for the length of the block."""
        self.hold([claim])
        try:
            yield
        finally:
            self.drop(claim)

    def renew(self) -> None:
        """Renews every held claim in one transaction; forgets those that somebody took over."""
        claims = self._taken()
        if not claims:
            return
        with self._store.write() as conn:
            for claim in claims:
                try:
                    heartbeat(conn, claim, lease_us=self._lease_us)
                except FenceLost:
                    self.drop(claim)

    def _beat(self) -> None:
        while not self._stopped.wait(self._lease_us / 1e6 / _BEATS_A_LEASE):
            try:
                self.renew()
            except DriftlineError as away:  # the database is away: the lease outlives two missed beats
                _log.warning("leases not renewed: %s", away)

    def _taken(self) -> list[Claim]:
        with self._lock:
            return list(self._held.values())
