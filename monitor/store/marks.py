"""Which windows are held healthy, and which are not: by a mark on the window itself, else by a verdict on an alert.

Of several verdicts on alerts that share a window, one that says it was not healthy is enough. One that says it was
healthy speaks for its own alert: where another that nobody judged shares the window, nothing is said of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import ColumnElement, Connection, and_, case, exists, func, or_, select

from monitor.model.errors import Conflict
from monitor.model.handling import HEALTHY, Mark
from monitor.store import dialect, tables

MOST_MARKS = 10_000  # of one version: calibrations look at all of them
_m = tables.window_mark.c
_h = tables.handling.c
_r = tables.result.c
_t = tables.transition.c
_HEALTHY_WAS = [was for was, healthy in HEALTHY.items() if healthy]
_VERDICTS = and_(_h.kind == "verdict", _h.withdrawn_us.is_(None))


def put_mark(
    conn: Connection, *, version_id: int, start_us: int, healthy: bool | None, reason: str, by: str, at_us: int
) -> None:
    """Keeps the mark in place of an earlier one of the same window; ``healthy`` None withdraws it.

    ``Conflict`` where the version has too many on other windows.
    """
    if healthy is not None:
        others = select(_m.start_us).where(
            _m.version_id == version_id, _m.start_us != start_us, _m.healthy.is_not(None)
        )
        if len(conn.execute(others.limit(MOST_MARKS)).all()) >= MOST_MARKS:
            raise Conflict(f"the version has marks on {MOST_MARKS:,} windows: withdraw some that are long past")
    values = {
        "version_id": version_id, "start_us": start_us, "healthy": healthy, "reason": reason, "by_name": by,
        "at_us": at_us,
    }  # fmt: skip
    conn.execute(dialect.upsert(conn, tables.window_mark), values)


def marks_of(conn: Connection, *, version_id: int, starts: Sequence[int]) -> dict[int, Mark]:
    """Start → what holds of the window, for those of the windows of which somebody said something."""
    if not starts:
        return {}
    found: dict[int, Mark] = {}
    spans = select(tables.handling).where(
        _h.version_id == version_id, _VERDICTS, _h.from_us <= max(starts), _h.to_us > min(starts)
    )
    judged = conn.execute(spans.order_by(_h.at_us, _h.transition_id)).all()
    for row in judged:
        mark = Mark(
            healthy=HEALTHY[row.was], reason=row.reason, by=row.by_name, at_us=row.at_us, alert=row.transition_id
        )
        for start in starts:
            if row.from_us <= start < row.to_us and (start not in found or found[start].healthy or not mark.healthy):
                found[start] = mark
    said = {row.transition_id: (row.from_us, row.to_us) for row in judged}
    called_healthy = [start for start, mark in found.items() if mark.healthy]
    for start in _open(conn, version_id=version_id, starts=called_healthy, judged=said):
        del found[start]
    own = select(tables.window_mark).where(
        _m.version_id == version_id, _m.start_us.between(min(starts), max(starts)), _m.healthy.is_not(None)
    )
    asked = set(starts)
    for row in conn.execute(own):
        if row.start_us in asked:
            found[row.start_us] = Mark(healthy=row.healthy, reason=row.reason, by=row.by_name, at_us=row.at_us)
    return found


def _open(
    conn: Connection, *, version_id: int, starts: Sequence[int], judged: Mapping[int, tuple[int, int]]
) -> set[int]:
    """Those of the windows that an alert was in force for which nobody judged; ``judged`` has the others' windows."""
    if not starts:
        return set()
    ends_us = func.lead(_t.window_start_us).over(partition_by=(_t.check_name, _t.segment), order_by=_t.id)
    changes = (
        select(_t.id, _t.status, _t.window_start_us.label("start_us"), ends_us.label("end_us"))
        .where(_t.version_id == version_id, _t.window_start_us <= max(starts))
        .subquery()
    )
    span = changes.c
    query = select(changes).where(span.status == "alert", or_(span.end_us.is_(None), span.end_us > min(starts)))
    return {
        start
        for row in conn.execute(query)
        for start in starts
        if row.start_us <= start < (row.end_us or start + 1)
        and not _within(start, judged.get(row.id))
    }  # fmt: skip


def _within(start: int, span: tuple[int, int] | None) -> bool:
    return span is not None and span[0] <= start < span[1]


def held_healthy(*, of_a_segment: bool = False) -> ColumnElement[bool]:
    """Whether a row of ``result`` is of a window held healthy: by its mark, by a verdict, else as it is in no alarm.

    A segment's row is in alarm where that of all traffic is, too.
    """
    at_us = _r.window_start_us
    marked = select(case((_m.healthy.is_(True), 1), else_=0)).where(
        _m.version_id == _r.version_id, _m.start_us == at_us, _m.healthy.is_not(None)
    )
    judged = select(func.min(case((_h.was.in_(_HEALTHY_WAS), 1), else_=0))).where(
        _h.version_id == _r.version_id, _VERDICTS, _h.from_us <= at_us, _h.to_us > at_us
    )
    in_no_alarm = case((_r.status != "alert", 1), else_=0)
    if of_a_segment:
        whole = tables.result.alias().c
        alarmed = exists().where(
            whole.version_id == _r.version_id, whole.window_start_us == at_us, whole.segment == "",
            whole.status == "alert",
        )  # fmt: skip
        in_no_alarm = case((or_(_r.status == "alert", alarmed), 0), else_=1)
    said = case((and_(judged.scalar_subquery() == 1, _in_force_unjudged(at_us)), None), else_=judged.scalar_subquery())
    return func.coalesce(marked.scalar_subquery(), said, in_no_alarm) == 1


def _in_force_unjudged(at_us: ColumnElement[int]) -> ColumnElement[bool]:
    """Whether some alert of the result's version was in force for its window, and nobody judged that alert."""
    later = tables.transition.alias()
    outside = tables.transition, tables.result
    ended = exists().where(
        later.c.version_id == _t.version_id, later.c.check_name == _t.check_name, later.c.segment == _t.segment,
        later.c.id > _t.id, later.c.window_start_us <= at_us,
    ).correlate(*outside)  # fmt: skip
    judged = (
        exists().where(_h.transition_id == _t.id, _VERDICTS, _h.from_us <= at_us, _h.to_us > at_us).correlate(*outside)
    )
    return exists().where(
        _t.version_id == _r.version_id, _t.status == "alert", _t.window_start_us <= at_us, ~ended, ~judged
    )
