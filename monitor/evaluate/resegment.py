"""The active reference of a version cut anew: its segments are to be others than those it was cut into.

What stays the same segment keeps its side and what has been learned of it. Windows are not touched: whoever needs one
cuts it again (docs/decisions/segments.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection

from monitor.alert.codec import decode_history
from monitor.evaluate.context import checks_of, fitted, is_timed
from monitor.evaluate.guard import Guard, Moved
from monitor.evaluate.reference_rows import stored_rows
from monitor.evaluate.segment_rows import Rows
from monitor.evaluate.segment_sides import (
    SEGMENT_WARNINGS,
    Side,
    Sides,
    cut_reference,
    forget_some_others,
    lessons_of,
    replace_sides,
    sides_of_profile,
    wanted_segments,
)
from monitor.evaluate.segment_states import end_segments
from monitor.model.checks import checks_of as checks_in
from monitor.model.entities import Model, Reference, Version
from monitor.model.schema import Schema
from monitor.model.segments import MAX_SEGMENTS, Segment, segmentation, wanted_specs
from monitor.profile import codec
from monitor.profile.dlp import DLP_MEDIA_TYPE
from monitor.profile.layout import Layout
from monitor.store.calibrations import calibration_made_us
from monitor.store.cuts import forget_other_segments, versions_with_others
from monitor.store.engine import Store
from monitor.store.layouts import get_layout
from monitor.store.models import get_version_by_id
from monitor.store.reference_segments import reference_segment, reference_segments, segmentation_of
from monitor.store.references import get_reference_by_id, reference_profile, set_reference_warnings
from monitor.store.runs import enqueue_soon
from monitor.store.schemas import get_schema
from monitor.store.versions import lock_version

RESEGMENT = "resegment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A version with its active reference, as one snapshot saw them, and what it is to be cut by."""

    model: Model
    version: Version
    reference: Reference
    schema: Schema

    @property
    def specs(self) -> str:
        """The digest of what is configured."""
        return segmentation(wanted_specs(self.model.settings, self.schema))


def request_resegment(conn: Connection, *, version_id: int, now_us: int) -> None:
    """Has the version's reference cut anew as soon as may be, by all that is configured until then."""
    enqueue_soon(conn, job=RESEGMENT, subject=str(version_id), scheduled_us=now_us, delay_us=0)


def request_forgetting(conn: Connection, *, model_id: int, now_us: int) -> None:
    """Has what a legal hold kept of segments that are gone removed as soon as may be, now that it has ended."""
    for version_id in versions_with_others(conn, model_id=model_id):
        request_resegment(conn, version_id=version_id, now_us=now_us)


def is_outdated(conn: Connection, *, version_id: int) -> bool:
    """Whether the active reference is cut by others than the configured segments, or one that is judged has learned
    nothing."""
    asked = _asked(conn, version_id=version_id)
    return asked is not None and _outdated(conn, asked)


def _outdated(conn: Connection, asked: Asked) -> bool:
    if segmentation_of(conn, reference_id=asked.reference.id) != asked.specs:
        return True
    found = reference_segments(conn, reference_id=asked.reference.id)
    return any(_untaught(conn, asked, segment=one.segment) for one in found)


def resegment(
    store: Store, *, version_id: int, now_us: int, progressing: Callable[[float], Guard],
    max_segments: int = MAX_SEGMENTS,
) -> int:  # fmt: skip
    """How many rows of segments that are gone were removed; without a reference there is nothing to do.

    Reference, verdicts and what windows are cut by change in one transaction. What names stood for that stand for other
    rows then is removed in steps before it, what is left of segments that are gone in steps after it.
    """
    with store.read() as conn:
        asked = _asked(conn, version_id=version_id)
        outdated = asked is not None and _outdated(conn, asked)
    if asked is None:
        return 0
    sides = _sides(store, asked, max_segments=max_segments) if outdated else None
    while sides is not None and _forget_others(store, asked, sides=sides, guard=progressing(0.4)):
        pass
    with store.write() as conn:
        if sides is not None:
            _take_up(conn, asked, sides=sides, now_us=now_us)
        _end_others(conn, version_id=version_id, now_us=now_us)
        progressing(0.5)(conn)
    removed = [_forget_some(store, version_id=version_id, guard=progressing(0.6))]
    while removed[-1]:
        removed.append(_forget_some(store, version_id=version_id, guard=progressing(0.6)))
    return sum(removed)


def _asked(conn: Connection, *, version_id: int) -> Asked | None:
    model, version = get_version_by_id(conn, id=version_id)
    if version.reference_id is None:
        return None
    reference = get_reference_by_id(conn, id=version.reference_id)
    schema_id = version.schema_id if version.schema_id is not None else reference.schema_id
    if schema_id is None:
        return None
    return Asked(model=model, version=version, reference=reference, schema=get_schema(conn, id=schema_id))


