"""What is due and not claimed yet: claimed a little at a time, so that every process gets its share.

A process that claimed all it sees would leave the others nothing, and what it claimed would wait for its two threads.
So each takes an eighth of what is left, 32 at most, whenever its lanes run dry; and each goes through the fleet in an
order of its own, so that they seldom ask for the same version.
"""

from __future__ import annotations

import logging
import zlib
from collections import deque
from collections.abc import Callable, Sequence
from threading import Lock

from monitor.jobs.attempts import Attempts
from monitor.jobs.plan import Due
from monitor.jobs.settings import JobSettings
from monitor.jobs.version_work import VersionWork
from monitor.model.errors import Unavailable
from monitor.store.runs import Claim

_log = logging.getLogger(__name__)
_SHARE = 8
_REFUSALS = 2


class Backlog:
    """The versions that are due, each begun once its claim is won; ``begin`` says whether it was taken."""

    def __init__(
        self, work: VersionWork, *,
        attempts: Attempts, settings: JobSettings, begin: Callable[[Due, Claim | None], bool],
    ) -> None:  # fmt: skip
        self._work = work
        self._attempts = attempts
        self._most = settings.claims_together
        self._begin = begin
        self._left: deque[Due] = deque()
        self._feeding = Lock()

    def put(self, dues: Sequence[Due]) -> None:
        """What is due now, in place of what was due before."""
        owner = self._attempts.leases.owner
        ordered = sorted(dues, key=lambda due: (not due.windows, zlib.crc32(f"{owner} {due.version_id}".encode())))
        self._left = deque(ordered)

    def feed(self, hungry: Callable[[], bool], *, now_us: Callable[[], int]) -> None:
        """Claims and begins some, if there is room; one thread at a time, the others leave it to that one.

        Whoever has done those asks again: the ticker, who asks too, has to look for other things.
        """
        if not self._feeding.acquire(blocking=False):
            return
        try:
            refusals = begun = 0
            while not begun and refusals < _REFUSALS and hungry() and (some := self._next()):
                try:
                    begun = self._begin_some(some, now_us=now_us())
                except Unavailable as away:  # one of these is held by a process that stands still, or all is away
                    _log.warning("%d versions wait for the database: %s", len(some), away)
                    refusals += 1
        finally:
            self._feeding.release()

    def _next(self) -> list[Due]:
        left = self._left
        wanted = min(self._most, -(-len(left) // _SHARE))
        taken: list[Due] = []
        while len(taken) < wanted and left:
            taken.append(left.popleft())
        return taken

    def _begin_some(self, dues: list[Due], *, now_us: int) -> int:
        """How many were begun."""
        begun = 0
        folding = [due for due in dues if due.fold]
        claims = self._work.claim_folds(folding, now_us=now_us) if folding else {}
        for due in dues:
            claim = claims.get(due.version_id)
            if due.fold and claim is None:
                continue  # somebody else folds it, and judges its windows after
            if self._begin(due, claim):
                begun += 1
            elif claim is not None:
                self._attempts.give_back(claim)
        return begun
