"""The verdicts in force, by (version, check, segment), kept between windows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, select

from monitor.model.results import CheckState
from monitor.store import dialect, evidence, tables
from monitor.store.transitions import StoredTransition, add_transitions, get_transition, list_transitions

__all__ = [
    "StoredTransition", "add_transitions", "all_states", "delete_states", "get_states", "get_transition",
    "list_transitions", "put_states",
]  # fmt: skip

_v = tables.verdict.c
_PLAIN = tuple(name for name in CheckState.__slots__ if name not in ("check", "columns"))

_STATES = (  # built once: asked for every window
    select(tables.verdict).where(_v.version_id == bindparam("version_id")).order_by(_v.check_name, _v.segment)
)


def get_states(conn: Connection, *, version_id: int) -> dict[tuple[str, str], CheckState]:
    """(check, segment) → the state in force."""
    found = conn.execute(_STATES, {"version_id": version_id})
    return {(row.check_name, row.segment): _state(row) for row in found}


def all_states(conn: Connection) -> Iterator[tuple[int, CheckState]]:
    """(version id, state) of every live version, fetched whole."""
    v = tables.version.c
    query = select(tables.verdict).join_from(tables.verdict, tables.version, v.id == _v.version_id)
    query = query.where(v.deleted_us.is_(None)).order_by(_v.version_id, _v.check_name, _v.segment)
    return iter([(row.version_id, _state(row)) for row in conn.execute(query)])


def put_states(conn: Connection, *, version_id: int, states: Iterable[CheckState]) -> None:
    """Keeps the states in place of earlier ones of the same check and segment."""
    values = [
        {name: getattr(state, name) for name in _PLAIN}
        | {"version_id": version_id, "check_name": state.check, "columns": evidence.dump_columns(state.columns),
           "value": evidence.finite(state.value), "threshold": evidence.finite(state.threshold)}
        for state in states
    ]  # fmt: skip
    if not values:
        return
    conn.execute(dialect.upsert(conn, tables.verdict), values)


def delete_states(conn: Connection, *, version_id: int, keys: Iterable[tuple[str, str]]) -> None:
    """Forgets the states of those (check, segment): of checks that were taken out of the model."""
    for check, segment in keys:
        here = (_v.version_id == version_id, _v.check_name == check, _v.segment == segment)
        conn.execute(delete(tables.verdict).where(*here))


def _state(row: Row[Any]) -> CheckState:
    values = {name: row._mapping[name] for name in _PLAIN}
    return CheckState(check=row.check_name, columns=evidence.load_columns(row.columns), **values)
