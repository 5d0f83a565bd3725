"""Id runs read lately, decoded: what asks for the same windows again does not read them again."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from monitor.columns.keyed_ids import Hashes, decode_run, hash_key
from monitor.store.engine import Store
from monitor.store.ids import run_payload

CACHED_BYTES = 64 * 2**20
IDLE_SECONDS = 300.0  # a window that fills is read with each fold; others were merged, or their window is over


class RunCache:
    """Id runs read lately, at most 64 MiB of them and a read drops what nobody has asked for in five minutes.
    A run never changes once it has an id.

    ``key`` is what the store's ids are hashed with. Safe to ask from several threads.
    """

    def __init__(
        self, store: Store, *, size: int = CACHED_BYTES, clock: Callable[[], float] = time.monotonic
    ) -> None:  # fmt: skip
        self._store = store
        self._left = size
        self._runs: OrderedDict[int, tuple[float, Hashes]] = OrderedDict()  # when last asked for, the oldest first
        self._lock = Lock()
        self._clock = clock
        self.key = hash_key(store.secret)

    def read(self, id: int) -> Hashes:
        """The ascending hashes of the run; ``NotFound`` once it has been merged into another."""
        with self._lock:
            if id in self._runs:
                return self._keep(id, self._runs.pop(id)[1])
        with self._store.read() as conn:
            run = decode_run(run_payload(conn, id=id))
        with self._lock:
            if id not in self._runs:
                self._left -= run.nbytes
                self._keep(id, run)
        return run

    def _keep(self, id: int, run: Hashes) -> Hashes:
        """Makes it the newest, and drops what is too much or too old."""
        now = self._clock()
        self._runs[id] = (now, run)
        while self._runs:
            asked, oldest = next(iter(self._runs.values()))
            if self._left >= 0 and now - asked < IDLE_SECONDS:
                break
            self._runs.popitem(last=False)
            self._left += oldest.nbytes
        return run
