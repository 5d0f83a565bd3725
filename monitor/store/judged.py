"""Windows that were judged: when, of how many rows, how; without what their results hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select

from monitor.model.results import ResultRow, Status
from monitor.store import tables
from monitor.store.results import get_result, unpack_rows

_r = tables.result.c
_HEAD = (_r.window_start_us, _r.window_end_us, _r.status, _r.rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedWindow:
    """A judged window of all traffic: ``status`` is the worst of its checks as it was recorded."""

    start_us: int
    end_us: int
    status: Status
    rows: int


def judged_windows(
    conn: Connection, *, version_id: int, from_us: int, to_us: int, after: int | None = None, limit: int = 1000
) -> list[JudgedWindow]:
    """Judged windows that start in ``[from, to)``, oldest first, behind the one that starts at ``after``."""
    query: Select[Any] = select(*_HEAD).where(*_between(version_id, from_us=from_us, to_us=to_us))
    if after is not None:
        query = query.where(_r.window_start_us > after)
    return [_judged(row) for row in conn.execute(query.order_by(_r.window_start_us).limit(limit))]


def count_judged(conn: Connection, *, version_id: int, from_us: int, to_us: int, most: int) -> int:
    """How many judged windows start in ``[from, to)``, counted no further than ``most``."""
    some = select(_r.window_start_us).where(*_between(version_id, from_us=from_us, to_us=to_us)).limit(most)
    return int(conn.execute(select(func.count()).select_from(some.subquery())).scalar_one())


def newest_judged_start(conn: Connection, *, version_id: int, from_us: int, to_us: int, windows: int) -> int | None:
    """Where the newest so many judged windows that start in ``[from, to)`` begin; None where there are fewer."""
    query = select(_r.window_start_us).where(*_between(version_id, from_us=from_us, to_us=to_us))
    query = query.order_by(_r.window_start_us.desc()).offset(windows - 1).limit(1)
    start = conn.execute(query).scalar()
    return None if start is None else int(start)


def newest_judged_windows(
    conn: Connection, *, version_id: int, min_rows: int, before_us: int | None = None, limit: int
) -> list[JudgedWindow]:
    """The newest judged windows of ``min_rows`` rows and more that start before ``before_us``, newest first."""
    query: Select[Any] = select(*_HEAD).where(_r.version_id == version_id, _r.segment == "", _r.rows >= min_rows)
    if before_us is not None:
        query = query.where(_r.window_start_us < before_us)
    return [_judged(row) for row in conn.execute(query.order_by(_r.window_start_us.desc()).limit(limit))]


def alerts_of(conn: Connection, *, version_id: int, start_us: int) -> list[ResultRow]:
    """The rows in alert of the window's result; none where it is not there any more."""
    found = get_result(conn, version_id=version_id, window_start_us=start_us)
    return [] if found is None else [row for row in unpack_rows(found.payload) if row.status == "alert"]


def _between(version_id: int, *, from_us: int, to_us: int) -> tuple[Any, ...]:
    return (
        _r.version_id == version_id, _r.segment == "", _r.window_start_us >= from_us, _r.window_start_us < to_us,
    )  # fmt: skip


def _judged(row: Row[Any]) -> JudgedWindow:
    return JudgedWindow(start_us=row.window_start_us, end_us=row.window_end_us, status=row.status, rows=row.rows)
