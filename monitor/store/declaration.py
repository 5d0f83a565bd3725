"""What an apply reads of the models it is about, in a handful of queries, and the lock that keeps applies apart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, or_, select, text

from monitor.model.entities import Model, Reference, Version
from monitor.model.schema import Schema
from monitor.store import dialect, jsontext, rows, tables
from monitor.store.references import references_of

_LOCK = 0x6170706C  # any number that is always the same: the advisory lock of every apply
_m, _v, _s, _w = tables.model.c, tables.version.c, tables.schema.c, tables.window.c


def lock_applying(conn: Connection) -> None:
    """Waits until no other apply is under way; held until the transaction ends.

    SQLite has one writer anyway.
    """
    if conn.dialect.name == "postgresql":
        conn.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))


def models_named(conn: Connection, *, names: Sequence[str], origin: str | None, lock: bool = False) -> list[Model]:
    """The models of those names and those that the set ``origin`` made; ``lock`` holds their rows."""
    found: dict[int, Model] = {}
    for some in dialect.slices(list(names)) if names else ([],):
        query = select(tables.model).where(_m.deleted_us.is_(None), or_(_m.name.in_(some), _m.origin == origin))
        for row in conn.execute(query.with_for_update() if lock else query):
            found[row.id] = rows.model_from_row(row)
    return list(found.values())


def versions_of(conn: Connection, *, model_ids: Sequence[int], lock: bool = False) -> list[Version]:
    """The live versions of the models, by id."""
    found: list[Version] = []
    for some in dialect.slices(model_ids):
        query = select(tables.version).where(_v.model_id.in_(some), _v.deleted_us.is_(None)).order_by(_v.id)
        found += map(rows.version_from_row, conn.execute(query.with_for_update() if lock else query))
    return found


def schemas_by_id(conn: Connection, *, ids: Iterable[int]) -> dict[int, Schema]:
    """The schemas of those ids."""
    found: dict[int, Schema] = {}
    for some in dialect.slices(sorted(set(ids))):
        for row in conn.execute(select(_s.id, _s.body).where(_s.id.in_(some))):
            found[row.id] = Schema.from_json(jsontext.load(row.body))
    return found


def ready_references(conn: Connection, *, version_ids: Sequence[int]) -> dict[int, list[Reference]]:
    """The ready references of the versions by version id, the newest first."""
    found: dict[int, list[Reference]] = {}
    for some in dialect.slices(version_ids):
        for reference in references_of(conn, version_ids=some):
            found.setdefault(reference.version_id, []).append(reference)
    return found


def windowed_models(conn: Connection, *, model_ids: Sequence[int]) -> set[int]:
    """Those of the models that have windows."""
    found: set[int] = set()
    for some in dialect.slices(model_ids):
        has = select(_w.version_id).where(_w.version_id == _v.id).exists()
        query = select(_v.model_id).where(_v.model_id.in_(some), _v.deleted_us.is_(None), has).distinct()
        found.update(conn.execute(query).scalars())
    return found
