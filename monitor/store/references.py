"""References of versions, with the file they came from kept in chunks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, func, insert, select, update

from monitor.model.entities import Reference
from monitor.model.errors import Conflict, NotFound
from monitor.store import dialect, jsontext, tables

MOST_REFERENCES = 10_000  # of one version: each keeps its file and its profile
_r = tables.reference.c
_c = tables.reference_chunk.c
_META = [c for c in _r if c.name not in ("profile", "history")]

_v = tables.version.c

# Built once, for building costs as much as running: asked for every window of a version that is not kept decoded, …
_BY_ID = select(*_META).where(_r.id == bindparam("id"))
_PROFILE = select(_r.profile).where(_r.id == bindparam("id"))
# … and for every reference of a folder of models.
_LIVE = update(tables.version).where(_v.id == bindparam("of"), _v.deleted_us.is_(None))
_TOUCH = _LIVE.values(state=_v.state)
_LAST = select(func.coalesce(func.max(_r.number), 0)).where(_r.version_id == bindparam("version_id"))
_BEGIN = insert(tables.reference).returning(_r.id)
_APPEND = insert(tables.reference_chunk)
_FINISH = update(tables.reference).where(_r.id == bindparam("of")).returning(*_META)
_SAME = (
    select(*_META)
    .where(
        _r.version_id == bindparam("version_id"), _r.digest == bindparam("digest"), _r.roles == bindparam("roles"),
        _r.ready.is_(True),
    )
    .order_by(_r.number.desc())
    .limit(1)
)  # fmt: skip
_READY = select(_r.id).where(_r.id == bindparam("ready"), _r.version_id == bindparam("of"), _r.ready.is_(True))
_ACTIVATE = _LIVE.where(_READY.exists()).values(revision=_v.revision + 1)


def begin_reference(conn: Connection, reference: Reference) -> Reference:
    """The reference as stored, with its id and the version's next number; not ready until it is finished."""
    # The update locks the version's row: two references begun at once get two numbers.
    if conn.execute(_TOUCH, {"of": reference.version_id}).rowcount != 1:
        raise NotFound(f"version {reference.version_id} does not exist any more")
    number = int(conn.execute(_LAST, {"version_id": reference.version_id}).scalar_one()) + 1
    if number > MOST_REFERENCES:
        raise Conflict(f"the version has {MOST_REFERENCES:,} references: activate an earlier one, or use a new version")
    values = {
        "version_id": reference.version_id, "number": number, "digest": reference.digest,
        "roles": _roles(reference.roles), "source": reference.source, "media_type": reference.media_type,
        "rows": reference.rows, "schema_id": reference.schema_id, "layout_id": reference.layout_id,
        "warnings": jsontext.dump(list(reference.warnings)), "created_us": reference.created_us, "ready": False,
    }  # fmt: skip
    id = conn.execute(_BEGIN, values).scalar_one()
    return replace(reference, id=int(id), number=number, ready=False)


def append_chunk(conn: Connection, *, reference_id: int, seq: int, payload: bytes) -> None:
    """Keeps the next piece of the reference's file; ``seq`` counts 0, 1, 2, …"""
    conn.execute(_APPEND, {"reference_id": reference_id, "seq": seq, "payload": payload})


def chunks(conn: Connection, *, reference_id: int, seq: int) -> bytes | None:
    """Piece number ``seq`` of the reference's file, None behind the last: read one a transaction."""
    query = select(_c.payload).where(_c.reference_id == reference_id, _c.seq == seq)
    payload = conn.execute(query).scalar()
    return None if payload is None else bytes(payload)


def finish_reference(
    conn: Connection,
    *,
    reference_id: int,
    rows: int,
    layout_id: int | None,
    schema_id: int | None,
    profile: bytes,
    history: bytes | None = None,
    warnings: Sequence[dict[str, str]] = (),
    digest: str | None = None,
) -> Reference:
    """The reference, ready: with its profile and the history of its own windows. Activate it separately.

    ``digest`` replaces the one it was begun with (known only when the file has been read).
    """
    values: dict[str, Any] = {
        "rows": rows, "layout_id": layout_id, "schema_id": schema_id, "profile": profile, "history": history,
        "warnings": jsontext.dump(list(warnings)), "ready": True,
    }  # fmt: skip
    if digest is not None:
        values["digest"] = digest
    return _reference(_one(conn.execute(_FINISH, values | {"of": reference_id}).first(), reference_id))


def set_reference_profile(
    conn: Connection, *, reference_id: int, layout_id: int, profile: bytes, history: bytes | None
) -> None:
    """Replaces the profile and history of a reference that was profiled again with another layout."""
    change = update(tables.reference).where(_r.id == reference_id)
    values = {"layout_id": layout_id, "profile": profile, "history": history}
    if conn.execute(change.values(values)).rowcount != 1:
        raise NotFound(f"reference {reference_id} does not exist any more")


