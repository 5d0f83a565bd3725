"""What baselines read and keep: the windows that may be in one, their profiles, calibrations by baseline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Connection, Select, and_, bindparam, delete, func, or_, select, update

from monitor.model.entities import Version
from monitor.store import dialect, rows, tables
from monitor.store.windows import JUDGED

_w, _p, _r, _c = tables.window.c, tables.profile.c, tables.result.c, tables.baseline_calibration.c
_v = tables.version.c
# Asked for every window: built once.
_JUDGED_ROWS = select(_r.rows).where(
    _r.version_id == bindparam("version_id"), _r.window_start_us == bindparam("start_us", type_=BigInteger),
    _r.segment == bindparam("segment"),
)  # fmt: skip


class Usable(NamedTuple):
    """A window that a baseline may hold, with its rows (of the segment), and whether it was in alert by its data.

    A window of a segment is in alert by what was found of that segment too.
    """

    start_us: int
    rows: int
    in_alert: bool


def usable_windows(
    conn: Connection,
    *,
    version_id: int,
    layout_id: int,
    least_rows: int,
    starts_us: Sequence[int] | None = None,
    from_us: int = 0,
    to_us: int = 0,
    limit: int = 10_000,
    segment: str = "",
    cut: str | None = None,
) -> list[Usable]:
    """Those of the windows at ``starts_us``, else of those that start in [from_us, to_us), that have a profile of the
    segment in the layout and so many rows in it, oldest first.

    With ``cut``, the digest of the segments there are, also those that were cut by it and have no row of the segment.
    """
    if starts_us is not None:
        parts: list[ColumnElement[bool]] = [_w.start_us.in_(some) for some in dialect.slices(sorted(starts_us))]
    else:
        parts = [and_(_w.start_us >= from_us, _w.start_us < to_us)]
    found: list[Usable] = []
    for part in parts:
        query = _usable_of(segment, cut=cut).where(_w.version_id == version_id, part)
        counted = and_(_p.layout_id == layout_id, (_p.rows if segment else _w.rows) >= least_rows)
        query = query.where(counted if cut is None else or_(counted, _p.layout_id.is_(None)))
        rows_found = conn.execute(query.order_by(_w.start_us).limit(limit))
        found += [Usable(start_us=row.start_us, rows=row.rows or 0, in_alert=bool(row.in_alert)) for row in rows_found]
    return found


def _usable_of(segment: str, *, cut: str | None) -> Select[tuple[int, int | None, bool | None]]:
    """Windows with a profile of the segment, or cut so: start, rows of the segment, whether they were in alert."""
    here = and_(_p.version_id == _w.version_id, _p.window_start_us == _w.start_us, _p.segment == segment)
    if not segment:
        return select(_w.start_us, _w.rows, _w.in_alert).join_from(tables.window, tables.profile, here)
    judged = and_(_r.version_id == _w.version_id, _r.window_start_us == _w.start_us, _r.segment == segment)
    indexed = and_(here, _p.segment != "")  # said for the sake of its index
    query = (
        select(_w.start_us, _p.rows, or_(_w.in_alert.is_(True), _r.status == "alert").label("in_alert"))
        .join_from(tables.window, tables.profile, indexed, isouter=cut is not None)
        .join(tables.result, judged, isouter=True)
    )
    return query if cut is None else query.where(or_(_p.version_id.is_not(None), _w.segmentation == cut))


def profiles_at(
    conn: Connection, *, version_id: int, layout_id: int, starts_us: Sequence[int], segment: str = ""
) -> list[tuple[int, bytes]]:  # fmt: skip
    """(start, encoded profile) of the segment in those windows in that layout, oldest first."""
    query = (
        select(_p.window_start_us, _p.payload)
        .where(
            _p.version_id == version_id,
            _p.segment == segment,
            _p.layout_id == layout_id,
            _p.window_start_us.in_(starts_us),
        )
        .order_by(_p.window_start_us)
    )
    return [(row.window_start_us, bytes(row.payload)) for row in conn.execute(query)]


def newest_judged_start(conn: Connection, *, version_id: int) -> int | None:
    """The start of the version's newest window that was judged."""
    query = select(func.max(_w.start_us)).where(_w.version_id == version_id, _w.state.in_(JUDGED))
    newest: int | None = conn.execute(query).scalar()
    return newest


