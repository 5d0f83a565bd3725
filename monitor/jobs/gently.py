"""Long removals in short transactions that leave room for whoever else writes."""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlalchemy import Connection

from monitor.store.engine import Store

SECONDS = 5.0  # at once: what else is tidied up waits no longer


def in_steps(store: Store, step: Callable[[Connection], int], *, seconds: float = SECONDS) -> bool:
    """Whether the step said 0, nothing is left; else the time is up. Each step is a transaction of its own.

    After each it waits as long as that took: SQLite has one writer, and whoever waits for it gets it then.
    """
    ends = time.monotonic() + seconds
    while True:
        began = time.monotonic()
        with store.write() as conn:
            removed = step(conn)
        now = time.monotonic()
        if not removed or now >= ends:
            return not removed
        time.sleep(now - began)
