"""What a scrape shows of the whole fleet, in a handful of queries that seek and never scan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, Select, func, select, tuple_

from monitor.model.checks import LABELLED_KINDS
from monitor.model.entities import Model, Version
from monitor.model.results import CheckState
from monitor.store import dialect, tables, verdicts, versions
from monitor.store.windows import WindowRow


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultHead:
    """A stored result without its rows (``results.get_result`` has them). Equal heads have equal rows."""

    version_id: int
    window_start_us: int
    window_end_us: int
    segment: str
    revision: int
    rows: int
    computed_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetRow:
    """One live version: its verdicts, its newest window (judged or not) and its newest result by segment.

    ``labelled`` is the result that labels decided last, where it is not the newest.
    """

    model: Model
    version: Version
    states: tuple[CheckState, ...] = ()
    window: WindowRow | None = None
    results: tuple[ResultHead, ...] = ()
    labelled: ResultHead | None = None


def fleet_rows(conn: Connection) -> list[FleetRow]:
    """Every live version, by model and version name."""
    states: dict[int, list[CheckState]] = {}
    for version_id, state in verdicts.all_states(conn):
        states.setdefault(version_id, []).append(state)
    windows = newest_windows(conn)
    heads = _newest_heads(conn)
    labelled = _labelled_heads(conn, states)
    return [
        FleetRow(
            model=model,
            version=version,
            states=tuple(states.get(version.id, ())),
            window=windows.get(version.id),
            results=tuple(heads.get(version.id, ())),
            labelled=labelled.get(version.id),
        )
        for model, version in versions.all_versions(conn)
    ]


def unfolded_rows(conn: Connection) -> int:
    """How many rows of the whole fleet are stored and not yet profiled."""
    b = tables.log_batch.c
    return int(conn.execute(select(func.sum(b.rows)).where(b.fold.is_(None))).scalar() or 0)


def gap_windows(conn: Connection) -> int:
    """How many windows of live versions could not be computed."""
    w, v = tables.window.c, tables.version.c
    query = select(func.count()).join_from(tables.window, tables.version, v.id == w.version_id)
    return int(conn.execute(query.where(w.state == "gap", v.deleted_us.is_(None))).scalar_one())


def newest_windows(conn: Connection) -> dict[int, WindowRow]:
    """Version id → its latest window, judged or not, of every live version that has one."""
    w = tables.window.c
    query = _newest(select(tables.window), w.version_id, w.start_us)
    found = conn.execute(query).all()
    return {row.version_id: WindowRow(**row._mapping) for row in found if row.version_id is not None}


def _newest_heads(conn: Connection) -> dict[int, list[ResultHead]]:
    r = tables.result.c
    query = _newest(select(*[r[name] for name in ResultHead.__slots__]), r.version_id, r.window_start_us)
    found: dict[int, list[ResultHead]] = {}
    for row in [row for row in conn.execute(query).all() if row.version_id is not None]:
        found.setdefault(row.version_id, []).append(ResultHead(**row._mapping))
    return found


def _labelled_heads(conn: Connection, states: Mapping[int, Sequence[CheckState]]) -> dict[int, ResultHead]:
    """Version id → the result of the newest window that labels decided."""
    starts = {
        version_id: max(state.window_start_us for state in own if state.kind in LABELLED_KINDS)
        for version_id, own in states.items()
        if any(state.kind in LABELLED_KINDS for state in own)
    }
    r, found = tables.result.c, {}
    for some in dialect.slices(list(starts.items())):
        query = select(*[r[name] for name in ResultHead.__slots__]).where(r.segment == "")
        for row in conn.execute(query.where(tuple_(r.version_id, r.window_start_us).in_(some))):
            found[row.version_id] = ResultHead(**row._mapping)
    return found


def _newest(query: Select[Any], version_id: Column[int], start_us: Column[int]) -> Select[Any]:
    """The query narrowed to each live version's last start, and a row of nulls where a version has none.

    One seek a version, however many windows it has: the outer join keeps SQLite from scanning the windows first.
    """
    v = tables.version.c
    inner = version_id.table.alias()
    last = select(func.max(inner.c[start_us.key])).where(inner.c.version_id == v.id)
    same = (version_id == v.id) & (start_us == last.correlate(tables.version).scalar_subquery())
    return query.join_from(tables.version, version_id.table, same, isouter=True).where(v.deleted_us.is_(None))
