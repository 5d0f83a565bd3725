"""Removal of what deleted versions and models left, in steps short enough for the write lock."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, LargeBinary, Table, delete, exists, func, literal, select, tuple_

from monitor.store import dialect, tables
from monitor.store.holds import under_hold
from monitor.store.keys import model_scope

STEP_BYTES = 8 * 1024 * 1024
_TOGETHER = 500  # rows of one statement
_STEPS: tuple[Table, ...] = (
    tables.log_batch, tables.id_run, tables.profile, tables.result, tables.quarantine, tables.request_key,
    tables.window, tables.calibration, tables.baseline_calibration, tables.judged_counts, tables.verdict,
    tables.handling, tables.window_mark, tables.transition, tables.outcome, tables.window_label, tables.scorecard,
    tables.performance, tables.drill, tables.erased_rows, tables.merged_profile,
)  # fmt: skip


def purge_deleted(conn: Connection, *, limit: int = 500) -> int:
    """How many rows this step removed, about ``limit`` at most; 0 when nothing of anything deleted is left.

    Call it again, each time in a transaction of its own, until it says 0. What was deleted of a model before its
    legal hold began stays while that lasts.
    """
    v = tables.version.c
    gone = select(v.id).where(v.deleted_us.is_not(None), ~under_hold(v.model_id)).order_by(v.id).limit(1)
    id = conn.execute(gone).scalar()
    if id is not None:
        return _purge_version(conn, version_id=id, limit=limit)
    return _purge_model(conn, limit=limit)


def _purge_version(conn: Connection, *, version_id: int, limit: int) -> int:
    for table in _STEPS:
        removed = remove_some(conn, table, owner=table.c.version_id == version_id, limit=limit)
        if removed:
            return removed
    removed = _references(conn, version_id=version_id, limit=limit)
    if removed:
        return removed
    removed = conn.execute(delete(tables.schema).where(tables.schema.c.version_id == version_id)).rowcount
    return removed + conn.execute(delete(tables.version).where(tables.version.c.id == version_id)).rowcount


def remove_some(conn: Connection, table: Table, *, owner: ColumnElement[bool], limit: int) -> int:
    """How many rows were removed, until they hold ``STEP_BYTES``: one may have a few bytes or megabytes."""
    keys = some_rows(conn, table, owner=owner, limit=limit)
    return sum(conn.execute(delete(table).where(here)).rowcount for here in keys)


def some_rows(
    conn: Connection, table: Table, *, owner: ColumnElement[bool], limit: int
) -> list[ColumnElement[bool]]:  # fmt: skip
    """The conditions, one a statement, of rows that hold ``STEP_BYTES`` together, or of a single one that has more."""
    key = tuple(table.primary_key.columns)
    size = 0
    keys: list[tuple[Any, ...]] = []
    for *found, bytes_ in conn.execute(select(*key, _weight(table)).where(owner).limit(limit)):
        if keys and size + bytes_ > STEP_BYTES:
            break
        keys.append(tuple(found))
        size += bytes_
    return [
        tuple_(*key).in_(some) if len(key) > 1 else key[0].in_([one for (one,) in some])
        for some in dialect.slices(keys, size=_TOGETHER)
    ]


def _weight(table: Table) -> ColumnElement[int]:
    """The bytes of a row: as it says, for a payload that is kept beside it, else of what in it is large."""
    if "bytes" in table.c:
        return table.c.bytes
    lengths = [func.coalesce(func.length(c), 0) for c in table.c if isinstance(c.type, LargeBinary) or c.name == "raw"]
    return sum(lengths[1:], lengths[0]) if lengths else literal(0)


def _references(conn: Connection, *, version_id: int, limit: int) -> int:
    """What is of references, then the references themselves."""
    r = tables.reference.c
    of_version = select(r.id).where(r.version_id == version_id)
    for table in (tables.reference_chunk, tables.reference_segment, tables.reference_segmentation):
        removed = remove_some(conn, table, owner=table.c.reference_id.in_(of_version), limit=limit)
        if removed:
            return removed
    return conn.execute(delete(tables.reference).where(r.version_id == version_id)).rowcount


def _purge_model(conn: Connection, *, limit: int) -> int:
    m, v = tables.model.c, tables.version.c
    id = conn.execute(
        select(m.id).where(m.deleted_us.is_not(None), m.held_us.is_(None), ~exists().where(v.model_id == m.id)).limit(1)
    ).scalar()
    if id is None:
        return 0
    of_models = (tables.label_batch, tables.label_segment, tables.label_quarantine, tables.silence, tables.erasure)
    owned = [(t, t.c.model_id == id) for t in of_models]
    for table, owner in [*owned, (tables.request_key, tables.request_key.c.version_id == model_scope(id))]:
        removed = remove_some(conn, table, owner=owner, limit=limit)
        if removed:
            return removed
    removed = conn.execute(delete(tables.layout).where(tables.layout.c.model_id == id)).rowcount
    return removed + conn.execute(delete(tables.model).where(m.id == id)).rowcount
