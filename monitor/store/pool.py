"""A pool of connections that ends those nobody needs.

SQLAlchemy's keeps as many as ever were in use at once, up to its size, and takes the one first that came back last. So
those that a busy moment has opened lie there for hours: with their descriptors, a session of the server each, and
libpq's buffers, which are as large as the largest message and never shrink (measured, 32 MB for one row of 20 MB; of
26 MB that a worker gained in 23 minutes they were 22).
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress

from sqlalchemy.pool import ConnectionPoolEntry, QueuePool
from sqlalchemy.util.queue import Empty

IDLE_SECONDS = 60.0
_RETURNED = "driftline_returned"  # by time.monotonic()
# SQLAlchemy says each checkout to a logger of the pool's class, which is one of ours here.
logging.getLogger(__name__).setLevel(logging.WARNING)


class TrimmedPool(QueuePool):
    """As many connections as are in use at once, now and then; ``end_idle`` has to be called for that."""

    def end_idle(self) -> None:
        """Ends the connections that came back longer than ``IDLE_SECONDS`` ago.

        Others go back in their order. Who takes one meanwhile may have to make it.
        """
        before = time.monotonic() - IDLE_SECONDS
        found: list[ConnectionPoolEntry] = []
        with suppress(Empty):
            while True:
                found.append(self._pool.get(block=False))
        idle = [entry for entry in found if entry.info[_RETURNED] < before]
        for entry in reversed(found):
            if entry not in idle:
                super()._do_return_conn(entry)
        for entry in idle:
            entry.close()
            self._dec_overflow()

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        record.info[_RETURNED] = time.monotonic()
        super()._do_return_conn(record)
