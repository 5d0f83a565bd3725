"""The segments that a reference is cut by: the rows of each, its profile, the history of its own windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select

from monitor.store import jsontext, tables

_s = tables.reference_segment.c
_n = tables.reference_segmentation.c

# Asked for every slice and every window: built once.
_ALL = (
    select(_s.segment, _s.shape, _s.layout_id).where(_s.reference_id == bindparam("reference_id")).order_by(_s.position)
)
_ONE = select(_s.segment, _s.position, _s.shape, _s.layout_id, _s.profile, _s.history).where(
    _s.reference_id == bindparam("reference_id"), _s.segment == bindparam("segment")
)
_HERE = _n.reference_id == bindparam("reference_id")
_SPECS, _CUT = select(_n.specs).where(_HERE), select(_n.cut).where(_HERE)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSegment:
    """A segment of a reference without its blobs; ``shape`` says which rows are in it (``model.segments``)."""

    segment: str
    shape: dict[str, Any]
    layout_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentSide:
    """A segment of a reference with its encoded profile and the encoded history of its own windows."""

    segment: str
    position: int
    shape: dict[str, Any]
    layout_id: int
    profile: bytes
    history: bytes


def put_reference_segments(
    conn: Connection, *, reference_id: int, sides: Sequence[SegmentSide], segmentation: str, cut: str | None
) -> None:
    """Keeps the sides in place of all that the reference had.

    ``segmentation`` is the digest of what was configured, ``cut`` that of the segments it made. A reference that
    nothing cuts (segmentation "") has no row here at all.
    """
    conn.execute(delete(tables.reference_segment).where(_s.reference_id == reference_id))
    conn.execute(delete(tables.reference_segmentation).where(_n.reference_id == reference_id))
    if segmentation:
        values = {"reference_id": reference_id, "specs": segmentation, "cut": cut}
        conn.execute(insert(tables.reference_segmentation), values)
    for side in sides:  # one at a time: a history is megabytes
        row = asdict(side) | {"reference_id": reference_id, "shape": jsontext.dump(side.shape)}
        conn.execute(insert(tables.reference_segment), row)


def reference_segments(conn: Connection, *, reference_id: int) -> list[StoredSegment]:
    """The reference's segments in their order, without their blobs."""
    return [
        StoredSegment(segment=row.segment, shape=jsontext.load(row.shape), layout_id=row.layout_id)
        for row in conn.execute(_ALL, {"reference_id": reference_id})
    ]


def reference_segment(conn: Connection, *, reference_id: int, segment: str) -> SegmentSide | None:
    """That segment of the reference with its profile and history, if there is one."""
    row = conn.execute(_ONE, {"reference_id": reference_id, "segment": segment}).first()
    if row is None:
        return None
    blobs = {"profile": bytes(row.profile), "history": bytes(row.history)}
    return SegmentSide(**{**row._mapping, **blobs, "shape": jsontext.load(row.shape)})


def segmentation_of(conn: Connection, *, reference_id: int) -> str:
    """The digest of the configured segments that the reference was cut by; "" where nothing cuts it."""
    return conn.execute(_SPECS, {"reference_id": reference_id}).scalar() or ""


def cut_of(conn: Connection, *, reference_id: int) -> str | None:
    """The digest of the segments that the reference is cut by; None where it is not cut."""
    cut: str | None = conn.execute(_CUT, {"reference_id": reference_id}).scalar()
    return cut
