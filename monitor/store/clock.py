"""The clock of a process: the database's, which all its processes share, and not the one of the host it runs on.

A replica whose host is three hours ahead would judge windows before their rows come, and tell of silence that is none;
one that is behind would quarantine records as from the future. So the database is asked what time it is, and in between
a clock that nobody sets carries that forward.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from monitor.model.errors import DriftlineError
from monitor.repeated import Repeated
from monitor.store.dialect import read_clock_us
from monitor.store.engine import Store

_log = logging.getLogger(__name__)
EVERY_SECONDS = 10.0
_TOLD_US = 5_000_000
# Counts also while the host sleeps; CLOCK_MONOTONIC does not, https://man7.org/linux/man-pages/man2/clock_gettime.2.html
_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class SharedClock:
    """Microseconds since the epoch by the database's clock; by ``wall_us`` until the database has been asked once.

    ``skewed`` is told how many seconds ``wall_us`` is ahead, whenever the database was asked.
    """

    def __init__(
        self, store: Store, *, wall_us: Callable[[], int], skewed: Callable[[float], None] | None = None
    ) -> None:  # fmt: skip
        self._store = store
        self._skewed = skewed
        self._wall_us = wall_us
        self._ahead_us: int | None = None  # of the steady clock
        self._told_us = 0
        self._repeated = Repeated(self._agree_again, every_seconds=EVERY_SECONDS, name="driftline-clock")

    def __call__(self) -> int:
        """Now."""
        return self._wall_us() if self._ahead_us is None else _steady_us() + self._ahead_us

    def agree(self) -> None:
        """Asks the database; says in the log where the host's own clock is seconds off."""
        with self._store.read() as conn:
            read_clock_us(conn)  # the connection is made, and its transaction begun
            before_us = _steady_us()
            shared_us = read_clock_us(conn)
            after_us = _steady_us()
        self._ahead_us = shared_us - (before_us + after_us) // 2
        skew_us = self._wall_us() - self()
        if self._skewed is not None:
            self._skewed(skew_us / 1e6)
        if abs(skew_us - self._told_us) > _TOLD_US:
            self._told_us = skew_us
            _log.warning("this host's clock is %.0f s off the database's, which counts", skew_us / 1e6)

    def start(self) -> None:
        """Asks from now on every ten seconds."""
        self._repeated.start()

    def close(self) -> None:
        """Asks no more."""
        self._repeated.close()

    def _agree_again(self) -> None:
        try:
            self.agree()
        except DriftlineError as away:
            _log.debug("the clock goes on by itself: %s", away)


def _steady_us() -> int:
    return time.clock_gettime_ns(_STEADY) // 1_000
