"""What a scrape shows of the whole fleet, in a handful of queries whatever its size."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from monitor.model.entities import Model, Version
from monitor.model.results import CheckState
from monitor.store import tables, verdicts, versions
from monitor.store.results import StoredResult
from monitor.store.windows import WindowRow


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetRow:
    """One live version: its verdicts, its newest window, its newest result by segment, and the rows that wait."""

    model: Model
    version: Version
    states: tuple[CheckState, ...] = ()
    window: WindowRow | None = None
    results: tuple[StoredResult, ...] = ()
    unfolded_rows: int = 0


def fleet_rows(conn: Connection) -> list[FleetRow]:
    """Every live version, by model and version name."""
    states: dict[int, list[CheckState]] = {}
    for version_id, state in verdicts.all_states(conn):
        states.setdefault(version_id, []).append(state)
    windows = _newest_windows(conn)
    results = _newest_results(conn)
    waiting = _waiting(conn)
    return [
        FleetRow(
            model=model,
            version=version,
            states=tuple(states.get(version.id, ())),
            window=windows.get(version.id),
            results=tuple(results.get(version.id, ())),
            unfolded_rows=waiting.get(version.id, 0),
        )
        for model, version in versions.all_versions(conn)
    ]


def _newest_windows(conn: Connection) -> dict[int, WindowRow]:
    w = tables.window.c
    newest = select(w.version_id, func.max(w.start_us).label("start_us")).group_by(w.version_id).subquery()
    same = (w.version_id == newest.c.version_id) & (w.start_us == newest.c.start_us)
    rows = conn.execute(select(tables.window).join_from(tables.window, newest, same))
    return {row.version_id: WindowRow(**row._mapping) for row in rows}


def _newest_results(conn: Connection) -> dict[int, list[StoredResult]]:
    r = tables.result.c
    newest = select(r.version_id, func.max(r.window_start_us).label("start_us")).group_by(r.version_id).subquery()
    same = (r.version_id == newest.c.version_id) & (r.window_start_us == newest.c.start_us)
    query = select(tables.result).join_from(tables.result, newest, same).order_by(r.version_id, r.segment)
    found: dict[int, list[StoredResult]] = {}
    for row in conn.execute(query):
        found.setdefault(row.version_id, []).append(StoredResult(**{**row._mapping, "payload": bytes(row.payload)}))
    return found


def _waiting(conn: Connection) -> dict[int, int]:
    b = tables.log_batch.c
    query = select(b.version_id, func.sum(b.rows)).where(b.fold.is_(None)).group_by(b.version_id)
    return {version_id: int(rows) for version_id, rows in conn.execute(query)}