def version_named(conn: Connection, *, model_id: int, name: str) -> tuple[int, int | None] | None:
    """(id, layout id) of the model's live version of that name, if there is one."""
    here = (_v.model_id == model_id, _v.name == name, _v.deleted_us.is_(None))
    row = conn.execute(select(_v.id, _v.layout_id).where(*here)).first()
    return None if row is None else (row.id, row.layout_id)


def versions_with_baselines(conn: Connection, *, model_id: int, all_of_them: bool) -> list[Version]:
    """The model's live versions that say a baseline of their own, or all."""
    query = select(tables.version).where(_v.model_id == model_id, _v.deleted_us.is_(None))
    if not all_of_them:
        query = query.where(_v.settings.like('%"baseline"%'))
    return [rows.version_from_row(row) for row in conn.execute(query.order_by(_v.id))]


def judged_rows(conn: Connection, *, version_id: int, start_us: int, segment: str = "") -> int | None:
    """The rows of the window and segment when it was judged last, if it was."""
    here = {"version_id": version_id, "start_us": start_us, "segment": segment}
    found: int | None = conn.execute(_JUDGED_ROWS, here).scalar()
    return found


def mark_judged_dirty(conn: Connection, *, version_id: int, starts_us: Sequence[int]) -> int:
    """How many of those windows were judged and are to be judged again."""
    changed = 0
    for some in dialect.slices(starts_us):
        here = (_w.version_id == version_id, _w.start_us.in_(some), _w.state.in_(JUDGED))
        changed += conn.execute(update(tables.window).where(*here).values(dirty=True)).rowcount
    return changed


def save_baseline_calibration(
    conn: Connection, *, version_id: int, reference_id: int, baseline: str, made_us: int, payload: bytes,
    segment: str = "",
) -> None:  # fmt: skip
    """Keeps the calibration in place of an earlier one for the same reference, segment and baseline (its canonical
    text)."""
    row = {
        "version_id": version_id, "reference_id": reference_id, "segment": segment, "baseline": baseline,
        "made_us": made_us, "payload": payload,
    }  # fmt: skip
    conn.execute(dialect.upsert(conn, tables.baseline_calibration), row)


def delete_baseline_calibrations(
    conn: Connection, *, version_id: int, reference_id: int, segment: str | None = ""
) -> None:
    """Forgets those made for that reference and segment (None: every one, and all traffic): its cells are others, or
    no window is held healthy any more."""
    gone = delete(tables.baseline_calibration).where(_c.version_id == version_id, _c.reference_id == reference_id)
    conn.execute(gone if segment is None else gone.where(_c.segment == segment))


def baseline_calibrations_made_us(
    conn: Connection, *, version_id: int, reference_id: int, segment: str = ""
) -> dict[str, int]:
    """Canonical text of a baseline → when its calibration for that reference and segment was made."""
    here = (_c.version_id == version_id, _c.reference_id == reference_id, _c.segment == segment)
    return {row.baseline: row.made_us for row in conn.execute(select(_c.baseline, _c.made_us).where(*here))}


def get_baseline_calibration(
    conn: Connection, *, version_id: int, reference_id: int, baseline: str, segment: str = ""
) -> bytes | None:  # fmt: skip
    """The encoded calibration for that reference, segment and baseline, if any."""
    here = (
        _c.version_id == version_id, _c.reference_id == reference_id, _c.segment == segment, _c.baseline == baseline,
    )  # fmt: skip
    payload = conn.execute(select(_c.payload).where(*here)).scalar()
    return None if payload is None else bytes(payload)
