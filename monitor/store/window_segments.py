"""All that is stored of one window's segments, each kind read at once."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, bindparam, delete, select

from monitor.model.results import Status
from monitor.store import tables
from monitor.store.profiles import StoredProfile
from monitor.store.results import StoredResult, read_result

_p, _r = tables.profile.c, tables.result.c

# Asked for every window: built once.
_PROFILES = select(tables.profile).where(
    _p.version_id == bindparam("version_id"), _p.window_start_us == bindparam("start_us"),
    _p.segment.in_(bindparam("segments", expanding=True)),
)  # fmt: skip
_RESULTS = select(tables.result).where(
    _r.version_id == bindparam("version_id"), _r.window_start_us == bindparam("start_us")
)
_STATUSES = select(_r.segment, _r.status).where(
    _r.version_id == bindparam("version_id"), _r.window_start_us == bindparam("start_us")
)


def profiles_of_window(
    conn: Connection, *, version_id: int, start_us: int, segments: Sequence[str]
) -> dict[str, StoredProfile]:
    """Segment → the window's profile there, of those segments that have one; all traffic is ``""``."""
    asked = {"version_id": version_id, "start_us": start_us, "segments": list(segments)}
    found = conn.execute(_PROFILES, asked)
    return {row.segment: StoredProfile(**{**row._mapping, "payload": bytes(row.payload)}) for row in found}


def results_of_window(conn: Connection, *, version_id: int, start_us: int) -> dict[str, StoredResult]:
    """Segment → the window's result there."""
    found = conn.execute(_RESULTS, {"version_id": version_id, "start_us": start_us})
    return {row.segment: read_result(row) for row in found}


def statuses_of_window(conn: Connection, *, version_id: int, start_us: int) -> dict[str, Status]:
    """Segment → the worst verdict of the window there, as it was judged last."""
    found = conn.execute(_STATUSES, {"version_id": version_id, "start_us": start_us})
    return {row.segment: row.status for row in found}


def forget_other_results(conn: Connection, *, version_id: int, start_us: int, kept: Collection[str]) -> int:
    """How many results of the window were removed: of segments other than those ``kept``."""
    here = (_r.version_id == version_id, _r.window_start_us == start_us, _r.segment.not_in(kept))
    return conn.execute(delete(tables.result).where(*here)).rowcount
