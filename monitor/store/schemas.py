"""Schemas of versions: rows that never change; a version points at its current one."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select, update

from monitor.model.errors import NotFound
from monitor.model.schema import Schema
from monitor.store import jsontext, tables

_s = tables.schema.c


def save_schema(conn: Connection, *, version_id: int, schema: Schema) -> int:
    """The id of the schema, which the version points at from now on; an unchanged one keeps its id."""
    body = jsontext.dump(schema.to_json())
    newest = select(_s.id, _s.body).where(_s.version_id == version_id).order_by(_s.id.desc()).limit(1)
    stored = conn.execute(newest).first()
    if stored is not None and stored.body == body:
        id = int(stored.id)
    else:
        put = insert(tables.schema).values(version_id=version_id, body=body).returning(_s.id)
        id = int(conn.execute(put).scalar_one())
    v = tables.version.c
    changed = update(tables.version).where(v.id == version_id, v.deleted_us.is_(None))
    if conn.execute(changed.values(schema_id=id, revision=v.revision + 1)).rowcount != 1:
        raise NotFound(f"version {version_id} does not exist any more")
    return id


def get_schema(conn: Connection, *, id: int) -> Schema:
    """The schema of that id, or ``NotFound``."""
    body = conn.execute(select(_s.body).where(_s.id == id)).scalar()
    if body is None:
        raise NotFound(f"schema {id} does not exist any more")
    return Schema.from_json(jsontext.load(body))
