"""Versions of models. A version is live while neither it nor its model is deleted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, Text, bindparam, case, cast, func, null, select, update

from monitor.model.entities import Model, Version
from monitor.model.errors import Conflict, FenceLost, NotFound, PreconditionFailed, Taken
from monitor.store import dialect, rows, runs, tables
from monitor.store.holds import refuse_held

MOST_VERSIONS = 1_000  # of one model
_v = tables.version.c
_COUNT = select(func.count()).where(_v.model_id == bindparam("of"), _v.deleted_us.is_(None))
# Built once: every group commit asks it, and building it costs more than running it.
_LIVE = select(_v.id).where(_v.id.in_(bindparam("ids", expanding=True)), _v.deleted_us.is_(None))

# Asked for every slice and every window: built once, for building costs as much as running.
_LOCK = select(tables.version).where(_v.id == bindparam("id"), _v.deleted_us.is_(None)).with_for_update()
_BY_ID = rows.select_both().where(_v.id == bindparam("id"))
_NAMED = rows.select_both().where(tables.model.c.name == bindparam("model"), _v.name == bindparam("version"))
_OF_MODEL = (
    select(tables.version)
    .where(_v.model_id == bindparam("model_id"), _v.deleted_us.is_(None), _v.name > bindparam("after"))
    .order_by(_v.name)
    .limit(bindparam("most", type_=BigInteger))
)  # fmt: skip
# By whether the version is live from now on: it was before (then or unknown), or it becomes so now.
_CHANGE = {
    live: update(tables.version)
    .where(_v.id == bindparam("of"), _v.deleted_us.is_(None))
    .values(revision=_v.revision + 1, live_us=since)
    .returning(tables.version)
    for live, since in (
        (True, case((_v.state == "live", _v.live_us), else_=bindparam("became_us", type_=BigInteger))),
        (False, null()),
    )
}


def get_version(conn: Connection, *, model: str, version: str) -> tuple[Model, Version]:
    """The named version with its model, or ``NotFound`` that says which of the two is missing."""
    row = conn.execute(_NAMED, {"model": model, "version": version}).first()
    if row is not None:
        return rows.both_from_row(row)
    if conn.execute(select(tables.model.c.id).where(tables.model.c.name == model)).first() is None:
        raise NotFound(f"model {model!r} does not exist: create it with PUT /api/v1/models/{model}")
    raise NotFound(
        f"model {model!r} has no version {version!r}: create it with PUT /api/v1/models/{model}/versions/{version}"
    )


def get_version_by_id(conn: Connection, *, id: int) -> tuple[Model, Version]:
    """The live version of that id with its model, or ``NotFound``."""
    row = conn.execute(_BY_ID, {"id": id}).first()
    found = None if row is None else rows.both_from_row(row)
    if found is None:
        raise NotFound(f"version {id} does not exist any more")
    return found


def lock_version(conn: Connection, *, id: int) -> Version:
    """The live version as it is now, its row held until the transaction ends; ``FenceLost`` once it is deleted.

    Folds, verdicts and a change of reference or layout take this lock, so that none slips between another's
    read and write.
    """
    row = conn.execute(_LOCK, {"id": id}).first()
    if row is None:
        raise FenceLost(f"version {id} does not exist any more")
    return rows.version_from_row(row)


def newest_live_version(conn: Connection, *, model: str) -> tuple[Model, Version]:
    """The version of state ``live`` made last, with its model, or ``NotFound``."""
    query = rows.select_both().where(tables.model.c.name == model, _v.state == "live").order_by(_v.id.desc()).limit(1)
    row = conn.execute(query).first()
    if row is not None:
        return rows.both_from_row(row)
    if conn.execute(select(tables.model.c.id).where(tables.model.c.name == model)).first() is None:
        raise NotFound(f"model {model!r} does not exist: create it with PUT /api/v1/models/{model}")
    raise NotFound(
        f"model {model!r} has no version in state 'live': create one with PUT /api/v1/models/{model}/versions/<version>"
    )


def list_versions(conn: Connection, *, model_id: int, after: str = "", limit: int = 1000) -> list[Version]:
    """A model's versions by name, from the one behind ``after`` on."""
    asked = {"model_id": model_id, "after": after, "most": limit}
    return [rows.version_from_row(row) for row in conn.execute(_OF_MODEL, asked)]


