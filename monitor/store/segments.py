"""Segments of labels: all that joins have looked for, in runs that are merged like a log-structured tree.

A segment's labels never change; which of them have been found is a bit each, kept beside them. Both are opaque here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, insert, select, update

from monitor.model.errors import FenceLost
from monitor.store import dialect, tables

_s = tables.label_segment.c
_p = tables.label_payload.c


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSegment:
    """Labels that have been looked for; ``unmatched`` of them in no record so far. ``bytes`` is the payload's size."""

    id: int = 0
    model_id: int
    first_received_us: int
    last_received_us: int
    rows: int
    unmatched: int
    bytes: int = 0


def add_segment(conn: Connection, segment: LabelSegment, *, payload: bytes, found: bytes) -> int:
    """The id of the new segment."""
    values = {name: getattr(segment, name) for name in LabelSegment.__slots__ if name != "id"}
    put = insert(tables.label_segment).values(values | {"bytes": len(payload), "found": found}).returning(_s.id)
    id = int(conn.execute(put).scalar_one())
    conn.execute(insert(tables.label_payload).values(segment_id=id, payload=payload))
    return id


def segments(conn: Connection, *, model_id: int) -> list[LabelSegment]:
    """The model's segments without their labels, oldest first."""
    query = select(*(_s[name] for name in LabelSegment.__slots__)).where(_s.model_id == model_id).order_by(_s.id)
    return [LabelSegment(**row._mapping) for row in conn.execute(query)]


def segment_content(conn: Connection, *, id: int) -> tuple[bytes, bytes] | None:
    """(payload, found) of a segment as they were given; None once it is replaced."""
    query = select(_p.payload, _s.found).join_from(tables.label_segment, tables.label_payload, _p.segment_id == _s.id)
    row = conn.execute(query.where(_s.id == id)).first()
    return None if row is None else (bytes(row.payload), bytes(row.found))


def mark_found(conn: Connection, *, id: int, unmatched: int, found: bytes) -> None:
    """Notes which of the segment's labels have been found by now; ``FenceLost`` where it is replaced."""
    change = update(tables.label_segment).where(_s.id == id).values(unmatched=unmatched, found=found)
    if conn.execute(change).rowcount != 1:
        raise FenceLost(f"segment {id} of labels was replaced while they were looked for")


def remove_segments(conn: Connection, *, model_id: int, ids: Sequence[int]) -> None:
    """Removes segments that others take the place of; ``FenceLost`` where one of them is gone."""
    removed = 0
    for some in dialect.slices(ids):
        removed += conn.execute(
            delete(tables.label_segment).where(_s.id.in_(some), _s.model_id == model_id)
        ).rowcount  # fmt: skip
    if removed != len(ids):
        raise FenceLost(f"model {model_id}: {len(ids)} segments of labels to replace, but only {removed} are there")


def unmatched_labels(conn: Connection) -> dict[int, int]:
    """Model id → its labels that are in no record so far, of those that were looked for."""
    query = select(_s.model_id, func.sum(_s.unmatched)).group_by(_s.model_id)
    return {int(model_id): int(count) for model_id, count in conn.execute(query)}
