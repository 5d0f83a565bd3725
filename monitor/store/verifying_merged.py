"""What ``driftline verify`` asks of merged profiles: the spans there are, and what their windows count."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, and_, exists, func, select

from monitor.store import tables

_w, _m, _e = tables.window.c, tables.merged_profile.c, tables.erased_rows.c


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedSpan:
    """All that is merged in one layout in ``[start, end)``, a week that holds days of its own or one alone."""

    version_id: int
    layout_id: int
    start_us: int
    end_us: int
    windows: int
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedWindows:
    """The windows of a span whose profiles are merged, as far as they are known: how many, their rows, rows erased."""

    windows: int
    rows: int
    erased: int


def merged_spans(conn: Connection, *, version_id: int) -> list[MergedSpan]:
    """The spans of all traffic; those that lie in another one are counted with it."""
    query = select(_m.layout_id, _m.start_us, _m.end_us, _m.windows, _m.rows)
    query = query.where(_m.version_id == version_id, _m.segment == "")
    found: list[MergedSpan] = []
    for row in conn.execute(query.order_by(_m.layout_id, _m.start_us, _m.end_us.desc())):
        outer = found[-1] if found else None
        if outer is not None and outer.layout_id == row.layout_id and row.start_us < outer.end_us:
            found.pop()
            known = {"windows": outer.windows + row.windows, "rows": outer.rows + row.rows}
            span = {"start_us": outer.start_us, "end_us": max(outer.end_us, row.end_us)}
            found.append(MergedSpan(version_id=version_id, layout_id=row.layout_id, **span, **known))
        else:
            found.append(MergedSpan(version_id=version_id, **row._mapping))
    return found


def merged_windows(conn: Connection, span: MergedSpan) -> MergedWindows:
    """What the windows of the span count that are merged in its layout."""
    erased = and_(_e.version_id == _w.version_id, _e.window_start_us == _w.start_us)
    counted = select(
        func.count(), func.coalesce(func.sum(_w.rows), 0), func.coalesce(func.sum(_e.rows), 0)
    ).select_from(tables.window.outerjoin(tables.erased_rows, erased))  # fmt: skip
    windows, rows, gone = conn.execute(counted.where(
        _w.version_id == span.version_id, _w.start_us >= span.start_us, _w.start_us < span.end_us,
        _w.merged_layout_id == span.layout_id,
    )).one()  # fmt: skip
    return MergedWindows(windows=int(windows), rows=int(rows), erased=int(gone))


def windows_in_no_span(conn: Connection, *, version_id: int) -> int:
    """How many windows say that their profile is merged, and no span holds it."""
    span = exists().where(
        _m.version_id == _w.version_id, _m.segment == "", _m.layout_id == _w.merged_layout_id,
        _m.start_us <= _w.start_us, _m.end_us > _w.start_us,
    )  # fmt: skip
    query = select(func.count()).select_from(tables.window)
    query = query.where(_w.version_id == version_id, _w.merged_layout_id.is_not(None), ~span)
    return int(conn.execute(query).scalar_one())
