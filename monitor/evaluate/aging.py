"""What has had its time goes, window by window, in short steps that can be done again.

First what labels are held against is kept of the window where it is not yet. Then it is sealed: from then on it takes
no rows, and what was found of its data stands. Then its rows leave the log: a batch that holds no others at once, one
that does is written again without them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from sqlalchemy import Connection

from monitor.columns.batch import decode_batch
from monitor.evaluate.context import Contexts, VersionContext
from monitor.evaluate.erase_log import remains_of
from monitor.evaluate.slices import instants_of
from monitor.evaluate.window_card import made_outcomes
from monitor.model.errors import FenceLost
from monitor.model.retention import Retention
from monitor.model.window import WindowSpec
from monitor.store.batch_rows import BatchInfo, by_bytes
from monitor.store.batches import payloads
from monitor.store.engine import Store
from monitor.store.holds import refuse_held
from monitor.store.models import get_version_by_id
from monitor.store.outcomes import replace_outcomes
from monitor.store.purge import STEP_BYTES
from monitor.store.sealing import (
    Due,
    drop_batches,
    drop_rows,
    dropped_all,
    dropping,
    due_windows,
    folded_within,
    oldest_due,
    seal,
)
from monitor.store.versions import lock_version
from monitor.store.windows import WindowRow, get_window

STEP_ROWS = 500  # batches or windows of one transaction, of which batches hold STEP_BYTES at most
_TRIES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Aged:
    """How many windows were sealed, and how many rows left the log."""

    windows: int
    rows: int


def age(
    store: Store, *, contexts: Contexts, version_id: int, retention: Retention, now_us: int,
    going: Callable[[], bool] = lambda: True,
) -> Aged:  # fmt: skip
    """Seals windows of the version and removes their rows, step after step while ``going`` says so.

    ``Held`` where its model is under a legal hold.
    """
    with store.read() as conn:
        model, _ = get_version_by_id(conn, id=version_id)
        due = Due(received_us=now_us - retention.rows_us, ended_us=now_us - model.lateness_us)
        oldest_us = oldest_due(conn, version_id=version_id, due=due)
    sealed = 0
    if oldest_us is not None and oldest_us <= due.received_us - retention.turn_us:
        with store.read() as conn:
            context = contexts.load(conn, version_id=version_id)
        sealed = _seal(store, context=context, due=due, going=going)
    dropped = _drop(store, version_id=version_id, window=model.window, going=going)
    return Aged(windows=sealed, rows=dropped)


def _seal(store: Store, *, context: VersionContext, due: Due, going: Callable[[], bool]) -> int:
    """How many windows were sealed, oldest first."""
    sealed, after, id = 0, None, context.version.id
    while going():
        with store.read() as conn:
            page = due_windows(conn, version_id=id, due=due, after=after, limit=STEP_ROWS)
        if not page:
            return sealed
        for window in page:
            _keep_outcomes(store, context=context, window=window)
        after = page[-1].start_us
        with store.write() as conn:
            hold_off(conn, version_id=id)
            sealed += seal(conn, version_id=id, due=due, windows=page)
    return sealed


def _keep_outcomes(store: Store, *, context: VersionContext, window: WindowRow) -> None:
    """Keeps of the window what labels will be held against, where its folds have not: they had nothing to hold them
    against. One that got rows meanwhile is not sealed."""
    made, replaced = made_outcomes(store, context=context, window=window)
    if not made:
        return
    with store.write() as conn:
        hold_off(conn, version_id=window.version_id)
        now = get_window(conn, version_id=window.version_id, start_us=window.start_us)
        if now is not None and now.rows == window.rows:
            replace_outcomes(conn, version_id=window.version_id, ids=replaced, parts=made)


def _drop(store: Store, *, version_id: int, window: WindowSpec, going: Callable[[], bool]) -> int:
    """How many rows of sealed windows left the log. A batch that compaction makes meanwhile comes later, by its id."""
    with store.read() as conn:
        starts = dropping(conn, version_id=version_id)
    if not starts:
        return 0
    after = dropped = 0
    while going():
        with store.read() as conn:
            page = folded_within(
                conn, version_id=version_id, from_us=starts[0], to_us=window.end_of(starts[-1]), after=after,
                limit=STEP_ROWS,
            )  # fmt: skip
        if not page:
            break
        after = page[-1].id
        dropped += _page(store, page, window=window, starts=frozenset(starts))
    with store.write() as conn:
        hold_off(conn, version_id=version_id)
        dropped_all(conn, version_id=version_id)
    return dropped


def _page(store: Store, page: Sequence[BatchInfo], *, window: WindowSpec, starts: frozenset[int]) -> int:
    """How many rows of those windows left the log with the batches of the page, or with a part of them."""
    whole = [batch for batch in page if window.end_of(window.start_of(batch.t_min_us)) > batch.t_max_us]
    going = [batch for batch in whole if window.start_of(batch.t_min_us) in starts]
    dropped = 0
    for step in by_bytes(going, most=STEP_BYTES):
        gone = Counter[int]()
        for batch in step:
            gone[window.start_of(batch.t_min_us)] += batch.rows
        try:
            with store.write() as conn:
                hold_off(conn, version_id=page[0].version_id)
                drop_batches(conn, batches=step, gone=gone)
            dropped += gone.total()
        except FenceLost:  # compacted, or erased from, meanwhile: one by one, as they are now
            dropped += sum(_rewrite(store, batch, window=window, starts=starts) for batch in step)
    known = {batch.id for batch in whole}
    return dropped + sum(
        _rewrite(store, batch, window=window, starts=starts) for batch in page if batch.id not in known
    )


def _rewrite(store: Store, batch: BatchInfo, *, window: WindowSpec, starts: frozenset[int]) -> int:
    """How many rows of those windows the batch had; the others are written again in its place."""
    for _ in range(_TRIES):
        with store.read() as conn:
            now = folded_within(
                conn, version_id=batch.version_id, from_us=batch.t_min_us, to_us=batch.t_max_us + 1,
                after=batch.id - 1, limit=1,
            )  # fmt: skip
            stored = payloads(conn, ids=[batch.id])
        if not stored or not now or now[0].id != batch.id:  # compacted away: what it became comes later
            return 0
        rows = decode_batch(*stored[batch.id])
        of = window.starts_of(instants_of(rows))
        going = np.isin(of, np.fromiter(starts, dtype=np.int64))
        if not going.any():
            return 0
        remains = remains_of(rows.filter(pa.array(~going)), codec=batch.codec)
        try:
            with store.write() as conn:
                hold_off(conn, version_id=batch.version_id)
                drop_rows(conn, batch=now[0], remains=remains, gone=Counter(of[going].tolist()))
            return int(going.sum())
        except FenceLost:  # erased from meanwhile: it is read again
            continue
    raise FenceLost(f"batch {batch.id} changed again and again while it was read")


def hold_off(conn: Connection, *, version_id: int) -> None:
    """Holds the version; ``Held`` where a legal hold began meanwhile, and none begins before this commits."""
    refuse_held(conn, model_id=lock_version(conn, id=version_id).model_id)
