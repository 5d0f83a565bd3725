"""Sealed windows: those whose rows have had their time. They take no more rows, and count as they were counted last.

``retained`` says what is left of such a window's records. While it is ``rows`` they are being removed from the log,
``dropped`` counting them: folded rows in the log, erased ones and dropped ones are together those that windows count.
Then ``outcomes`` are left, with the hashes of the ids: what labels are joined to and held against. At last ``nothing``;
``late`` is that and a row in the log that came too late, and is to be removed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, exists, func, select, update

from monitor.columns.quarantine import FUTURE_US
from monitor.model.errors import FenceLost
from monitor.store import dialect, tables
from monitor.store.batch_rows import INFO_COLUMNS, BatchInfo, batch_info
from monitor.store.erased import Remains, rewrite_batch
from monitor.store.windows import WindowRow

ROWS, OUTCOMES, LATE, NOTHING = "rows", "outcomes", "late", "nothing"
FORGOTTEN = (LATE, NOTHING)
_AGAIN = {OUTCOMES: ROWS, NOTHING: LATE}
_b = tables.log_batch.c
_e = tables.erased_rows.c
_v = tables.version.c
_m = tables.model.c
_w = tables.window.c
# Asked by intake every second of every version: an end of the index for each, whatever there are of them.
_NEWEST = select(
    *(
        select(func.max(_w.start_us))
        .where(_w.version_id == bindparam("version_id"), _w.state == "sealed", _w.retained == retained)
        .scalar_subquery()
        for retained in (ROWS, OUTCOMES, LATE, NOTHING)
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """Windows that are over (ended by ``ended_us``), whose newest row came at ``received_us`` or before."""

    received_us: int
    ended_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A version of which something may be removed, and its model."""

    id: int
    model_id: int


def kept_versions(conn: Connection) -> list[Kept]:
    """The live versions of models under no legal hold, by id."""
    query = select(_v.id, _v.model_id).join_from(tables.version, tables.model, _m.id == _v.model_id)
    query = query.where(_v.deleted_us.is_(None), _m.held_us.is_(None)).order_by(_v.id)
    return [Kept(id=row.id, model_id=row.model_id) for row in conn.execute(query)]


def oldest_due(conn: Connection, *, version_id: int, due: Due) -> int | None:
    """When the newest row came of the window that has waited longest to be sealed, if one may be."""
    found: int | None = conn.execute(select(func.min(_w.last_received_us)).where(*_unsealed(version_id, due))).scalar()
    return found


def due_windows(
    conn: Connection, *, version_id: int, due: Due, after: int | None = None, limit: int = 500
) -> list[WindowRow]:
    """The windows that may be sealed, oldest first, behind the one that starts at ``after``. One waits that is to be
    computed (again), or has rows that are not folded."""
    waiting = exists().where(
        _b.version_id == version_id, _b.fold.is_(None), _b.t_min_us < _w.end_us, _b.t_max_us >= _w.start_us
    )
    query = select(tables.window).where(*_unsealed(version_id, due), _w.dirty.is_(False), ~waiting)
    if after is not None:
        query = query.where(_w.start_us > after)
    return [WindowRow(**row._mapping) for row in conn.execute(query.order_by(_w.start_us).limit(limit))]


def seal(conn: Connection, *, version_id: int, due: Due, windows: Sequence[WindowRow]) -> int:
    """How many of those windows are sealed now: all that may be still, with the rows they had. The caller holds the
    version."""
    before = {window.start_us: window for window in windows}
    first = min(before, default=0)
    now = due_windows(conn, version_id=version_id, due=due, after=first - 1, limit=len(before))
    same = [w.start_us for w in now if w.start_us in before and w.rows == before[w.start_us].rows]
    change = update(tables.window).where(_w.version_id == version_id, _w.start_us.in_(same))
    return conn.execute(change.values(state="sealed", retained=ROWS, dropped=0)).rowcount


def sealed_starts(conn: Connection, *, version_id: int, from_us: int, to_us: int) -> list[int]:
    """The starts of the sealed windows that start in [from_us, to_us], ascending."""
    query = select(_w.start_us).where(_w.version_id == version_id, _w.state == "sealed")
    return list(conn.execute(query.where(_w.start_us.between(from_us, to_us)).order_by(_w.start_us)).scalars())


def newest_sealed(conn: Connection, *, version_id: int) -> int | None:
    """The start of the newest sealed window, if there is one."""
    newest = conn.execute(_NEWEST, {"version_id": version_id}).one()
    return max((start for start in newest if start is not None), default=None)


