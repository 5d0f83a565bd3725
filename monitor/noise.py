"""Random bytes of the operating system, asked for by the thousand.

Each call lets another thread have the interpreter, and waits until it gives it back: what every request needs of them
costs more in waiting than in bytes.
"""

from __future__ import annotations

import os
import threading

_AT_ONCE = 4_096


class Noise:
    """Hands out random bytes, none of them twice. Threads share it; a forked process begins anew."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bytes = b""
        self._taken = 0
        os.register_at_fork(after_in_child=self._forget)

    def take(self, count: int) -> bytes:
        """``count`` bytes (at most 4,096) that nobody else gets.

        >>> len(Noise().take(10))
        10
        """
        with self._lock:
            end = self._taken + count
            if end > len(self._bytes):
                self._bytes, end = os.urandom(_AT_ONCE), count
            self._taken = end
            return self._bytes[end - count : end]

    def _forget(self) -> None:
        """Nothing of what the parent has yet to hand out; a thread of it may have held the lock."""
        self._lock = threading.Lock()
        self._bytes = b""
        self._taken = 0


NOISE = Noise()
