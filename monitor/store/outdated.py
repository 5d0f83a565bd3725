"""What goes after the rows of a sealed window: what labels were held against, results, alerts, what was kept aside.

Each call is one step, short enough for the write lock; the caller holds the version, or the model's joins.
"""

from __future__ import annotations

from sqlalchemy import Connection, and_, delete, exists, or_, select, update

from monitor.columns.quarantine import FUTURE_US
from monitor.store import tables
from monitor.store.kept_aside import Shelf
from monitor.store.purge import remove_some
from monitor.store.sealing import FORGOTTEN, NOTHING, OUTCOMES

_w = tables.window.c
_t = tables.transition.c
_h = tables.handling.c
_s = tables.label_segment.c
_PARTS = (tables.window_label, tables.outcome, tables.id_run)
_FOUND = (tables.judged_counts, tables.scorecard, tables.result)


def forget_outcomes(conn: Connection, *, version_id: int, received_us: int, limit: int = 500) -> int:
    """How many sealed windows whose newest row came at ``received_us`` or before take no labels from now on."""
    some = select(_w.start_us).where(
        _w.version_id == version_id, _w.state == "sealed", _w.retained == OUTCOMES,
        _w.start_us <= received_us + FUTURE_US, _w.last_received_us <= received_us, _w.dirty.is_(False),
    )  # fmt: skip
    starts = conn.execute(some.order_by(_w.start_us).limit(limit)).scalars().all()
    here = (_w.version_id == version_id, _w.start_us.in_(starts))
    return conn.execute(update(tables.window).where(*here).values(retained=NOTHING, due_us=None)).rowcount


def remove_forgotten(conn: Connection, *, version_id: int, received_us: int, limit: int = 500) -> int:
    """How many parts of outcomes, labels and ids were removed of windows that take no labels any more."""
    for table in _PARTS:
        start = table.c.window_start_us
        forgotten = exists().where(_w.version_id == version_id, _w.start_us == start, _w.retained.in_(FORGOTTEN))
        owner = and_(table.c.version_id == version_id, start <= received_us + FUTURE_US, forgotten)
        removed = remove_some(conn, table, owner=owner, limit=limit)
        if removed:
            return removed
    return 0


def remove_results(conn: Connection, *, version_id: int, before_us: int, limit: int = 500) -> int:
    """How many results, scorecards and counts were removed of windows whose newest row came before then, and that take
    no labels any more; and of windows without a row that ended before then."""
    for table in _FOUND:
        start = table.c.window_start_us
        newer = or_(_w.retained.is_(None), _w.retained.not_in(FORGOTTEN), _w.last_received_us > before_us)
        kept = exists().where(_w.version_id == version_id, _w.start_us == start, newer)
        owner = and_(table.c.version_id == version_id, start <= before_us, ~kept)
        removed = remove_some(conn, table, owner=owner, limit=limit)
        if removed:
            return removed
    return 0


def remove_alerts(conn: Connection, *, version_id: int, before_us: int, limit: int = 500) -> int:
    """How many transitions of before then were removed, with what was said of them; one that fires stays."""
    old = (_t.version_id == version_id, _t.firing.is_(False), _t.at_us <= before_us, _t.window_end_us <= before_us)
    ids = conn.execute(select(_t.id).where(*old).order_by(_t.id).limit(limit)).scalars().all()
    conn.execute(delete(tables.handling).where(_h.transition_id.in_(ids)))
    return conn.execute(delete(tables.transition).where(_t.id.in_(ids))).rowcount


def remove_aside(conn: Connection, *, shelf: Shelf, owner_id: int, before_us: int, limit: int = 500) -> int:
    """How many of what was kept aside before then were removed, put back or not; the oldest first, by their ids."""
    c = shelf.table.c
    first = select(c.id, c.received_us).where(c[shelf.owner] == owner_id).order_by(c.id).limit(limit)
    return shelf.remove(conn, ids=[row.id for row in conn.execute(first) if row.received_us <= before_us])


def old_segments(conn: Connection, *, model_id: int, before_us: int) -> list[int]:
    """The segments of labels of which all were received before then."""
    here = (_s.model_id == model_id, _s.last_received_us <= before_us)
    return list(conn.execute(select(_s.id).where(*here).order_by(_s.id)).scalars())
