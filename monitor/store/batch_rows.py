"""The nouns of log batches: one to store, and one that is stored, without its payload."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, insert

from monitor.store import tables

_b = tables.log_batch.c


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBatch:
    """Records to store: an encoded record batch (``codec`` ipc or zstd), ``rows`` of them in [t_min_us, t_max_us]."""

    version_id: int
    received_us: int
    t_min_us: int
    t_max_us: int
    rows: int
    schema_id: int | None
    payload: bytes
    codec: str = "ipc"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchInfo:
    """A stored batch without its payload; ``fold`` is None until it is folded, ``position`` its place in the fold."""

    id: int
    version_id: int
    received_us: int
    t_min_us: int
    t_max_us: int
    rows: int
    schema_id: int | None
    fold: int | None
    codec: str
    bytes: int
    position: int = 0


def by_bytes(batches: Iterable[BatchInfo], *, most: int) -> Iterator[list[BatchInfo]]:
    """The batches in their order, as many together as hold ``most`` bytes; a larger one by itself."""
    group: list[BatchInfo] = []
    size = 0
    for batch in batches:
        if group and size + batch.bytes > most:
            yield group
            group, size = [], 0
        group.append(batch)
        size += batch.bytes
    if group:
        yield group


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What of a version waits to be folded: ``rows`` with timestamps in [t_min_us, t_max_us]."""

    version_id: int
    rows: int
    oldest_received_us: int
    t_min_us: int
    t_max_us: int


# An unfolded batch comes after every fold, in the order of its id.
PLACE = func.coalesce(_b.position, _b.id)
INFO_COLUMNS = [*(_b[name] for name in BatchInfo.__slots__ if name != "position"), PLACE.label("position")]
_PLAIN = tuple(name for name in NewBatch.__slots__ if name != "payload")
_PUT = insert(tables.log_batch).returning(_b.id, sort_by_parameter_order=True)


def batch_info(row: Row[Any]) -> BatchInfo:
    """The batch of a row that holds ``INFO_COLUMNS``."""
    return BatchInfo(**dict(zip(BatchInfo.__slots__, row, strict=False)))


def insert_batches(conn: Connection, batches: Sequence[NewBatch], **folded: int) -> list[int]:
    """The new ids, in the order of the batches; ``folded`` are the columns of a place in fold order."""
    if not batches:
        return []
    values = [{name: getattr(b, name) for name in _PLAIN} | {"bytes": len(b.payload)} | folded for b in batches]
    ids = list(conn.execute(_PUT, values).scalars())
    payloads = [{"batch_id": id, "payload": batch.payload} for id, batch in zip(ids, batches, strict=True)]
    conn.execute(insert(tables.log_payload), payloads)
    return ids
