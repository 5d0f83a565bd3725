"""Profiles of days and weeks, and how those of windows become part of them: opaque bytes, nothing is added up here.

Whoever changes anything here holds the version's row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, delete, func, select, tuple_, update

from monitor.model.errors import FenceLost
from monitor.store import dialect, tables
from monitor.store.profiles import StoredProfile

_w, _p, _m = tables.window.c, tables.profile.c, tables.merged_profile.c
_PLACE = (_m.start_us, _m.end_us, _m.segment, _m.layout_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedProfile:
    """The encoded sum of the profiles of ``windows`` windows that start in ``[start, end)``, of one segment."""

    version_id: int
    segment: str = ""
    start_us: int
    end_us: int
    layout_id: int
    windows: int
    rows: int
    last_received_us: int
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Mergeable:
    """A window or a merged span whose profiles, ``bytes`` of all segments together, may become part of a longer one.

    ``layout_id`` is that of all traffic.
    """

    start_us: int
    end_us: int
    layout_id: int
    last_received_us: int
    bytes: int


def mergeable_windows(
    conn: Connection, *, version_id: int, ended_us: int, received_us: int, after_us: int = -(2**62), limit: int = 500
) -> list[Mergeable]:
    """Sealed windows with a profile of their own that ended and got their last record by then, oldest first."""
    weighed = select(func.sum(func.length(_p.payload))).where(
        _p.version_id == _w.version_id, _p.window_start_us == _w.start_us
    )
    whole = and_(_p.version_id == _w.version_id, _p.window_start_us == _w.start_us, _p.segment == "")
    query = select(
        _w.start_us, _w.end_us, _p.layout_id, _w.last_received_us,
        weighed.correlate(tables.window).scalar_subquery().label("bytes"),
    ).join_from(tables.window, tables.profile, whole)  # fmt: skip
    query = query.where(
        _w.version_id == version_id, _w.state == "sealed", _w.merged_layout_id.is_(None), _w.start_us > after_us,
        _w.end_us <= ended_us, func.coalesce(_w.last_received_us, _w.end_us) <= received_us,
    )  # fmt: skip
    rows = conn.execute(query.order_by(_w.start_us).limit(limit))
    return [Mergeable(**{**row._mapping, "last_received_us": row.last_received_us or row.end_us}) for row in rows]


def mergeable_spans(
    conn: Connection, *, version_id: int, ended_us: int, received_us: int, shorter_than_us: int
) -> list[Mergeable]:
    """Merged spans of fewer microseconds that ended and got their last record by then, oldest first."""
    each = tables.merged_profile.alias().c
    weighed = select(func.sum(func.length(each.payload))).where(
        each.version_id == _m.version_id, each.start_us == _m.start_us, each.end_us == _m.end_us
    )
    query = select(
        _m.start_us, _m.end_us, _m.layout_id, _m.last_received_us,
        weighed.correlate(tables.merged_profile).scalar_subquery().label("bytes"),
    ).where(
        _m.version_id == version_id, _m.segment == "", _m.end_us - _m.start_us < shorter_than_us,
        _m.end_us <= ended_us, _m.last_received_us <= received_us,
    )  # fmt: skip
    rows = conn.execute(query.order_by(_m.start_us, _m.layout_id))
    return [Mergeable(**row._mapping) for row in rows]


def profiles_of_windows(conn: Connection, *, version_id: int, starts_us: Sequence[int]) -> list[StoredProfile]:
    """All profiles of these windows by segment, layout and start."""
    here = (_p.version_id == version_id, _p.window_start_us.in_(starts_us))
    rows = conn.execute(select(tables.profile).where(*here).order_by(_p.segment, _p.layout_id, _p.window_start_us))
    return [StoredProfile(**{**row._mapping, "payload": bytes(row.payload)}) for row in rows]


def merged_profiles(
    conn: Connection, *, version_id: int, spans: Sequence[tuple[int, int]]
) -> list[MergedProfile]:  # fmt: skip
    """All merged profiles of exactly these spans by segment, layout and start."""
    here = (_m.version_id == version_id, tuple_(_m.start_us, _m.end_us).in_(spans))
    rows = conn.execute(select(tables.merged_profile).where(*here).order_by(_m.segment, _m.layout_id, _m.start_us))
    return [_merged(row._mapping) for row in rows]


def overlapping(
    conn: Connection, *, version_id: int, layout_id: int, segment: str, from_us: int, to_us: int,
    after: tuple[int, int] | None = None, limit: int = 50,
) -> list[MergedProfile]:  # fmt: skip
    """Merged profiles of the segment in that layout that have a moment in ``[from, to)``, by start and end behind
    ``after``."""
    here: list[ColumnElement[bool]] = [
        _m.version_id == version_id, _m.segment == segment, _m.layout_id == layout_id, _m.start_us < to_us,
        _m.end_us > from_us,
    ]  # fmt: skip
    if after is not None:
        here.append(tuple_(_m.start_us, _m.end_us) > tuple_(*after))
    rows = conn.execute(select(tables.merged_profile).where(*here).order_by(_m.start_us, _m.end_us).limit(limit))
    return [_merged(row._mapping) for row in rows]


def merged_so_far(conn: Connection, *, version_id: int) -> tuple[int, int]:
    """(spans, windows in them) of all traffic: the same as before where nothing was merged meanwhile."""
    query = select(func.count(), func.coalesce(func.sum(_m.windows), 0))
    spans, windows = conn.execute(query.where(_m.version_id == version_id, _m.segment == "")).one()
    return int(spans), int(windows)


def has_merged_windows(conn: Connection, *, version_id: int, layout_id: int, from_us: int, to_us: int) -> bool:
    """Whether the profile of a window that starts in ``[from, to)`` is part of a longer span's in that layout."""
    here = (_w.version_id == version_id, _w.start_us >= from_us, _w.start_us < to_us, _w.merged_layout_id == layout_id)
    return conn.execute(select(_w.start_us).where(*here).limit(1)).first() is not None


