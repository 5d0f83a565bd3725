"""What is stored of segments in windows: forgotten where a name stands for other rows by now, or for none.

Merged profiles, which nobody can cut again, stay while their model is under a legal hold: those of a name that stands
for other rows are *set aside* under one that no segment has.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import ColumnElement, Connection, Text, and_, cast, delete, exists, literal, or_, select, update

from monitor.store import dialect, tables
from monitor.store.holds import under_hold
from monitor.store.purge import remove_some, some_rows

STEP = 1_000  # rows removed in one transaction

_w, _p, _j, _m = tables.window.c, tables.profile.c, tables.judged_counts.c, tables.merged_profile.c


def uncut_windows(conn: Connection, *, version_id: int) -> None:
    """Has every window of the version cut again when somebody needs it."""
    cut = (_w.version_id == version_id, _w.segmentation.is_not(None))
    conn.execute(update(tables.window).where(*cut).values(segmentation=None))


def forget_cuts(conn: Connection, *, version_id: int, starts_us: Sequence[int]) -> None:
    """Removes the profiles of all segments of these windows; those of all traffic stay."""
    for some in dialect.slices(starts_us):
        here = (_p.version_id == version_id, _p.window_start_us.in_(some))
        conn.execute(delete(tables.profile).where(*here, _p.segment != ""))


def forget_segments(conn: Connection, *, version_id: int, segments: Collection[str]) -> None:
    """Removes the profiles of these segments and what was judged of them, of all windows of the version; merged ones
    are set aside under a legal hold."""
    held = _is_held(conn, version_id=version_id)
    for name in sorted(set(segments) - {""}):  # one at a time, by the index that is made for it
        conn.execute(delete(tables.profile).where(_p.version_id == version_id, _p.segment == name, _p.segment != ""))
        conn.execute(delete(tables.judged_counts).where(_j.version_id == version_id, _j.segment == name))
        merged = and_(_m.version_id == version_id, _m.segment == name)
        if held:
            _set_aside(conn, merged)
        else:
            conn.execute(delete(tables.merged_profile).where(merged))


def forget_some_of(conn: Connection, *, version_id: int, segments: Collection[str], limit: int = STEP) -> int:
    """How many profiles of these segments were removed, at most ``limit``; their windows are cut again when somebody
    needs them.

    Call it again, each time in a transaction of its own, until it says fewer than that.
    """
    names = sorted(set(segments) - {""})
    of = (_p.version_id == version_id, _p.segment.in_(names), _p.segment != "")
    some = conn.execute(select(_p.window_start_us, _p.segment).where(*of).limit(limit)).all()
    for part in dialect.slices(sorted({row.window_start_us for row in some})):
        here = (_w.version_id == version_id, _w.start_us.in_(part))
        conn.execute(update(tables.window).where(*here).values(segmentation=None))
    for name in names:
        starts = [row.window_start_us for row in some if row.segment == name]
        for part in dialect.slices(starts):
            conn.execute(delete(tables.profile).where(*of, _p.segment == name, _p.window_start_us.in_(part)))
    return len(some)


def forget_some_merged(conn: Connection, *, version_id: int, segments: Collection[str], limit: int = STEP) -> int:
    """How many merged profiles of these segments were removed, or set aside under a legal hold: ``limit`` and the bytes
    of a step at most.

    Call it again, each time in a transaction of its own, until it says 0.
    """
    of = and_(_m.version_id == version_id, _m.segment.in_(sorted(set(segments) - {""})))
    if not _is_held(conn, version_id=version_id):
        return remove_some(conn, tables.merged_profile, owner=of, limit=limit)
    return sum(_set_aside(conn, some) for some in some_rows(conn, tables.merged_profile, owner=of, limit=limit))


def _is_held(conn: Connection, *, version_id: int) -> bool:
    v = tables.version.c
    return conn.execute(select(v.id).where(v.id == version_id, under_hold(v.model_id))).first() is not None


def _set_aside(conn: Connection, of: ColumnElement[bool]) -> int:
    """How many merged profiles have ``#<microseconds>:`` before their segment from now on.

    To everybody they are of a segment that is gone, and are removed as such. A name may be set aside more than once.
    """
    name = literal("#") + cast(dialect.now_us(conn), Text) + literal(":") + _m.segment
    return conn.execute(update(tables.merged_profile).where(of).values(segment=name)).rowcount


def forget_other_segments(conn: Connection, *, version_id: int, kept: Collection[str], limit: int = STEP) -> int:
    """How many profiles and judged counts of segments other than those ``kept`` were removed: ``limit`` and the bytes
    of a step at most. Merged profiles stay under a legal hold.

    Call it again, each time in a transaction of its own, until it says 0.
    """
    held = _is_held(conn, version_id=version_id)
    found = (tables.profile, tables.judged_counts)
    for table in found if held else (*found, tables.merged_profile):
        c = table.c
        other = and_(c.version_id == version_id, c.segment != "", c.segment.not_in(kept))
        removed = remove_some(conn, table, owner=other, limit=limit)
        if removed:
            return removed
    return 0


def versions_with_others(conn: Connection, *, model_id: int) -> list[int]:
    """The model's live versions that have merged profiles of segments which their reference does not have."""
    v, n = tables.version.c, tables.reference_segment.c
    known = exists().where(n.reference_id == v.reference_id, n.segment == _m.segment)
    other = exists().where(
        _m.version_id == v.id, _m.segment != "", ~known.correlate(tables.version, tables.merged_profile)
    )
    here = (v.model_id == model_id, v.deleted_us.is_(None), v.reference_id.is_not(None))
    return list(conn.execute(select(v.id).where(*here, other).order_by(v.id)).scalars())


def forget_lessons(conn: Connection, *, version_id: int, reference_id: int, kept: Collection[str]) -> None:
    """Removes what other segments than those ``kept`` were calibrated by against the reference: "" is all traffic."""
    for table in (tables.calibration, tables.baseline_calibration):
        here = (table.c.version_id == version_id, table.c.reference_id == reference_id)
        conn.execute(delete(table).where(*here, table.c.segment.not_in(kept)))


def maybe_cut_versions(conn: Connection) -> dict[int, tuple[int, int]]:
    """Version id → revisions of model and version, of every live version with a reference that has segments, or whose
    model or schema may want some."""
    m, v, s, n = (t.c for t in (tables.model, tables.version, tables.schema, tables.reference_segmentation))
    wanted = or_(
        m.settings.like('%"segments"%'), s.body.like('%"segment":true%'),
        exists().where(n.reference_id == v.reference_id),
    )  # fmt: skip
    query = (
        select(v.id, m.revision.label("of_model"), v.revision)
        .join_from(tables.version, tables.model, m.id == v.model_id)
        .join(tables.schema, s.id == v.schema_id, isouter=True)
        .where(v.deleted_us.is_(None), m.deleted_us.is_(None), v.reference_id.is_not(None), wanted)
    )
    return {row.id: (row.of_model, row.revision) for row in conn.execute(query.order_by(v.id))}