def _sides(store: Store, asked: Asked, *, max_segments: int) -> Sides:
    """All segments the reference is to have: those it has already as they are, the others cut from its kept rows."""
    if asked.reference.media_type == DLP_MEDIA_TYPE:
        return sides_of_profile(schema=asked.schema, model=asked.model)
    specs = wanted_specs(asked.model.settings, asked.schema)
    if not specs:
        return Sides()
    rows = _rows(store, asked, max_segments=max_segments)
    segments, warnings = wanted_segments(specs, rows=rows)
    sides = {side.segment.name: side for side in _kept(store, segments, asked=asked, rows=rows)}
    fresh = [segment for segment in segments if segment.name not in sides]
    sides |= {side.segment.name: side for side in cut_reference(fresh, rows=rows)}
    return Sides(
        specs=asked.specs, sides=tuple(sides[segment.name] for segment in segments), warnings=warnings
    )  # fmt: skip


def _rows(store: Store, asked: Asked, *, max_segments: int) -> Rows:
    reference, layout_id = asked.reference, asked.reference.layout_id
    if layout_id is None:
        raise Moved(f"reference {reference.number} has no layout")
    with store.read() as conn:
        layout = Layout.decode(get_layout(conn, id=layout_id))
        profile = codec.decode(reference_profile(conn, reference_id=reference.id), layout)
    return Rows(
        batches=partial(stored_rows, store, reference_id=reference.id), layout=layout, profile=profile,
        schema=fitted(asked.schema, layout=layout), model=asked.model, version=asked.version,
        timed=is_timed(reference), max_segments=max_segments,
    )  # fmt: skip


def _kept(store: Store, segments: Sequence[Segment], *, asked: Asked, rows: Rows) -> Iterator[Side]:
    """The sides that the reference has already of these very segments; what they can teach is made where it is not."""
    for segment in segments:
        with store.read() as conn:
            found = reference_segment(conn, reference_id=asked.reference.id, segment=segment.name)
            untaught = _untaught(conn, asked, segment=segment.name)
        if found is None or found.shape != segment.shape or found.layout_id != asked.reference.layout_id:
            continue
        lessons = None
        if untaught:
            lessons = lessons_of(segment.name, history=decode_history(found.history), rows=rows)
        yield Side(segment=segment, profile=found.profile, history=found.history, lessons=lessons)


def _untaught(conn: Connection, asked: Asked, *, segment: str) -> bool:
    """Whether a check is judged in the segment, of which nothing was learned yet."""
    if not checks_in(checks_of(asked.model), segment=segment):
        return False
    of = {"version_id": asked.version.id, "reference_id": asked.reference.id}
    return calibration_made_us(conn, **of, segment=segment) is None


def _take_up(conn: Connection, asked: Asked, *, sides: Sides, now_us: int) -> None:
    """Puts the sides in force, or ``Moved`` where the version, its reference or what is configured changed."""
    version, now = _unchanged(conn, asked, sides=sides)
    replace_sides(
        conn, sides, version=version, reference_id=now.reference.id, layout_id=now.reference.layout_id or 0,
        now_us=now_us,
    )  # fmt: skip
    others = [warning for warning in now.reference.warnings if warning["code"] not in SEGMENT_WARNINGS]
    set_reference_warnings(conn, reference_id=now.reference.id, warnings=[*others, *sides.warnings])


def _forget_others(store: Store, asked: Asked, *, sides: Sides, guard: Guard) -> bool:
    """Whether there is more to remove of names that are to stand for other rows."""
    with store.write() as conn:
        version, now = _unchanged(conn, asked, sides=sides)
        more = forget_some_others(conn, sides, version_id=version.id, reference_id=now.reference.id)
        guard(conn)
    return more


def _unchanged(conn: Connection, asked: Asked, *, sides: Sides) -> tuple[Version, Asked]:
    """The version, locked, and what is asked now; ``Moved`` where it, its reference or what is configured changed."""
    before = asked.version
    version = lock_version(conn, id=before.id)
    now = _asked(conn, version_id=before.id)
    same = (version.schema_id, version.reference_id) == (before.schema_id, before.reference_id)
    if not same or now is None or now.specs != sides.specs or now.reference.layout_id != asked.reference.layout_id:
        raise Moved(f"version {before.id}: its reference or its segments changed while it was cut")
    return version, now


def _end_others(conn: Connection, *, version_id: int, now_us: int) -> None:
    """Ends the verdicts of segments that the active reference does not have."""
    version = lock_version(conn, id=version_id)
    model, _ = get_version_by_id(conn, id=version_id)
    end_segments(conn, model=model, version=version, segments=_in_force(conn, version), now_us=now_us)


def _in_force(conn: Connection, version: Version) -> list[str]:
    id = version.reference_id
    return [] if id is None else [one.segment for one in reference_segments(conn, reference_id=id)]


def _forget_some(store: Store, *, version_id: int, guard: Guard) -> int:
    """How many rows of segments that are gone were removed."""
    with store.write() as conn:
        kept = _in_force(conn, lock_version(conn, id=version_id))
        removed = forget_other_segments(conn, version_id=version_id, kept=kept)
        guard(conn)
    return removed