def take_windows(conn: Connection, *, version_id: int, layout_id: int, taken: Sequence[StoredProfile]) -> None:
    """Removes the profiles of windows that are part of a longer span's by now, and notes it of the windows.

    ``FenceLost`` where the windows have others by now, are not sealed, or are part of another span.
    """
    starts = sorted({profile.window_start_us for profile in taken})
    here = (_p.version_id == version_id, _p.window_start_us.in_(starts))
    removed = delete(tables.profile).where(*here).returning(_p.window_start_us, _p.segment, _p.layout_id)
    gone = {tuple(row) for row in conn.execute(removed)}
    own = (_w.version_id == version_id, _w.start_us.in_(starts), _w.state == "sealed", _w.merged_layout_id.is_(None))
    noted = conn.execute(update(tables.window).where(*own).values(merged_layout_id=layout_id, segmentation=None))
    if gone != {(p.window_start_us, p.segment, p.layout_id) for p in taken} or noted.rowcount != len(starts):
        raise FenceLost(f"version {version_id}: the windows to merge have changed since they were read")


def replace_merged(
    conn: Connection, *, version_id: int, before: Sequence[MergedProfile], after: Sequence[MergedProfile]
) -> None:
    """Puts ``after`` in the place of ``before``; ``FenceLost`` where those are others by now."""
    removed: set[tuple[object, ...]] = set()
    spans = {(one.start_us, one.end_us) for one in (*before, *after)}
    for start_us, end_us in sorted(spans):
        here = (_m.version_id == version_id, _m.start_us == start_us, _m.end_us == end_us)
        gone = delete(tables.merged_profile).where(*here).returning(*_PLACE, _m.windows, _m.rows)
        removed |= {tuple(row) for row in conn.execute(gone)}
    known = {(p.start_us, p.end_us, p.segment, p.layout_id, p.windows, p.rows) for p in before}
    if removed != known:
        raise FenceLost(f"version {version_id}: the profiles to merge have changed since they were read")
    values = [{name: getattr(one, name) for name in MergedProfile.__slots__} for one in after]
    conn.execute(dialect.insert(conn, tables.merged_profile), values)


def nth_newest_start(conn: Connection, *, version_id: int, nth: int) -> int | None:
    """The start of the version's nth newest window; None where it has fewer."""
    query = select(_w.start_us).where(_w.version_id == version_id).order_by(_w.start_us.desc())
    found: int | None = conn.execute(query.limit(1).offset(nth - 1)).scalar()
    return found


def _merged(row: object) -> MergedProfile:
    mapping = dict(row)  # type: ignore[call-overload] # a row's mapping
    return MergedProfile(**{**mapping, "payload": bytes(mapping["payload"])})
