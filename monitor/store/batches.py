"""Log batches: records committed together, one row each, and the order in which they were folded.

``fold`` is NULL until a batch is folded. Records of a version stand in the order (fold, position): a recomputation
replays it, and a compacted batch takes the place of the first one it replaces. No list loads a payload.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, func, or_, select, tuple_, update

from monitor.model.errors import FenceLost, NotFound
from monitor.store import dialect, tables
from monitor.store.batch_rows import (
    INFO_COLUMNS,
    PLACE,
    BatchInfo,
    NewBatch,
    Waiting,
    batch_info,
    insert_batches,
)  # fmt: skip
from monitor.store.compaction import compactable, compactable_versions, replace_batches

__all__ = [
    "BatchInfo", "NewBatch", "Waiting", "all_there", "by_time", "compactable", "compactable_versions", "count_rows",
    "insert_batches", "mark_folded", "overlapping", "payload", "payloads", "replace_batches", "time_range", "unfolded",
    "unfolded_versions", "waiting_versions",
]  # fmt: skip

_b = tables.log_batch.c
_p = tables.log_payload.c
_v = tables.version.c
_PAGE = 2_000


# Asked for every slice: built once, for building costs as much as running.
_WAITING = (
    select(*INFO_COLUMNS)
    .where(_b.version_id == bindparam("version_id"), _b.fold.is_(None), _b.id > bindparam("after"))
    .order_by(_b.id)
    .limit(_PAGE)
)
_PAYLOADS = (
    select(_b.id, _p.payload, _b.codec)
    .join_from(tables.log_batch, tables.log_payload, _p.batch_id == _b.id)
    .where(_b.id.in_(bindparam("ids", expanding=True)))
)
_STEP = (
    update(tables.version)
    .where(_v.id == bindparam("this"), _v.fold_seq == bindparam("seen"), _v.deleted_us.is_(None))
    .values(fold_seq=bindparam("next"))
)
_MARK = (
    update(tables.log_batch)
    .where(_b.id.in_(bindparam("ids", expanding=True)), _b.version_id == bindparam("this"), _b.fold.is_(None))
    .values(fold=bindparam("next"), position=_b.id)
)


def payload(conn: Connection, *, id: int) -> tuple[bytes, str]:
    """(payload, codec) of a batch; ``NotFound`` when it was compacted away or purged since it was listed."""
    found = payloads(conn, ids=[id])
    if not found:
        raise NotFound(f"batch {id} is not there any more: list the batches again")
    return found[id]


def payloads(conn: Connection, *, ids: Sequence[int]) -> dict[int, tuple[bytes, str]]:
    """id → (payload, codec) of those batches that are still there."""
    found: dict[int, tuple[bytes, str]] = {}
    for some in dialect.slices(ids):
        found.update((id, (bytes(body), codec)) for id, body, codec in conn.execute(_PAYLOADS, {"ids": list(some)}))
    return found


def unfolded(conn: Connection, *, version_id: int, max_rows: int) -> list[BatchInfo]:
    """Batches that wait to be folded, oldest first, until they hold ``max_rows`` rows (one at least)."""
    found: list[BatchInfo] = []
    rows = 0
    while True:
        asked = {"version_id": version_id, "after": found[-1].id if found else 0}
        page = [batch_info(row) for row in conn.execute(_WAITING, asked)]
        for batch in page:
            found.append(batch)
            rows += batch.rows
            if rows >= max_rows:
                return found
        if len(page) < _PAGE:
            return found


def unfolded_versions(conn: Connection) -> list[tuple[int, int, int, int]]:
    """(version id, rows waiting, oldest received_us, newest t_max_us) of live versions with unfolded batches."""
    query = (
        select(_b.version_id, func.sum(_b.rows), func.min(_b.received_us), func.max(_b.t_max_us))
        .join_from(tables.log_batch, tables.version, _v.id == _b.version_id)
        .where(_b.fold.is_(None), _v.deleted_us.is_(None))
        .group_by(_b.version_id)
        .order_by(_b.version_id)
    )
    return [(int(v), int(rows), int(oldest), int(newest)) for v, rows, oldest, newest in conn.execute(query)]


def waiting_versions(conn: Connection) -> list[Waiting]:
    """Every live version with unfolded batches, by id."""
    query = (
        select(_b.version_id, func.sum(_b.rows), func.min(_b.received_us), func.min(_b.t_min_us), func.max(_b.t_max_us))
        .join_from(tables.log_batch, tables.version, _v.id == _b.version_id)
        .where(_b.fold.is_(None), _v.deleted_us.is_(None))
        .group_by(_b.version_id)
        .order_by(_b.version_id)
    )
    return [
        Waiting(version_id=int(v), rows=int(n), oldest_received_us=int(r), t_min_us=int(first), t_max_us=int(last))
        for v, n, r, first, last in conn.execute(query)
    ]


def mark_folded(conn: Connection, *, version_id: int, ids: Sequence[int], fold_seen: int) -> int:
    """The number of the new fold, which holds exactly those batches.

    Raises ``FenceLost`` where the version has been folded (or deleted) since ``fold_seen`` was read, or where one of
    the batches is folded or gone: the caller's transaction must roll back.
    """
    if conn.execute(_STEP, {"this": version_id, "seen": fold_seen, "next": fold_seen + 1}).rowcount != 1:
        raise FenceLost(f"version {version_id} was folded by somebody else after fold {fold_seen}")
    marked = 0
    for some in dialect.slices(ids):
        asked = {"ids": list(some), "this": version_id, "next": fold_seen + 1}
        marked += conn.execute(_MARK, asked).rowcount
    if marked != len(ids):
        raise FenceLost(f"version {version_id}: {len(ids)} batches to fold, but only {marked} wait")
    return fold_seen + 1


def overlapping(
    conn: Connection,
    *,
    version_id: int,
    start_us: int,
    end_us: int,
    after: BatchInfo | None = None,
    limit: int = 1000,
) -> list[BatchInfo]:
    """Batches with a record in [start_us, end_us), in fold order, the unfolded last; from behind ``after`` on."""
    query = select(*INFO_COLUMNS).where(_b.version_id == version_id, _b.t_min_us < end_us, _b.t_max_us >= start_us)
    if after is not None and after.fold is None:
        query = query.where(_b.fold.is_(None), _b.id > after.id)
    elif after is not None:
        behind = tuple_(_b.fold, _b.position) > tuple_(after.fold, after.position)
        query = query.where(or_(_b.fold.is_(None), behind))
    query = query.order_by(_b.fold.is_(None), _b.fold, PLACE).limit(limit)
    return [batch_info(row) for row in conn.execute(query)]


def by_time(
    conn: Connection, *, version_id: int, start_us: int, end_us: int, after: BatchInfo | None = None, limit: int = 100
) -> list[BatchInfo]:
    """Batches with a record in [start_us, end_us), by (t_min_us, id), from behind ``after`` on: for reading records."""
    query = select(*INFO_COLUMNS).where(_b.version_id == version_id, _b.t_min_us < end_us, _b.t_max_us >= start_us)
    if after is not None:
        query = query.where(tuple_(_b.t_min_us, _b.id) > tuple_(after.t_min_us, after.id))
    return [batch_info(row) for row in conn.execute(query.order_by(_b.t_min_us, _b.id).limit(limit))]


def all_there(conn: Connection, *, ids: Sequence[int]) -> bool:
    """Whether none of the batches was compacted away or purged."""
    there = select(func.count())
    found = sum(conn.execute(there.where(_b.id.in_(some))).scalar_one() for some in dialect.slices(ids))
    return found == len(ids)


def count_rows(conn: Connection, *, version_id: int) -> tuple[int, int]:
    """(rows folded, rows not folded yet) that are stored for the version."""
    folded = func.coalesce(func.sum(_b.rows).filter(_b.fold.is_not(None)), 0)
    waiting = func.coalesce(func.sum(_b.rows).filter(_b.fold.is_(None)), 0)
    row = conn.execute(select(folded, waiting).where(_b.version_id == version_id)).one()
    return int(row[0]), int(row[1])


def time_range(conn: Connection, *, version_id: int) -> tuple[int, int] | None:
    """(smallest t_min_us, largest t_max_us) of what is stored for the version; None when nothing is."""
    row = conn.execute(select(func.min(_b.t_min_us), func.max(_b.t_max_us)).where(_b.version_id == version_id)).one()
    return None if row[0] is None else (int(row[0]), int(row[1]))
