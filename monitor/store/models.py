"""Models; the functions of their versions stand in ``versions`` and are offered here too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from sqlalchemy import Connection, Text, bindparam, cast, func, select, update

from monitor.model.entities import Model
from monitor.model.errors import Conflict, NotFound, PreconditionFailed
from monitor.store import dialect, rows, runs, tables
from monitor.store.holds import refuse_held
from monitor.store.versions import (
    all_versions,
    delete_version,
    get_version,
    get_version_by_id,
    insert_version,
    list_versions,
    live_version_ids,
    mark_deleted,
    newest_live_version,
    update_version,
)

__all__ = [
    "all_versions", "delete_model", "delete_version", "get_model", "get_model_by_id", "get_version",
    "get_version_by_id", "insert_model", "insert_version", "list_models", "list_versions", "live_model_ids",
    "live_version_ids", "model_names", "newest_live_version", "update_model", "update_version",
]  # fmt: skip

MOST_MODELS = 10_000  # of one store: each has series, verdicts and jobs of its own
_m = tables.model.c
# Built once: every group commit with labels asks it.
_LIVE = select(_m.id).where(_m.id.in_(bindparam("ids", expanding=True)), _m.deleted_us.is_(None))


def get_model(conn: Connection, *, name: str) -> Model:
    """The model of that name, or ``NotFound`` that says how to make it."""
    row = conn.execute(select(tables.model).where(_m.name == name, _m.deleted_us.is_(None))).first()
    if row is None:
        raise NotFound(f"model {name!r} does not exist: create it with PUT /api/v1/models/{name}")
    return rows.model_from_row(row)


def get_model_by_id(conn: Connection, *, id: int) -> Model:
    """The live model of that id, or ``NotFound``."""
    row = conn.execute(select(tables.model).where(_m.id == id, _m.deleted_us.is_(None))).first()
    if row is None:
        raise NotFound(f"model {id} does not exist any more")
    return rows.model_from_row(row)


def model_names(conn: Connection) -> dict[int, str]:
    """Id → name of every live model."""
    return {row.id: row.name for row in conn.execute(select(_m.id, _m.name).where(_m.deleted_us.is_(None)))}


def live_model_ids(conn: Connection, *, ids: Iterable[int]) -> set[int]:
    """Those of the ids whose model is live now: what a group commit asks before it inserts labels."""
    live: set[int] = set()
    for some in dialect.slices(sorted(set(ids))):
        live.update(conn.execute(_LIVE, {"ids": some}).scalars())
    return live


def list_models(
    conn: Connection, *, after: str = "", limit: int = 1000, ids: Sequence[int] | None = None
) -> list[Model]:
    """Models by name, from the one behind ``after`` on; with ``ids`` only those."""
    query = select(tables.model).where(_m.deleted_us.is_(None), _m.name > after).order_by(_m.name).limit(limit)
    if ids is not None:
        query = query.where(dialect.among(_m.id, ids))
    return [rows.model_from_row(row) for row in conn.execute(query)]


def insert_model(conn: Connection, model: Model) -> Model:
    """The model as stored, with its id; ``Conflict`` where the name is taken."""
    values = rows.model_values(model) | {"created_us": model.created_us, "revision": 1}
    put = dialect.insert(conn, tables.model).values(values).on_conflict_do_nothing(index_elements=["name"])
    id = conn.execute(put.returning(_m.id)).scalar()
    if id is None:
        raise Conflict(f"model {model.name!r} exists already")
    if id > MOST_MODELS:  # counted only then: ids go up by one at least, and a set of files makes thousands at once
        _refuse_too_many(conn)
    return replace(model, id=id, revision=1)


def _refuse_too_many(conn: Connection) -> None:
    count = conn.execute(select(func.count()).where(_m.deleted_us.is_(None)).select_from(tables.model)).scalar_one()
    if count > MOST_MODELS:
        raise Conflict(f"there are {MOST_MODELS:,} models: delete some that nobody needs, or run another server")


def update_model(conn: Connection, model: Model, *, if_revision: int | None = None) -> Model:
    """The model with its fields replaced and its revision counted up.

    ``PreconditionFailed`` where ``if_revision`` is no longer the stored one.
    """
    change = update(tables.model).where(_m.id == model.id, _m.deleted_us.is_(None))
    if if_revision is not None:
        change = change.where(_m.revision == if_revision)
    change = change.values(rows.model_values(model) | {"revision": _m.revision + 1}).returning(tables.model)
    row = conn.execute(change).first()
    if row is not None:
        return rows.model_from_row(row)
    get_model_by_id(conn, id=model.id)
    raise PreconditionFailed(f"model {model.name!r} has changed since revision {if_revision}: read it again")


def delete_model(conn: Connection, *, name: str) -> None:
    """Marks the model and its versions deleted: quick whatever it holds; ``purge_deleted`` removes the rest in steps.

    The name is free at once, every list leaves it out, and running jobs lose their fence. ``Held`` under a legal
    hold: roll back.
    """
    found = get_model(conn, name=name)
    mark_deleted(conn, tables.version.c.model_id == found.id)
    refuse_held(conn, model_id=found.id)
    runs.cancel_subjects(conn, subjects=[runs.model_subject(found.id)])
    conn.execute(
        update(tables.model)
        .where(_m.id == found.id)
        .values(deleted_us=dialect.now_us(conn), name=_m.name + "#" + cast(_m.id, Text))  # no name may hold a '#'
    )
