"""What was looked up lately: kept for a second, read once however many requests ask for it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

TTL_SECONDS = 1.0
_KEPT = 10_000
K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Remembered(Generic[K, V]):
    """Values by key, from memory for at most ``TTL_SECONDS``; ``read`` (blocking) brings one, or raises.

    Safe to ask from several threads; ``get`` from one event loop.
    """

    def __init__(self, read: Callable[[K], V]) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._found: OrderedDict[K, tuple[float, V]] = OrderedDict()
        self._loading: dict[K, asyncio.Task[V]] = {}
        self._generation = 0

    def invalidate(self) -> None:
        """Forget everything: the next request of each key reads."""
        with self._lock:
            self._generation += 1
            self._found.clear()

    async def get(self, key: K) -> V:
        """The value, from memory or read in a thread."""
        known = self._found.get(key)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        loading = self._loading.get(key)
        if loading is None:  # one reader a key, however many requests wait
            loading = asyncio.ensure_future(asyncio.to_thread(self.load, key))
            self._loading[key] = loading
            loading.add_done_callback(lambda _: self._loading.pop(key, None))
        return await asyncio.shield(loading)

    def load(self, key: K) -> V:
        """The value as it is now (blocking)."""
        generation = self._generation
        value = self._read(key)
        with self._lock:
            if generation == self._generation:
                self._found[key] = (time.monotonic() + TTL_SECONDS, value)
                while len(self._found) > _KEPT:
                    self._found.popitem(last=False)
        return value
