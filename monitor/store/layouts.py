"""Layouts of models: bytes that never change, found again by their digest."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from monitor.model.errors import NotFound
from monitor.store import dialect, tables

_l = tables.layout.c
_v = tables.version.c

# Built once, for building costs as much as running: asked for every window, or for every reference.
_WITH_DIGEST = select(_l.body, _l.digest).where(_l.id == bindparam("id"))
_NEWEST = select(_l.id, _l.body).where(_l.model_id == bindparam("model_id")).order_by(_l.id.desc()).limit(1)
_POINT = update(tables.version).where(_v.id == bindparam("of"), _v.deleted_us.is_(None))


@cache
def _put(name: str) -> Any:
    put = dialect.insert_into(name, tables.layout)
    # An update that changes nothing, because DO NOTHING returns no row.
    put = put.on_conflict_do_update(index_elements=["model_id", "digest"], set_={"digest": put.excluded.digest})
    return put.returning(_l.id)


def save_layout(conn: Connection, *, model_id: int, body: bytes, digest: str) -> int:
    """The id of the model's layout with that digest; a digest stored before keeps its id."""
    values = {"model_id": model_id, "body": body, "digest": digest}
    return int(conn.execute(_put(conn.dialect.name), values).scalar_one())


def get_layout(conn: Connection, *, id: int) -> bytes:
    """The encoded layout of that id, or ``NotFound``."""
    body = conn.execute(select(_l.body).where(_l.id == id)).scalar()
    if body is None:
        raise NotFound(f"layout {id} does not exist any more")
    return bytes(body)


def get_layout_with_digest(conn: Connection, *, id: int) -> tuple[bytes, str]:
    """(encoded layout, its digest) of that id, or ``NotFound``."""
    row = conn.execute(_WITH_DIGEST, {"id": id}).first()
    if row is None:
        raise NotFound(f"layout {id} does not exist any more")
    return bytes(row.body), row.digest


def newest_layout(conn: Connection, *, model_id: int) -> tuple[int, bytes] | None:
    """(id, encoded layout) made last for the model, if any."""
    row = conn.execute(_NEWEST, {"model_id": model_id}).first()
    return None if row is None else (row.id, bytes(row.body))


def set_version_layout(conn: Connection, *, version_id: int, layout_id: int) -> None:
    """Points the version at the layout its windows are profiled with from now on; ``NotFound`` if it is gone."""
    if conn.execute(_POINT, {"of": version_id, "layout_id": layout_id}).rowcount != 1:
        raise NotFound(f"version {version_id} does not exist any more")
