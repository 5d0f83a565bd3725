"""One budget of bytes in flight: taken before a body is read, returned after the answer."""

from __future__ import annotations

import threading
from types import TracebackType

from prometheus_client import Gauge

from monitor.model.errors import Unavailable


class ByteBudget:
    """Bytes that requests in flight may hold together; threads share it. ``name`` is the limit's, for who meets it."""

    def __init__(self, limit: int, *, gauge: Gauge | None = None, name: str = "MAX_INFLIGHT_BYTES") -> None:
        self.limit = limit
        self._name = name
        self.used = 0
        self._lock = threading.Lock()
        if gauge is not None:
            gauge.set_function(lambda: self.used)

    def lease(self, size: int) -> Lease:
        """A lease of ``size`` bytes, to be closed; ``Unavailable`` when the budget has not that much left."""
        lease = Lease(self)
        if size:
            lease.grow(size)
        return lease

    def _take(self, size: int, held: int) -> int:
        # A request alone may always go on, whatever its weight: else one just over the budget could never succeed.
        with self._lock:
            if self.used - held > 0 and self.used + size > self.limit:
                raise Unavailable(
                    f"{self.used} of {self.limit} bytes ({self._name}) are in flight: send again later",
                    retry_after_seconds=1,
                )
            self.used += size
        return size

    def _give_back(self, size: int) -> None:
        with self._lock:
            self.used -= size


class Lease:
    """What one request holds of the budget; a context manager that returns it."""

    __slots__ = ("_budget", "held")

    def __init__(self, budget: ByteBudget) -> None:
        self._budget = budget
        self.held = 0

    def grow(self, size: int) -> None:
        """Hold ``size`` bytes more, or ``Unavailable``."""
        self.held += self._budget._take(size, self.held)

    def close(self) -> None:
        """Return everything held."""
        self._budget._give_back(self.held)
        self.held = 0

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
