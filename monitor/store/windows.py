"""Windows of versions: a row exists where records are; ``dirty`` ones are to be computed (again)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import BigInteger, Connection, Row, Select, bindparam, func, select, update

from monitor.store import dialect, tables

_w = tables.window.c
JUDGED = ("closed", "revised")

# Asked for every slice and every window: built once, for building costs as much as running.
_ONE = select(tables.window).where(_w.version_id == bindparam("version_id"), _w.start_us == bindparam("start_us"))
_DUE = (
    select(tables.window)
    .where(_w.version_id == bindparam("version_id"), _w.dirty.is_(True), _w.end_us <= bindparam("closed_before_us"))
    .order_by(_w.start_us)
    .limit(bindparam("most", type_=BigInteger))
)
_MARK = update(tables.window).where(_w.version_id == bindparam("of"), _w.state != "sealed").values(dirty=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowRow:
    """A window as stored. ``state`` open, pending, closed, revised, gap or sealed; ``reason`` says why it is a gap.

    ``rows`` are those profiled, after ``deduplicated`` repeats were dropped; ``late_rows`` came after it had closed.
    ``label_rows`` counts the labels ever joined to it (None: none), ``due_us`` is when it is to be computed again
    though nothing comes; ``in_alert`` whether its data were in alert when it was judged last. ``segmentation`` is the
    digest of the segments that its rows were cut by: one without a profile of its own had no row (None: not cut).
    ``merged_layout_id`` is of its profile where that is part of a longer span's by now (None: it has its own).
    ``retained`` is what is left of a sealed one's records (``monitor.store.sealing``), ``dropped`` how many of its
    folded rows are gone for their age.
    """

    version_id: int
    start_us: int
    end_us: int
    state: str = "open"
    rows: int = 0
    deduplicated: int = 0
    late_rows: int = 0
    watermark_us: int | None = None
    first_received_us: int | None = None
    last_received_us: int | None = None
    revision: int = 0
    dirty: bool = True
    reference_number: int | None = None
    reason: str | None = None
    computed_us: int | None = None
    label_rows: int | None = None
    due_us: int | None = None
    in_alert: bool | None = None
    segmentation: str | None = None
    merged_layout_id: int | None = None
    retained: str | None = None
    dropped: int | None = None

    @property
    def is_sealed(self) -> bool:
        """Whether it takes no rows any more, for those it had are going or gone."""
        return self.state == "sealed"


def get_window(conn: Connection, *, version_id: int, start_us: int) -> WindowRow | None:
    """The version's window that starts then, if records were ever folded into it."""
    row = conn.execute(_ONE, {"version_id": version_id, "start_us": start_us}).first()
    return None if row is None else _row(row)


def list_windows(
    conn: Connection,
    *,
    version_id: int,
    from_us: int | None = None,
    to_us: int | None = None,
    after: int | None = None,
    limit: int = 1000,
) -> list[WindowRow]:
    """Windows that start in [from_us, to_us), oldest first, behind the one that starts at ``after``."""
    bounds = {"from_us": from_us, "to_us": to_us, "after": after}
    given = {name: bound for name, bound in bounds.items() if bound is not None}
    asked = {**given, "version_id": version_id, "most": limit}
    return [_row(row) for row in conn.execute(_listing(tuple(given)), asked)]


@cache  # one for each choice of bounds: a fold asks it, and building costs as much as running
def _listing(given: tuple[str, ...]) -> Select[Any]:
    bounds = {
        "from_us": _w.start_us >= bindparam("from_us"), "to_us": _w.start_us < bindparam("to_us"),
        "after": _w.start_us > bindparam("after"),
    }  # fmt: skip
    query = select(tables.window).where(_w.version_id == bindparam("version_id"), *(bounds[name] for name in given))
    return query.order_by(_w.start_us).limit(bindparam("most", type_=BigInteger))


def upsert_window(conn: Connection, row: WindowRow) -> None:
    """Stores the window as given, in place of what was stored of it."""
    upsert_windows(conn, [row])


def upsert_windows(conn: Connection, rows: Sequence[WindowRow]) -> None:
    """Stores the windows as given, in place of what was stored of them."""
    values = [{name: getattr(row, name) for name in WindowRow.__slots__} for row in rows]
    if not values:
        return
    conn.execute(dialect.upsert(conn, tables.window), values)


def dirty_closed(conn: Connection, *, version_id: int, closed_before_us: int, limit: int = 100) -> list[WindowRow]:
    """The version's dirty windows that end at ``closed_before_us`` (now − lateness) or before, oldest first."""
    asked = {"version_id": version_id, "closed_before_us": closed_before_us, "most": limit}
    return [_row(row) for row in conn.execute(_DUE, asked)]


def dirty_versions(conn: Connection) -> list[tuple[int, int]]:
    """(version id, earliest end_us of its dirty windows) of every live version that has one."""
    v = tables.version.c
    query = (
        select(_w.version_id, func.min(_w.end_us))
        .join_from(tables.window, tables.version, v.id == _w.version_id)
        .where(_w.dirty.is_(True), v.deleted_us.is_(None))
        .group_by(_w.version_id)
        .order_by(_w.version_id)
    )
    return [(int(id), int(end)) for id, end in conn.execute(query)]


def mark_dirty(conn: Connection, *, version_id: int, from_us: int | None = None, to_us: int | None = None) -> int:
    """How many windows that start in [from_us, to_us) are dirty now; sealed ones stay as they are."""
    change = _MARK
    if from_us is not None:
        change = change.where(_w.start_us >= from_us)
    if to_us is not None:
        change = change.where(_w.start_us < to_us)
    return conn.execute(change, {"of": version_id}).rowcount


def due_windows(conn: Connection, *, now_us: int) -> bool:
    """Whether some window is to be computed again by now though nothing came."""
    return conn.execute(select(_w.start_us).where(_w.due_us <= now_us).limit(1)).first() is not None


def mark_due(conn: Connection, *, now_us: int) -> int:
    """How many windows whose time has come are dirty now; each says itself when it is due again."""
    due = update(tables.window).where(_w.due_us <= now_us)
    return conn.execute(due.values(dirty=True, due_us=None)).rowcount


def newest_judged(conn: Connection, *, version_id: int) -> WindowRow | None:
    """The version's latest window that has been computed and was no gap."""
    query = select(tables.window).where(_w.version_id == version_id, _w.state.in_(JUDGED), _w.computed_us.is_not(None))
    row = conn.execute(query.order_by(_w.start_us.desc()).limit(1)).first()
    return None if row is None else _row(row)


def recent_windows(conn: Connection, *, version_id: int, limit: int) -> list[WindowRow]:
    """The version's latest windows, judged or not, oldest first."""
    query = select(tables.window).where(_w.version_id == version_id).order_by(_w.start_us.desc()).limit(limit)
    return [_row(row) for row in conn.execute(query)][::-1]


def newest_window(conn: Connection, *, version_id: int) -> WindowRow | None:
    """The version's latest window, judged or not."""
    query = select(tables.window).where(_w.version_id == version_id).order_by(_w.start_us.desc()).limit(1)
    row = conn.execute(query).first()
    return None if row is None else _row(row)


def _row(row: Row[Any]) -> WindowRow:
    return WindowRow(**row._mapping)
