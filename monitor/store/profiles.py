"""Profiles of (version, window, segment): opaque bytes with the id of the layout they were made on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, delete, select

from monitor.store import dialect, tables

_p = tables.profile.c

_ONE = select(_p.layout_id, _p.payload).where(  # built once: asked for every slice and every window
    _p.version_id == bindparam("version_id"), _p.window_start_us == bindparam("window_start_us"),
    _p.segment == bindparam("segment"),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredProfile:
    """An encoded profile of one window and segment; ``rows`` of a segment (all traffic's are its window's)."""

    version_id: int
    window_start_us: int
    segment: str = ""
    layout_id: int
    payload: bytes
    rows: int | None = None


def get_profile(
    conn: Connection, *, version_id: int, window_start_us: int, segment: str = ""
) -> tuple[int, bytes] | None:
    """(layout id, encoded profile) of the window and segment, if there is one."""
    here = {"version_id": version_id, "window_start_us": window_start_us, "segment": segment}
    row = conn.execute(_ONE, here).first()
    return None if row is None else (row.layout_id, bytes(row.payload))


def segment_profiles(
    conn: Connection, *, version_id: int, window_start_us: int, segments: Sequence[str]
) -> dict[str, tuple[int, bytes]]:
    """Segment → (layout id, encoded profile) of those of the window's segments that have one."""
    here = (_p.version_id == version_id, _p.window_start_us == window_start_us, _p.segment.in_(segments))
    rows = conn.execute(select(_p.segment, _p.layout_id, _p.payload).where(*here))
    return {row.segment: (row.layout_id, bytes(row.payload)) for row in rows}


def put_profiles(conn: Connection, rows: Sequence[StoredProfile]) -> None:
    """Stores the profiles in place of what was stored of their windows and segments."""
    values = [{name: getattr(row, name) for name in StoredProfile.__slots__} for row in rows]
    if not values:
        return
    conn.execute(dialect.upsert(conn, tables.profile), values)


def list_profiles(
    conn: Connection,
    *,
    version_id: int,
    from_us: int,
    to_us: int,
    segment: str = "",
    after: int | None = None,
    limit: int = 1000,
) -> list[StoredProfile]:
    """Profiles of the windows that start in [from_us, to_us), oldest first, behind the one at ``after``."""
    here = (_p.version_id == version_id, _p.segment == segment, _p.window_start_us >= from_us)
    query = select(tables.profile).where(*here, _p.window_start_us < to_us)
    if after is not None:
        query = query.where(_p.window_start_us > after)
    rows = conn.execute(query.order_by(_p.window_start_us).limit(limit))
    return [StoredProfile(**{**row._mapping, "payload": bytes(row.payload)}) for row in rows]


def delete_profiles(conn: Connection, *, version_id: int, from_us: int | None = None, to_us: int | None = None) -> int:
    """How many profiles of windows that start in [from_us, to_us) were removed, all segments."""
    gone = delete(tables.profile).where(_p.version_id == version_id)
    if from_us is not None:
        gone = gone.where(_p.window_start_us >= from_us)
    if to_us is not None:
        gone = gone.where(_p.window_start_us < to_us)
    return conn.execute(gone).rowcount