def dropping(conn: Connection, *, version_id: int) -> list[int]:
    """The starts of the windows whose rows are being removed, ascending."""
    going = _w.retained.in_(_AGAIN.values())
    query = select(_w.start_us).where(_w.version_id == version_id, _w.state == "sealed", going)
    return list(conn.execute(query.order_by(_w.start_us)).scalars())


def folded_within(
    conn: Connection, *, version_id: int, from_us: int, to_us: int, after: int, limit: int = 500
) -> list[BatchInfo]:
    """The folded batches by id, behind ``after``, whose times reach into [from_us, to_us)."""
    here = (_b.version_id == version_id, _b.t_min_us < to_us, _b.t_max_us >= from_us)
    query = select(*INFO_COLUMNS).where(*here, _b.fold.is_not(None), _b.id > after)
    return [batch_info(row) for row in conn.execute(query.order_by(_b.id).limit(limit))]


def drop_batches(conn: Connection, *, batches: Sequence[BatchInfo], gone: Mapping[int, int]) -> None:
    """Removes whole folded batches; ``gone`` says how many rows of which windows they were. The caller holds the
    version. ``FenceLost`` where one was compacted away, or erased from, since it was read."""
    ids, rows, removed = [batch.id for batch in batches], sum(batch.rows for batch in batches), 0
    for some in dialect.slices(ids):
        stored = select(func.coalesce(func.sum(_b.rows), 0)).where(_b.id.in_(some))
        rows -= conn.execute(stored).scalar_one()
        removed += conn.execute(delete(tables.log_batch).where(_b.id.in_(some))).rowcount
    if rows or removed != len(ids):
        raise FenceLost("batches to drop have changed since they were read")
    _count_dropped(conn, version_id=batches[0].version_id, gone=gone)


def drop_rows(conn: Connection, *, batch: BatchInfo, remains: Remains | None, gone: Mapping[int, int]) -> None:
    """Puts what remains in the place of a folded batch, or nothing; as ``drop_batches``."""
    rewrite_batch(conn, batch=batch, remains=remains)
    _count_dropped(conn, version_id=batch.version_id, gone=gone)


def refuse_late(conn: Connection, *, version_id: int, rows: Mapping[int, int]) -> None:
    """Notes rows that were folded for sealed windows and are counted nowhere: they are to be dropped as well."""
    for start_us, late in rows.items():
        here = (_w.version_id == version_id, _w.start_us == start_us, _w.state == "sealed")
        gone = func.coalesce(_w.dropped, 0) - late
        if conn.execute(update(tables.window).where(*here).values(dropped=gone)).rowcount != 1:
            raise FenceLost(f"window {start_us} of version {version_id} is not sealed any more")
        for retained, again in _AGAIN.items():
            conn.execute(update(tables.window).where(*here, _w.retained == retained).values(retained=again))


def dropped_all(conn: Connection, *, version_id: int) -> int:
    """How many windows have no row in the log any more, by their counts, and are noted so now."""
    erased = select(_e.rows).where(_e.version_id == _w.version_id, _e.window_start_us == _w.start_us)
    gone = func.coalesce(_w.dropped, 0) + func.coalesce(erased.correlate(tables.window).scalar_subquery(), 0)
    here = (_w.version_id == version_id, _w.state == "sealed", gone >= _w.rows + _w.deduplicated)
    changes = [
        update(tables.window).where(*here, _w.retained == again).values(retained=retained)
        for retained, again in _AGAIN.items()
    ]
    return sum(conn.execute(change).rowcount for change in changes)


def dropped_of_version(conn: Connection, *, version_id: int) -> int:
    """How many folded rows of the version are gone for their age."""
    query = select(func.coalesce(func.sum(_w.dropped), 0)).where(_w.version_id == version_id)
    return int(conn.execute(query).scalar_one())


def _count_dropped(conn: Connection, *, version_id: int, gone: Mapping[int, int]) -> None:
    for start_us, rows in gone.items():
        here = and_(_w.version_id == version_id, _w.start_us == start_us, _w.state == "sealed")
        change = update(tables.window).where(here).values(dropped=func.coalesce(_w.dropped, 0) + rows)
        if conn.execute(change).rowcount != 1:
            raise FenceLost(f"window {start_us} of version {version_id} is not sealed any more")


def _unsealed(version_id: int, due: Due) -> tuple[ColumnElement[bool], ...]:
    """A row is at most ``FUTURE_US`` ahead of its receipt, so the index need not be read any further."""
    return (
        _w.version_id == version_id, _w.state != "sealed", _w.start_us <= due.received_us + FUTURE_US,
        _w.last_received_us <= due.received_us, _w.end_us <= due.ended_us,
    )  # fmt: skip
