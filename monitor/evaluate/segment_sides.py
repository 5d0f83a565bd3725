"""The segments of a reference: which its rows make, and of each its profile, its own windows, what they teach.

The rows are gone through again for some segments at a time, as many as hold the profiles of their windows in bounded
memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from monitor.alert.calibrate import Calibration
from monitor.alert.codec import encode_calibration, encode_history
from monitor.alert.history import History
from monitor.columns.conform import conform
from monitor.evaluate.context import checks_of
from monitor.evaluate.cutting import CutProfiles, cut, cut_digest
from monitor.evaluate.reference_profile import (
    MOST_WINDOWS,
    WindowProfiles,
    calibration_of,
    profiled,
)
from monitor.evaluate.segment_rows import Rows, categories_of
from monitor.evaluate.teaching import save_taught, taught_by_reference
from monitor.model.baseline import Baseline
from monitor.model.checks import checks_of as checks_in
from monitor.model.entities import Model, Version
from monitor.model.schema import Schema
from monitor.model.segments import By, Segment, Spec, Told, resolve, segmentation, wanted_specs
from monitor.profile import codec
from monitor.store.calibrations import save_calibration
from monitor.store.cuts import STEP, forget_lessons, forget_segments, forget_some_merged, forget_some_of, uncut_windows
from monitor.store.reference_segments import (
    SegmentSide,
    cut_of,
    put_reference_segments,
    reference_segments,
    segmentation_of,
)

SEGMENT_WARNINGS = ("segment_column", "segment_name", "too_many_segments", "segments_need_rows")
Shapes = Mapping[str, dict[str, Any]]  # of segments by name

# Of the encoded profiles of windows that one pass keeps, were each as large as that of the whole reference.
TOGETHER_BYTES = 512 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Lessons:
    """What a segment's own windows teach, encoded by baseline; none where no check is judged in it."""

    calibration: bytes | None = None
    taught: Mapping[Baseline, Calibration] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One segment of a reference, encoded; ``lessons`` None: what it taught before stays."""

    segment: Segment
    profile: bytes
    history: bytes
    lessons: Lessons | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """All segments of a reference, the digest of what was configured, and what could not be made of that."""

    specs: str = ""
    sides: tuple[Side, ...] = ()
    warnings: tuple[Told, ...] = ()


def sides_of(rows: Rows) -> Sides:
    """The segments that the model and the schema want of the reference's rows."""
    specs = wanted_specs(rows.model.settings, rows.schema)
    if not specs:
        return Sides()
    segments, warnings = wanted_segments(specs, rows=rows)
    return Sides(specs=segmentation(specs), sides=tuple(cut_reference(segments, rows=rows)), warnings=warnings)


def sides_of_profile(*, schema: Schema, model: Model) -> Sides:
    """No segment of a reference that has no rows, and the warning that says so where some are wanted."""
    specs = wanted_specs(model.settings, schema)
    if not specs:
        return Sides()
    said = "the reference is a profile, which has no rows to cut into segments: set it from its rows"
    return Sides(specs=segmentation(specs), warnings=({"code": "segments_need_rows", "column": "", "message": said},))


def wanted_segments(specs: Sequence[Spec], *, rows: Rows) -> tuple[tuple[Segment, ...], tuple[Told, ...]]:
    """The segments that the specs make of a reference, and what cannot be."""
    counts = categories_of([spec.column for spec in specs if isinstance(spec, By)], rows=rows)
    return resolve(
        specs, schema=rows.schema, counts=counts, rows=rows.profile.rows, limit=rows.max_segments
    )  # fmt: skip


