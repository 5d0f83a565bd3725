"""Labels of models as they came, until a join takes them up, and the count of joins that keeps two of them apart.

Payloads are opaque here. A batch's id is the order of labels: of two for the same record the higher one counts.
What joins have looked for is in ``segments``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, exists, func, insert, select, update

from monitor.model.errors import FenceLost
from monitor.store import dialect, tables

_b = tables.label_batch.c
_m = tables.model.c
_v = tables.version.c
PAGE_BYTES = 4 * 2**20  # what one short read transaction brings


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelBatch:
    """Labels of one request, not joined yet."""

    id: int = 0
    model_id: int
    received_us: int
    rows: int
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingLabels:
    """What a model's labels wait for: so many rows, the first of them received then."""

    model_id: int
    rows: int
    oldest_us: int


def insert_labels(conn: Connection, new: Sequence[LabelBatch]) -> list[int]:
    """The ids of the stored batches, in their order."""
    if not new:
        return []
    values = [
        {"model_id": b.model_id, "received_us": b.received_us, "rows": b.rows, "bytes": len(b.payload),
         "payload": b.payload}
        for b in new
    ]  # fmt: skip
    put = insert(tables.label_batch).returning(_b.id, sort_by_parameter_order=True)
    return list(conn.execute(put, values).scalars())


def waiting_models(conn: Connection) -> list[WaitingLabels]:
    """Every live model with labels that no join has taken up, by id."""
    query = (
        select(_b.model_id, func.sum(_b.rows), func.min(_b.received_us))
        .join_from(tables.label_batch, tables.model, _m.id == _b.model_id)
        .where(_m.deleted_us.is_(None))
        .group_by(_b.model_id)
        .order_by(_b.model_id)
    )
    return [WaitingLabels(model_id=int(i), rows=int(n), oldest_us=int(t)) for i, n, t in conn.execute(query)]


def waiting_labels(
    conn: Connection, *, model_id: int, max_rows: int, max_bytes: int = PAGE_BYTES, after: int = 0
) -> list[LabelBatch]:
    """The first batches that wait, by id behind ``after``, at most so many rows and bytes together; one at least."""
    sizes = select(_b.id, _b.rows, _b.bytes).where(_b.model_id == model_id, _b.id > after).order_by(_b.id)
    ids: list[int] = []
    for id, rows, size in conn.execute(sizes):
        max_rows, max_bytes = max_rows - rows, max_bytes - size
        if ids and (max_rows < 0 or max_bytes < 0):
            break
        ids.append(id)
    found: list[LabelBatch] = []
    for some in dialect.slices(ids):
        here = select(_b.id, _b.model_id, _b.received_us, _b.rows, _b.payload).where(_b.id.in_(some)).order_by(_b.id)
        found += [LabelBatch(**{**row._mapping, "payload": bytes(row.payload)}) for row in conn.execute(here)]
    return found


def remove_labels(conn: Connection, *, model_id: int, ids: Sequence[int]) -> None:
    """Removes batches that a join has taken up; ``FenceLost`` where one of them is gone: another join had it."""
    removed = 0
    for some in dialect.slices(ids):
        removed += conn.execute(
            delete(tables.label_batch).where(_b.id.in_(some), _b.model_id == model_id)
        ).rowcount  # fmt: skip
    if removed != len(ids):
        raise FenceLost(f"model {model_id}: {len(ids)} batches of labels to take up, but only {removed} wait")


def joins(conn: Connection, *, model_id: int) -> int:
    """How often the model's labels have been joined."""
    return int(conn.execute(select(_m.joins).where(_m.id == model_id)).scalar() or 0)


def step_joins(conn: Connection, *, model_id: int, seen: int) -> None:
    """Counts one join more; ``FenceLost`` where the model was joined by somebody else (or deleted) since ``seen``."""
    here = (_m.id == model_id, func.coalesce(_m.joins, 0) == seen, _m.deleted_us.is_(None))
    if conn.execute(update(tables.model).where(*here).values(joins=seen + 1)).rowcount != 1:
        raise FenceLost(f"model {model_id} was joined by somebody else after join {seen}")


def labelled_models(conn: Connection) -> set[int]:
    """The models that have labels, waiting or looked for."""
    waiting = select(_b.model_id).distinct()
    return set(conn.execute(waiting.union(select(tables.label_segment.c.model_id))).scalars())


def models_behind(conn: Connection) -> set[int]:
    """The models whose labels have not been looked for in every fold of every live version."""
    looked_for = exists().where(tables.label_segment.c.model_id == _v.model_id)
    behind = _v.fold_seq > func.coalesce(_v.joined_fold, 0)
    return set(conn.execute(select(_v.model_id).where(_v.deleted_us.is_(None), behind, looked_for)).scalars())
