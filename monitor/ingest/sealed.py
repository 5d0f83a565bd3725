"""Which rows come to windows that are sealed, and are not taken."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from sqlalchemy import Connection

from monitor.columns.batch import TIMESTAMP
from monitor.ingest.assemble import Received
from monitor.ingest.targets import Target
from monitor.model.window import WindowSpec
from monitor.store.sealing import sealed_starts


def sealed_within(conn: Connection, *, target: Target, first_us: int, last_us: int) -> frozenset[int]:
    """The starts of the version's sealed windows that hold instants from ``first_us`` to ``last_us``."""
    if first_us >= target.sealed_until_us:
        return frozenset()
    from_us = target.model.window.start_of(first_us)
    return frozenset(sealed_starts(conn, version_id=target.version.id, from_us=from_us, to_us=last_us))


def in_windows(instants_us: NDArray[np.int64], *, starts: AbstractSet[int], window: WindowSpec) -> NDArray[np.bool_]:
    """bool[n]: which of the instants are in the windows that start then."""
    if not starts:
        return np.zeros(len(instants_us), dtype=np.bool_)
    return np.isin(window.starts_of(instants_us), np.fromiter(starts, dtype=np.int64))


def span_of(received: Received) -> tuple[int, int] | None:
    """The first and the last instant of what is to be stored; None where that is nothing."""
    times = [pc.min_max(batch.column(TIMESTAMP).cast(pa.int64())) for batch in received.batches]
    if not times:
        return None
    return min(t["min"].as_py() for t in times), max(t["max"].as_py() for t in times)