def cut_reference(segments: Sequence[Segment], *, rows: Rows) -> Iterator[Side]:
    """The side of each segment, some at a time."""
    each = len(codec.encode(rows.profile)) * (MOST_WINDOWS if rows.timed else 1)
    together = max(1, TOGETHER_BYTES // each)
    for start in range(0, len(segments), together):
        yield from _cut_some(segments[start : start + together], rows=rows)


def lessons_of(segment: str, *, history: History, rows: Rows) -> Lessons:
    """What the segment's own windows teach, where a check is judged in it."""
    model, schema = rows.model, rows.schema
    if not checks_in(checks_of(model), segment=segment):
        return Lessons()
    taught = taught_by_reference(
        history, model=model, version=rows.version, schema=schema, layout=rows.layout, segment=segment
    )  # fmt: skip
    calibration = calibration_of(history, model=model, schema=schema, segment=segment)
    return Lessons(calibration=encode_calibration(calibration), taught=taught)


def save_sides(
    conn: Connection, sides: Sides, *, version_id: int, reference_id: int, layout_id: int, now_us: int
) -> None:
    """Keeps the sides in place of all that the reference had, and what they teach."""
    kept = [
        SegmentSide(
            segment=side.segment.name, position=position, shape=side.segment.shape, layout_id=layout_id,
            profile=side.profile, history=side.history,
        )
        for position, side in enumerate(sides.sides)
    ]  # fmt: skip
    forget_lessons(
        conn, version_id=version_id, reference_id=reference_id,
        kept=["", *(side.segment.name for side in sides.sides if side.lessons is None)],
    )  # fmt: skip
    digest = cut_digest([side.segment for side in sides.sides])
    put_reference_segments(conn, reference_id=reference_id, sides=kept, segmentation=sides.specs, cut=digest)
    for side in sides.sides:
        if side.lessons is not None:
            save_lessons(
                conn, side.lessons, segment=side.segment.name, version_id=version_id, reference_id=reference_id,
                now_us=now_us,
            )  # fmt: skip


def save_lessons(
    conn: Connection, lessons: Lessons, *, segment: str, version_id: int, reference_id: int, now_us: int
) -> None:
    """Keeps what the segment of the reference teaches."""
    of = {"version_id": version_id, "reference_id": reference_id, "made_us": now_us}
    if lessons.calibration is not None:
        save_calibration(conn, **of, payload=lessons.calibration, segment=segment)
    save_taught(conn, lessons.taught, **of, segment=segment)


def replace_sides(
    conn: Connection, sides: Sides, *, version: Version, reference_id: int, layout_id: int, now_us: int
) -> None:
    """Keeps the sides of a reference that has some already; where it is the version's, its windows are cut anew."""
    if not sides.specs and not segmentation_of(conn, reference_id=reference_id):
        return
    before = _shapes(conn, reference_id=reference_id)
    save_sides(conn, sides, version_id=version.id, reference_id=reference_id, layout_id=layout_id, now_us=now_us)
    if version.reference_id == reference_id:
        after = {side.segment.name: side.segment.shape for side in sides.sides}
        _cut_windows_anew(conn, version_id=version.id, before=before, after=after)


def take_up_sides(conn: Connection, *, version_id: int, before: int | None, after: int) -> bool:
    """Whether the version's windows are to be cut into others than the segments of the reference ``before`` from now
    on, which leaves some of those behind."""
    cuts = [None if id is None else cut_of(conn, reference_id=id) for id in (before, after)]
    if cuts[0] == cuts[1]:
        return False
    shapes = [{} if id is None else _shapes(conn, reference_id=id) for id in (before, after)]
    _cut_windows_anew(conn, version_id=version_id, before=shapes[0], after=shapes[1])
    return bool(shapes[0])


def _shapes(conn: Connection, *, reference_id: int) -> Shapes:
    return {one.segment: one.shape for one in reference_segments(conn, reference_id=reference_id)}


def _cut_windows_anew(conn: Connection, *, version_id: int, before: Shapes, after: Shapes) -> None:
    """What is stored of other rows under the name of a segment is forgotten; those that are gone nobody reads."""
    if before == after:
        return
    uncut_windows(conn, version_id=version_id)
    forget_segments(conn, version_id=version_id, segments=_others(before, after))


def _others(before: Shapes, after: Shapes) -> list[str]:
    """The names that are to stand for other rows than they did."""
    return [name for name, shape in after.items() if before.get(name) != shape]


def forget_some_others(conn: Connection, sides: Sides, *, version_id: int, reference_id: int) -> bool:
    """Whether there is more to remove of names that stand for other rows in these sides than they do yet: some at a
    time, so that few are left for the transaction that puts the sides in force.

    A step that was not full left no window's profile, but what folds have cut the old way since.
    """
    after = {side.segment.name: side.segment.shape for side in sides.sides}
    others = _others(_shapes(conn, reference_id=reference_id), after)
    if forget_some_of(conn, version_id=version_id, segments=others) == STEP:
        return True
    return forget_some_merged(conn, version_id=version_id, segments=others) > 0


def _cut_some(segments: Sequence[Segment], *, rows: Rows) -> Iterator[Side]:
    schema, layout = rows.schema, rows.layout
    whole = CutProfiles(segments, schema=schema, layout=layout)
    windows = {segment.name: WindowProfiles(layout, spec=rows.model.window) for segment in segments}
    for batch in rows.batches():
        for name, inside in cut(conform(batch, schema), segments=segments, schema=schema, layout=layout):
            whole.count(name, inside)
            if rows.timed:
                windows[name].add(inside)
    for segment in segments:
        own = windows.pop(segment.name)
        made = profiled(layout, profile=whole[segment.name], windows=own if rows.timed else None)
        lessons = lessons_of(segment.name, history=made.history, rows=rows)
        yield Side(
            segment=segment, profile=codec.encode(made.profile), history=encode_history(made.history), lessons=lessons
        )
