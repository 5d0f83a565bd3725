"""Which folded batches may become one, and their replacement: order and content of the records stay."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, and_, delete, func, select, tuple_

from monitor.model.errors import FenceLost
from monitor.store import dialect, tables
from monitor.store.batch_rows import INFO_COLUMNS, BatchInfo, NewBatch, batch_info, insert_batches

_b = tables.log_batch.c


def compactable(
    conn: Connection,
    *,
    version_id: int,
    segment_rows: int = 64_000,
    small_rows: int = 32_000,
    min_batches: int = 8,
    max_bytes: int = 64 * 1024 * 1024,
    after: BatchInfo | None = None,
    scan: int = 10_000,
) -> list[list[BatchInfo]]:
    """Runs of neighbours in fold order that fit one segment: each ``min_batches`` small batches or more, of one schema.

    A batch is small with fewer than ``small_rows`` rows. One that is not small ends a run: nothing may move over
    it. At most ``scan`` batches behind ``after`` are looked at. The last run may still grow; it is offered too.
    """
    query = select(*INFO_COLUMNS).where(_b.version_id == version_id, _b.fold.is_not(None))
    if after is not None:
        query = query.where(tuple_(_b.fold, _b.position) > tuple_(after.fold, after.position))
    rows = conn.execute(query.order_by(_b.fold, _b.position).limit(scan))
    runs: list[list[BatchInfo]] = []
    run: list[BatchInfo] = []
    held_rows = held_bytes = 0
    for batch in map(batch_info, rows):
        small = batch.rows < small_rows
        fits = held_rows + batch.rows <= segment_rows and held_bytes + batch.bytes <= max_bytes
        if not (small and fits and (not run or batch.schema_id == run[-1].schema_id)):
            runs.append(run)
            run, held_rows, held_bytes = [], 0, 0
        if small:
            run.append(batch)
            held_rows += batch.rows
            held_bytes += batch.bytes
    return [found for found in (*runs, run) if len(found) >= min_batches]


def compactable_versions(conn: Connection, *, small_rows: int = 32_000, min_batches: int = 8) -> list[int]:
    """Live versions with at least ``min_batches`` small folded batches, those with the most first."""
    v = tables.version.c
    query = (
        select(_b.version_id)
        .join_from(tables.log_batch, tables.version, v.id == _b.version_id)
        .where(_b.fold.is_not(None), _b.rows < small_rows, v.deleted_us.is_(None))
        .group_by(_b.version_id)
        .having(func.count() >= min_batches)
        .order_by(func.count().desc(), _b.version_id)
    )
    return [int(id) for id in conn.execute(query).scalars()]


def replace_batches(
    conn: Connection, *, version_id: int, ids: Sequence[int], new: NewBatch, fold_min: int, fold_max: int
) -> int:
    """The id of the batch that takes the place of ``ids``, which hold the same records in the same order.

    Raises ``FenceLost`` where one of them is gone (somebody compacted or deleted meanwhile), where their folds are
    others than [fold_min, fold_max], where the rows differ in number, or where a batch between them is left out.
    """
    first, rows, folds = _bounds(conn, version_id=version_id, ids=ids)
    if folds != (fold_min, fold_max) or rows != new.rows:
        raise FenceLost(f"version {version_id}: the batches to replace have changed")
    removed = sum(
        conn.execute(delete(tables.log_batch).where(_b.id.in_(some), _b.version_id == version_id)).rowcount
        for some in dialect.slices(ids)
    )
    if removed != len(ids):
        raise FenceLost(f"version {version_id}: {len(ids)} batches to replace, but only {removed} are there")
    return insert_batches(conn, [new], fold=fold_min, position=first)[0]


def _bounds(conn: Connection, *, version_id: int, ids: Sequence[int]) -> tuple[int, int, tuple[int, int]]:
    """(position of the first, rows, (first fold, last fold)) of the batches, which must be neighbours."""
    found: list[tuple[int, int, int]] = []
    for some in dialect.slices(ids):
        query = select(_b.fold, _b.position, _b.rows)
        here = (_b.id.in_(some), _b.version_id == version_id, _b.fold.is_not(None))
        found.extend((r.fold, r.position, r.rows) for r in conn.execute(query.where(*here)))
    if not found or len(found) != len(ids):
        raise FenceLost(f"version {version_id}: {len(ids)} batches to replace, but only {len(found)} are there")
    first, last = min(found), max(found)
    place = tuple_(_b.fold, _b.position)
    between = and_(place >= tuple_(*first[:2]), place <= tuple_(*last[:2]), _b.version_id == version_id)
    if conn.execute(select(func.count()).where(between)).scalar_one() != len(ids):
        raise FenceLost(f"version {version_id}: the batches to replace are not neighbours in fold order")
    return first[1], sum(f[2] for f in found), (first[0], last[0])