def set_reference_warnings(conn: Connection, *, reference_id: int, warnings: Sequence[dict[str, Any]]) -> None:
    """Replaces what a reference's owner should know of it."""
    change = update(tables.reference).where(_r.id == reference_id)
    conn.execute(change.values(warnings=jsontext.dump(list(warnings))))


def find_reference(conn: Connection, *, version_id: int, digest: str, roles: dict[str, Any]) -> Reference | None:
    """The version's ready reference made from the same bytes with the same roles, if there is one."""
    row = conn.execute(_SAME, {"version_id": version_id, "digest": digest, "roles": _roles(roles)}).first()
    return None if row is None else _reference(row)


def list_references(
    conn: Connection, *, version_id: int, before: int | None = None, limit: int = 1000
) -> list[Reference]:
    """Ready references of the version, newest first, from the one before number ``before`` on."""
    query = select(*_META).where(_r.version_id == version_id, _r.ready.is_(True))
    if before is not None:
        query = query.where(_r.number < before)
    return [_reference(row) for row in conn.execute(query.order_by(_r.number.desc()).limit(limit))]


def references_of(conn: Connection, *, version_ids: Sequence[int]) -> list[Reference]:
    """Every ready reference of some versions (as many as one IN list takes), the newest of each first."""
    query = select(*_META).where(_r.version_id.in_(version_ids), _r.ready.is_(True))
    return [_reference(row) for row in conn.execute(query.order_by(_r.version_id, _r.number.desc()))]


def get_reference(conn: Connection, *, version_id: int, number: int | None = None) -> Reference:
    """The version's reference of that number, or its active one; ``NotFound`` says how to set one."""
    query = select(*_META).where(_r.version_id == version_id, _r.ready.is_(True))
    if number is not None:
        row = conn.execute(query.where(_r.number == number)).first() if dialect.is_id(number) else None
        missing = f"there is no reference {number}"
    else:
        active = select(_v.reference_id).where(_v.id == version_id).scalar_subquery()
        row = conn.execute(query.where(_r.id == active)).first()
        missing = "the version has no reference yet: set one with PUT …/reference"
    if row is None:
        raise NotFound(missing)
    return _reference(row)


def get_reference_by_id(conn: Connection, *, id: int) -> Reference:
    """The reference of that id, ready or not, or ``NotFound``."""
    return _reference(_one(conn.execute(_BY_ID, {"id": id}).first(), id))


def activate_reference(conn: Connection, *, version_id: int, reference_id: int) -> None:
    """Makes a ready reference the one that the version is held against from now on."""
    asked = {"of": version_id, "ready": reference_id, "reference_id": reference_id}
    if conn.execute(_ACTIVATE, asked).rowcount != 1:
        raise NotFound(f"version {version_id} has no ready reference {reference_id}")


def reference_profile(conn: Connection, *, reference_id: int) -> bytes:
    """The encoded profile of a ready reference, or ``NotFound``."""
    profile = conn.execute(_PROFILE, {"id": reference_id}).scalar()
    if profile is None:
        raise NotFound(f"reference {reference_id} has no profile")
    return bytes(profile)


def reference_history(conn: Connection, *, reference_id: int) -> bytes | None:
    """The encoded history of the reference's own windows; None where it had no timestamps."""
    history = conn.execute(select(_r.history).where(_r.id == reference_id)).scalar()
    return None if history is None else bytes(history)


def discard_reference(conn: Connection, *, reference_id: int) -> None:
    """Removes a reference that did not come to its end, with its chunks; a ready one is left alone."""
    begun = select(_r.id).where(_r.id == reference_id, _r.ready.is_(False))
    conn.execute(delete(tables.reference_chunk).where(_c.reference_id.in_(begun)))
    conn.execute(delete(tables.reference).where(_r.id.in_(begun)))


def unfinished_references(conn: Connection, *, before_us: int) -> Iterator[int]:
    """Ids of references begun before ``before_us`` and never finished: left by a process that stopped."""
    query = select(_r.id).where(_r.ready.is_(False), _r.created_us < before_us)
    return iter(conn.execute(query).scalars().all())


def _roles(roles: dict[str, Any]) -> str:
    return jsontext.dump(dict(sorted(roles.items())))


def _one(row: Row[Any] | None, id: int) -> Row[Any]:
    if row is None:
        raise NotFound(f"reference {id} does not exist any more")
    return row


def _reference(row: Row[Any]) -> Reference:
    values = dict(row._mapping)
    values |= {"roles": jsontext.load(row.roles), "warnings": tuple(jsontext.load(row.warnings))}
    return Reference(**values)
