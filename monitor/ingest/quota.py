"""What one token has used of its quota, in the memory of one process."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

from prometheus_client import Counter

from monitor.model.errors import QuotaExceeded, TooLarge
from monitor.model.quota import Quota

MINUTE_SECONDS = 60.0


class Meter:
    """Counts a token's records and requests of a minute; threads share it.

    A minute begins with the first that is counted after the one before has ended, so that no more than the quota is
    counted in any of them, and a wall clock that jumps neither locks a token out nor lets it in. ``seconds`` is a clock
    that never goes back; ``refused`` counts by token and bound.
    """

    def __init__(self, quota: Quota, *, name: str, seconds: Callable[[], float], refused: Counter) -> None:
        self.quota = quota
        self._name = name
        self._seconds = seconds
        self._refused = refused
        self._lock = threading.Lock()
        self._began = -math.inf
        self._records = 0
        self._requests = 0

    def count_request(self) -> None:
        """Counts one request; ``QuotaExceeded`` where none is left, and then it is not counted."""
        if self.quota.requests is None:
            return
        with self._lock:
            self._turn()
            self._check("requests", used=self._requests, more=1, bound=self.quota.requests)
            self._requests += 1

    def expect_records(self) -> None:
        """Nothing, or ``QuotaExceeded`` where not one record is left: said before a body is read for nothing."""
        if self.quota.records is None:
            return
        with self._lock:
            self._turn()
            self._check("records", used=self._records, more=1, bound=self.quota.records)

    def take_records(self, records: int) -> float:
        """Counts so many records, all or none; gives the minute they are counted in, for ``give_back``."""
        bound = self.quota.records
        if bound is None:
            return self._began
        with self._lock:
            self._turn()
            if records > bound:
                self._refused.labels(self._name, "records").inc()
                raise TooLarge(
                    f"{records} records: the token's quota is {bound} a minute; send them in parts of fewer"
                )  # fmt: skip
            self._check("records", used=self._records, more=records, bound=bound)
            self._records += records
            return self._began

    def give_back(self, records: int, *, minute: float) -> None:
        """Takes back what was counted and then not stored, if its minute still lasts."""
        with self._lock:
            if minute == self._began and self.quota.records is not None:
                self._records = max(0, self._records - records)

    def _turn(self) -> None:
        now = self._seconds()
        if now - self._began >= MINUTE_SECONDS:
            self._began, self._records, self._requests = now, 0, 0

    def _check(self, kind: str, *, used: int, more: int, bound: int) -> None:
        if used + more <= bound:
            return
        wait = max(1, math.ceil(self._began + MINUTE_SECONDS - self._seconds()))
        self._refused.labels(self._name, kind).inc()
        raise QuotaExceeded(
            f"the token's quota is {bound} {kind} a minute, and {used} are used: nothing was stored; "
            f"send again in {wait} s, or ask for a larger quota", retry_after_seconds=wait,
        )  # fmt: skip