def all_versions(conn: Connection) -> list[tuple[Model, Version]]:
    """Every live version with its model, by model and version name."""
    query = rows.select_both().order_by(tables.model.c.name, _v.name)
    return [rows.both_from_row(row) for row in conn.execute(query)]


def live_version_ids(conn: Connection, *, ids: Iterable[int]) -> set[int]:
    """Those of the ids whose version is live now: what a group commit asks before it inserts."""
    live: set[int] = set()
    for some in dialect.slices(sorted(set(ids))):
        live.update(conn.execute(_LIVE, {"ids": some}).scalars())
    return live


def insert_version(conn: Connection, version: Version) -> Version:
    """The version as stored, with its id; ``Taken`` where the model has one of that name.

    ``Conflict`` where it has too many: the caller's transaction must not commit.
    """
    live_us = version.created_us if version.state == "live" else None
    values = rows.version_values(version) | {
        "model_id": version.model_id, "created_us": version.created_us, "live_us": live_us, "fold_seq": 0,
        "revision": 1,
        "schema_id": version.schema_id, "layout_id": version.layout_id, "reference_id": version.reference_id,
    }  # fmt: skip
    put = dialect.insert(conn, tables.version).values(values)
    id = conn.execute(put.on_conflict_do_nothing(index_elements=["model_id", "name"]).returning(_v.id)).scalar()
    if id is None:
        raise Taken(f"version {version.name!r} exists already")
    if conn.execute(_COUNT, {"of": version.model_id}).scalar_one() > MOST_VERSIONS:
        raise Conflict(f"the model has {MOST_VERSIONS:,} versions: delete some that nobody needs")
    return replace(version, id=id, fold_seq=0, revision=1, live_us=live_us)


def update_version(conn: Connection, version: Version, *, if_revision: int | None = None) -> Version:
    """The version with its owner's fields replaced and its revision counted up.

    Schema, layout, active reference and folds have functions of their own and are left as they are.
    ``PreconditionFailed`` where ``if_revision`` is no longer the stored one.
    """
    live = version.state == "live"
    change = _CHANGE[live]
    if if_revision is not None:
        change = change.where(_v.revision == if_revision)
    asked: dict[str, Any] = {"of": version.id} | ({"became_us": version.updated_us} if live else {})
    row = conn.execute(change, rows.version_values(version) | asked).first()
    if row is not None:
        return rows.version_from_row(row)
    get_version_by_id(conn, id=version.id)
    raise PreconditionFailed(f"version {version.name!r} has changed since revision {if_revision}: read it again")


def delete_version(conn: Connection, *, model: str, version: str) -> None:
    """Marks the version deleted: its name is free at once, its runs lose their fence; purging does the rest.

    ``Held`` under a legal hold of its model: roll back.
    """
    owner, found = get_version(conn, model=model, version=version)
    mark_deleted(conn, _v.id == found.id)
    refuse_held(conn, model_id=owner.id)


def mark_deleted(conn: Connection, condition: ColumnElement[bool]) -> None:
    """Marks the versions of the condition deleted, frees their names and ends their runs."""
    gone = conn.execute(
        update(tables.version)
        .where(condition, _v.deleted_us.is_(None))
        .values(deleted_us=dialect.now_us(conn), name=_v.name + "#" + cast(_v.id, Text))  # no name may hold a '#'
        .returning(_v.id)
    ).scalars()
    runs.cancel_subjects(conn, subjects=[str(id) for id in gone])


@dataclass(frozen=True, slots=True, kw_only=True)
class Folds:
    """The last fold of a version, and the last whose ids all of the model's labels have been looked for in; 0: none."""

    version_id: int
    fold_seq: int
    joined_fold: int


def folds_of_model(conn: Connection, *, model_id: int) -> list[Folds]:
    """How far the model's live versions are folded and joined, by id."""
    joined = func.coalesce(_v.joined_fold, 0).label("joined_fold")
    query = select(_v.id.label("version_id"), _v.fold_seq, joined)
    query = query.where(_v.model_id == model_id, _v.deleted_us.is_(None)).order_by(_v.id)
    return [Folds(**row._mapping) for row in conn.execute(query)]


def set_joined_fold(conn: Connection, *, id: int, fold: int) -> None:
    """Notes that all labels of the model have been looked for in the ids of the folds up to this one."""
    conn.execute(update(tables.version).where(_v.id == id).values(joined_fold=fold))
