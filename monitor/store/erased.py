"""Log batches without some of their rows: replaced in place, so that the order of folding stays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, select, update

from monitor.model.errors import FenceLost
from monitor.store import dialect, tables
from monitor.store.batch_rows import INFO_COLUMNS, BatchInfo, batch_info

_b = tables.log_batch.c
_p = tables.log_payload.c
_e = tables.erased_rows.c
_v = tables.version.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Remains:
    """What is left of a batch, at least a row; ``payload`` has the codec of the batch."""

    t_min_us: int
    t_max_us: int
    rows: int
    payload: bytes


def batches_behind(conn: Connection, *, version_id: int, after: int, limit: int = 50) -> list[BatchInfo]:
    """The version's batches by id, folded or not. One that compaction makes has a higher id than those it replaces."""
    query = select(*INFO_COLUMNS).where(_b.version_id == version_id, _b.id > after).order_by(_b.id).limit(limit)
    return [batch_info(row) for row in conn.execute(query)]


def replace_rows(conn: Connection, *, batch: BatchInfo, remains: Remains | None, gone: Mapping[int, int]) -> None:
    """Puts what remains in the place of the batch, or nothing; ``gone`` says how many rows of which windows went.

    The caller holds the version. ``FenceLost`` where the batch was folded, compacted or erased from since it was read.
    A fold that is under way and has read the rows is made to roll back.
    """
    rewrite_batch(conn, batch=batch, remains=remains)
    if batch.fold is None:
        conn.execute(update(tables.version).where(_v.id == batch.version_id).values(fold_seq=_v.fold_seq + 1))
        return
    put = dialect.insert(conn, tables.erased_rows).values(
        [{"version_id": batch.version_id, "window_start_us": start, "rows": rows} for start, rows in gone.items()]
    )
    conn.execute(put.on_conflict_do_update(
        index_elements=["version_id", "window_start_us"], set_={"rows": _e.rows + put.excluded.rows}
    ))  # fmt: skip


def rewrite_batch(conn: Connection, *, batch: BatchInfo, remains: Remains | None) -> None:
    """Puts what remains in the place of the batch, or nothing; ``FenceLost`` where it has changed since it was read."""
    here = (_b.id == batch.id, _b.rows == batch.rows, _b.bytes == batch.bytes, _b.fold.is_not_distinct_from(batch.fold))
    if remains is None:
        changed = conn.execute(delete(tables.log_batch).where(*here)).rowcount
    else:
        values = {name: getattr(remains, name) for name in ("t_min_us", "t_max_us", "rows")}
        values["bytes"] = len(remains.payload)
        changed = conn.execute(update(tables.log_batch).where(*here).values(values)).rowcount
        conn.execute(update(tables.log_payload).where(_p.batch_id == batch.id).values(payload=remains.payload))
    if changed != 1:
        raise FenceLost(f"batch {batch.id} has changed since it was read")


def erased_of_windows(conn: Connection, *, version_id: int, starts_us: Sequence[int]) -> dict[int, int]:
    """Window → how many folded rows of it were erased, of those windows; one that lost none is left out."""
    found: dict[int, int] = {}
    for some in dialect.slices(starts_us):
        query = select(_e.window_start_us, _e.rows).where(_e.version_id == version_id, _e.window_start_us.in_(some))
        found.update((int(start), int(rows)) for start, rows in conn.execute(query))
    return found


def references_of_erased(conn: Connection, *, model_id: int) -> list[tuple[str, int]]:
    """(version, number) of references that were made of stored rows of versions that rows were erased of.

    A reference keeps no ids, so nobody can tell which of its rows are meant.
    """
    r = tables.reference.c
    query = (
        select(_v.name, r.number)
        .join_from(tables.reference, tables.version, r.version_id == _v.id)
        .join(tables.erased_rows, _e.version_id == _v.id)
        .where(_v.model_id == model_id, _v.deleted_us.is_(None), r.source.like("stored:%"))
        .distinct()
        .order_by(_v.name, r.number)
    )
    return [(name, int(number)) for name, number in conn.execute(query)]


def erased_of_version(conn: Connection, *, version_id: int) -> int:
    """How many folded rows of the version were erased."""
    query = select(func.coalesce(func.sum(_e.rows), 0)).where(_e.version_id == version_id)
    return int(conn.execute(query).scalar_one())
