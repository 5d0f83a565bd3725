"""Schemas of versions: rows that never change; a version points at its current one."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, insert, select, update

from monitor.model.errors import NotFound
from monitor.model.schema import Schema
from monitor.store import jsontext, tables

_s = tables.schema.c
_v = tables.version.c

# Built once, for building costs as much as running: a folder of models saves hundreds.
_NEWEST = (
    select(_s.id, _s.body).where(_s.version_id == bindparam("version_id")).order_by(_s.id.desc()).limit(1)
)  # fmt: skip
_PUT = insert(tables.schema).returning(_s.id)
_POINT = (
    update(tables.version)
    .where(_v.id == bindparam("of"), _v.deleted_us.is_(None))
    .values(revision=_v.revision + 1)
)  # fmt: skip
_BODY = select(_s.body).where(_s.id == bindparam("id"))


def save_schema(conn: Connection, *, version_id: int, schema: Schema) -> int:
    """The id of the schema, which the version points at from now on; an unchanged one keeps its id."""
    body = jsontext.dump(schema.to_json())
    stored = conn.execute(_NEWEST, {"version_id": version_id}).first()
    if stored is not None and stored.body == body:
        id = int(stored.id)
    else:
        id = int(conn.execute(_PUT, {"version_id": version_id, "body": body}).scalar_one())
    if conn.execute(_POINT, {"of": version_id, "schema_id": id}).rowcount != 1:
        raise NotFound(f"version {version_id} does not exist any more")
    return id


def get_schema(conn: Connection, *, id: int) -> Schema:
    """The schema of that id, or ``NotFound``."""
    body = conn.execute(_BODY, {"id": id}).scalar()
    if body is None:
        raise NotFound(f"schema {id} does not exist any more")
    return Schema.from_json(jsontext.load(body))
