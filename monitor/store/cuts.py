"""What is stored of segments in windows: forgotten where a name stands for other rows by now, or for none."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, or_, select, tuple_, update

from monitor.store import dialect, tables

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
    """Removes the profiles of these segments and what was judged of them, of all windows of the version."""
    for name in sorted(set(segments) - {""}):  # one at a time, by the index that is made for it
        conn.execute(delete(tables.profile).where(_p.version_id == version_id, _p.segment == name, _p.segment != ""))
        conn.execute(delete(tables.judged_counts).where(_j.version_id == version_id, _j.segment == name))
        conn.execute(delete(tables.merged_profile).where(_m.version_id == version_id, _m.segment == name))


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
    merged = and_(_m.version_id == version_id, _m.segment.in_(names))
    return len(some) + _forget_merged(conn, merged, limit=limit - len(some))


def _forget_merged(conn: Connection, of: ColumnElement[bool], *, limit: int) -> int:
    """How many merged profiles were removed, at most ``limit``: nobody can cut those again."""
    key = tuple(tables.merged_profile.primary_key.columns)
    some = select(*key).where(of).limit(limit)
    return conn.execute(delete(tables.merged_profile).where(tuple_(*key).in_(some))).rowcount


def forget_other_segments(conn: Connection, *, version_id: int, kept: Collection[str], limit: int = STEP) -> int:
    """How many profiles and judged counts of segments other than those ``kept`` were removed, at most ``limit``.

    Call it again, each time in a transaction of its own, until it says 0.
    """
    names = {"", *kept}
    for table in (tables.profile, tables.judged_counts):
        c = table.c
        other = (c.version_id == version_id, c.segment != "", c.segment.not_in(names))
        some = select(c.window_start_us, c.segment).where(*other).limit(limit)
        here = (c.version_id == version_id, tuple_(c.window_start_us, c.segment).in_(some))
        removed = conn.execute(delete(table).where(*here)).rowcount
        if removed:
            return removed
    return _forget_merged(conn, and_(_m.version_id == version_id, _m.segment.not_in(names)), limit=limit)


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
