"""The counts that windows are judged by: opaque bytes, with the layout and the reference whose cells they are in."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from sqlalchemy import BigInteger, Connection, RowMapping, bindparam, delete, func, select, update

from monitor.store import dialect, tables
from monitor.store.windows import JUDGED

_j, _w = tables.judged_counts.c, tables.window.c


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedCounts:
    """What a window's segment was judged by; ``payload`` is empty where sums of windows leave it out."""

    version_id: int
    window_start_us: int
    segment: str = ""
    layout_id: int
    reference_id: int
    payload: bytes


# Asked for every window: built once.
_BEFORE = (
    select(_j.window_start_us, _j.payload)
    .where(
        _j.version_id == bindparam("version_id"), _j.segment == bindparam("segment"),
        _j.layout_id == bindparam("layout_id"),
        _j.reference_id == bindparam("reference_id"), _j.window_start_us >= bindparam("from_us", type_=BigInteger),
        _j.window_start_us < bindparam("to_us", type_=BigInteger),
    )
    .order_by(_j.window_start_us)
)  # fmt: skip
_AT = select(_j.version_id, _j.window_start_us, _j.segment, _j.layout_id, _j.reference_id, _j.payload, _j.stale).where(
    _j.version_id == bindparam("version_id"), _j.segment == bindparam("segment"),
    _j.window_start_us == bindparam("start_us", type_=BigInteger),
)  # fmt: skip
_REVISIONS = select(func.coalesce(func.sum(_w.revision), 0)).where(
    _w.version_id == bindparam("version_id"), _w.start_us >= bindparam("from_us", type_=BigInteger),
    _w.start_us < bindparam("to_us", type_=BigInteger),
)  # fmt: skip


def put_judged_counts(conn: Connection, counts: JudgedCounts) -> bool:
    """Whether they differ from what the window was judged by before; kept in place of that, and no longer stale."""
    here = {"version_id": counts.version_id, "segment": counts.segment, "start_us": counts.window_start_us}
    found = conn.execute(_AT, here).mappings().first()
    same = found is not None and _kept(found) == counts
    if found is None or not same or found["stale"]:
        conn.execute(dialect.upsert(conn, tables.judged_counts), asdict(counts) | {"stale": False})
    return not same


def judged_counts(
    conn: Connection, *, version_id: int, layout_id: int, reference_id: int, from_us: int, to_us: int,
    segment: str = "",
) -> list[tuple[int, bytes]]:  # fmt: skip
    """(start, payload) of the windows that start in [from_us, to_us), oldest first, in those cells only."""
    asked = {"version_id": version_id, "layout_id": layout_id, "reference_id": reference_id, "segment": segment}
    found = conn.execute(_BEFORE, asked | {"from_us": from_us, "to_us": to_us}).all()
    return [(start_us, bytes(payload)) for start_us, payload in found]


def revisions_between(conn: Connection, *, version_id: int, from_us: int, to_us: int) -> int:
    """How often the windows that start in [from_us, to_us) were judged, all together: what their counts changed by."""
    return int(conn.execute(_REVISIONS, {"version_id": version_id, "from_us": from_us, "to_us": to_us}).scalar_one())


def forget_judged_counts(conn: Connection, *, version_id: int, start_us: int, segment: str = "") -> None:
    """Removes the counts of a window that was judged again without any: those kept are of other rows."""
    here = (_j.version_id == version_id, _j.segment == segment, _j.window_start_us == start_us)
    conn.execute(delete(tables.judged_counts).where(*here))


def is_stale(conn: Connection, *, version_id: int, start_us: int, segment: str = "") -> bool:
    """Whether an earlier window's counts of the segment have changed since the window was judged with them."""
    found = conn.execute(_AT, {"version_id": version_id, "start_us": start_us, "segment": segment}).first()
    return found is not None and bool(found.stale)


def mark_stale(conn: Connection, counts: JudgedCounts, *, to_us: int) -> int:
    """How many judged windows that start behind that of ``counts`` and before ``to_us`` are to be judged again: what
    they add up has changed. Those judged in other cells or by another reference added up nothing of it: they stay."""
    of, after_us = counts.version_id, counts.window_start_us
    later = (
        _j.version_id == of, _j.segment == counts.segment, _j.window_start_us > after_us, _j.window_start_us < to_us,
        _j.layout_id == counts.layout_id, _j.reference_id == counts.reference_id,
    )  # fmt: skip
    changed = update(tables.judged_counts).where(*later).values(stale=True).returning(_j.window_start_us)
    starts = list(conn.execute(changed).scalars())
    if not starts:  # as for every window that is the newest
        return 0
    again = update(tables.window).where(_w.version_id == of, _w.start_us.in_(starts), _w.state.in_(JUDGED))
    return conn.execute(again.values(dirty=True)).rowcount


def _kept(row: RowMapping) -> JudgedCounts:
    return JudgedCounts(
        version_id=row["version_id"], window_start_us=row["window_start_us"], segment=row["segment"],
        layout_id=row["layout_id"], reference_id=row["reference_id"], payload=bytes(row["payload"]),
    )  # fmt: skip
