"""Id runs read lately, decoded: what asks for the same windows again does not read them again."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

from monitor.columns.keyed_ids import Hashes, decode_run, hash_key
from monitor.store.engine import Store
from monitor.store.ids import run_payload

CACHED_BYTES = 64 * 2**20


class RunCache:
    """Id runs read lately, at most 64 MiB of them: a run never changes once it has an id.

    ``key`` is what the store's ids are hashed with. Safe to ask from several threads.
    """

    def __init__(self, store: Store, *, size: int = CACHED_BYTES) -> None:
        self._store = store
        self._left = size
        self._runs: OrderedDict[int, Hashes] = OrderedDict()
        self._lock = Lock()
        self.key = hash_key(store.secret)

    def read(self, id: int) -> Hashes:
        """The ascending hashes of the run; ``NotFound`` once it has been merged into another."""
        with self._lock:
            if id in self._runs:
                self._runs.move_to_end(id)
                return self._runs[id]
        with self._store.read() as conn:
            run = decode_run(run_payload(conn, id=id))
        with self._lock:
            if id not in self._runs:
                self._runs[id] = run
                self._left -= run.nbytes
            while self._left < 0 and self._runs:
                self._left += self._runs.popitem(last=False)[1].nbytes
        return run
