"""Transitions: verdicts that changed, one row each; the newest of a check and segment may still be firing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import BigInteger, Connection, Row, Select, bindparam, select, update

from monitor.model.errors import NotFound
from monitor.model.results import Transition
from monitor.store import dialect, evidence, tables

_t = tables.transition.c
FAILING = ("warning", "alert")
_PLAIN = (
    "kind", "segment", "severity", "from_status", "status", "at_us", "window_start_us", "window_end_us", "value",
    "threshold", "rows", "explanation",
)  # fmt: skip
_ANY = (  # asked for every window that is judged again: built once
    select(_t.id)
    .where(_t.version_id == bindparam("of"), _t.window_start_us == bindparam("start_us", type_=BigInteger))
    .limit(1)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTransition:
    """A transition with its id and the names of its model and version; ``state`` is ``firing`` or ``resolved``."""

    id: int
    model: str
    version: str
    version_id: int
    state: Literal["firing", "resolved"]
    transition: Transition


def add_transitions(
    conn: Connection, *, model_id: int, version_id: int, transitions: Sequence[Transition]
) -> list[int]:
    """The ids of the new transitions; each ends the firing of the one before it of the same check and segment."""
    ids: list[int] = []
    for transition in transitions:
        same = (_t.version_id == version_id, _t.check_name == transition.check, _t.segment == transition.segment)
        conn.execute(update(tables.transition).where(*same, _t.firing.is_(True)).values(firing=False))
        values = {name: getattr(transition, name) for name in _PLAIN} | {
            "model_id": model_id, "version_id": version_id, "check_name": transition.check,
            "firing": transition.status in FAILING, "columns": evidence.dump_columns(transition.columns),
            "value": evidence.finite(transition.value), "threshold": evidence.finite(transition.threshold),
        }  # fmt: skip
        ids.append(conn.execute(tables.transition.insert().values(values).returning(_t.id)).scalar_one())
    return ids


def list_transitions(
    conn: Connection,
    *,
    after: int | None = None,
    limit: int = 1000,
    state: str | None = None,
    model: str | None = None,
    model_ids: Sequence[int] | None = None,
    segment: str | None = None,
) -> list[StoredTransition]:
    """Transitions of live versions, newest first, from the one before id ``after`` on; ``state`` firing or resolved.

    ``model``, ``model_ids``: only of that one, only of those; ``segment``: only of that one, "" is all traffic.
    """
    query = _select()
    if after is not None:
        query = query.where(_t.id < after)
    if state is not None:
        query = query.where(_t.firing.is_(state == "firing"))
    if model is not None:
        query = query.where(tables.model.c.name == model)
    if model_ids is not None:
        query = query.where(dialect.among(_t.model_id, model_ids))
    if segment is not None:
        query = query.where(_t.segment == segment)
    return [_stored(row) for row in conn.execute(query.order_by(_t.id.desc()).limit(limit))]


def get_transition(conn: Connection, *, id: int) -> StoredTransition:
    """The transition of that id, or ``NotFound``."""
    row = conn.execute(_select().where(_t.id == id)).first() if dialect.is_id(id) else None
    if row is None:
        raise NotFound(f"alert {id} does not exist")
    return _stored(row)


def transitions_of_window(conn: Connection, *, version_id: int, window_start_us: int) -> list[StoredTransition]:
    """The transitions that the version's window brought, oldest first."""
    here = (_t.version_id == version_id, _t.window_start_us == window_start_us)
    return [_stored(row) for row in conn.execute(_select().where(*here).order_by(_t.id))]


def has_transitions(conn: Connection, *, version_id: int, window_start_us: int) -> bool:
    """Whether the version's window brought any."""
    return conn.execute(_ANY, {"of": version_id, "start_us": window_start_us}).first() is not None


def set_explanation(conn: Connection, *, id: int, explanation: str) -> None:
    """Keeps the words in place of what was said of the transition before."""
    conn.execute(update(tables.transition).where(_t.id == id).values(explanation=explanation))


def _select() -> Select[Any]:
    m, v = tables.model.c, tables.version.c
    joined = tables.transition.join(tables.version, v.id == _t.version_id).join(tables.model, m.id == v.model_id)
    query = select(tables.transition, m.name.label("model_name"), v.name.label("version_name"))
    return query.select_from(joined).where(v.deleted_us.is_(None), m.deleted_us.is_(None))


def _stored(row: Row[Any]) -> StoredTransition:
    values = {name: row._mapping[name] for name in _PLAIN}
    return StoredTransition(
        id=row.id,
        model=row.model_name,
        version=row.version_name,
        version_id=row.version_id,
        state="firing" if row.firing else "resolved",
        transition=Transition(check=row.check_name, columns=evidence.load_columns(row.columns), **values),
    )
