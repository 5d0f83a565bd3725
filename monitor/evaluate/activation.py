"""Making a reference the one a version is held against: everything it brings, in one transaction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa
from sqlalchemy import Connection

from monitor.alert.calibrate import Calibration
from monitor.alert.codec import encode_calibration, encode_history
from monitor.evaluate.context import is_timed
from monitor.evaluate.performance_side import PerformanceSide, encode_side
from monitor.evaluate.reference_profile import ReferenceProfile, calibration_of, profile_reference
from monitor.evaluate.reference_rows import stored_rows
from monitor.evaluate.resegment import request_resegment
from monitor.evaluate.segment_rows import Rows
from monitor.evaluate.segment_sides import Sides, replace_sides, save_sides, sides_of, take_up_sides
from monitor.evaluate.teaching import save_taught, taught_by_reference
from monitor.model.defaults import with_own
from monitor.model.entities import Model, Reference, Version
from monitor.model.errors import Conflict
from monitor.model.schema import Schema
from monitor.model.segments import MAX_SEGMENTS
from monitor.profile import codec
from monitor.profile.dlp import DLP_MEDIA_TYPE
from monitor.profile.layout import Layout
from monitor.profile.profile import Profile
from monitor.store.baselines import delete_baseline_calibrations
from monitor.store.calibrations import save_calibration
from monitor.store.engine import Store
from monitor.store.layouts import get_layout, save_layout, set_version_layout
from monitor.store.models import get_version_by_id, update_version
from monitor.store.references import (
    activate_reference,
    discard_reference,
    finish_reference,
    get_reference,
    reference_profile,
    set_reference_profile,
)
from monitor.store.schemas import get_schema, save_schema
from monitor.store.scorecards import save_performance
from monitor.store.versions import lock_version
from monitor.store.windows import mark_dirty


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A reference that is worked out and not yet visible."""

    schema: Schema
    made: ReferenceProfile
    rows: int
    warnings: tuple[dict[str, str], ...]
    sides: Sides
    positive: str | None = None
    worth: PerformanceSide | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """The active reference; ``created`` is false for one that was set before and is active again."""

    reference: Reference
    schema: Schema
    layout: Layout
    profile: Profile
    created: bool


@contextmanager
def discarding(store: Store, *, reference: Reference) -> Iterator[None]:
    """Removes what was begun when the block fails, whatever stops it."""
    try:
        yield
    except BaseException:
        with store.write() as conn:
            discard_reference(conn, reference_id=reference.id)
        raise


def publish(
    store: Store, *, model: Model, version: Version, reference: Reference, draft: Draft, digest: str, now_us: int
) -> Published:
    """The reference, ready and active, with its schema, layout and calibration."""
    made = draft.made
    calibration = calibration_of(made.history, model=model, schema=draft.schema)
    taught = taught_by_reference(
        made.history, model=model, version=version, schema=draft.schema, layout=made.layout
    )  # fmt: skip
    profile = codec.encode(made.profile)
    history = encode_history(made.history)
    layout = made.layout.encode()
    worth = None if draft.worth is None else encode_side(draft.worth)
    with store.write() as conn:
        lock_version(conn, id=version.id)
        schema_id = save_schema(conn, version_id=version.id, schema=draft.schema)
        layout_id = save_layout(conn, model_id=model.id, body=layout, digest=made.layout.digest)
        ready = finish_reference(
            conn, reference_id=reference.id, rows=draft.rows, layout_id=layout_id, schema_id=schema_id,
            profile=profile, history=history, warnings=(*draft.warnings, *draft.sides.warnings), digest=digest,
        )  # fmt: skip
        if draft.sides.specs:
            save_sides(
                conn, draft.sides, version_id=version.id, reference_id=ready.id, layout_id=layout_id, now_us=now_us
            )
        _take_up(conn, reference=ready, layout_id=layout_id, calibration=calibration, now_us=now_us)
        save_taught(conn, taught, version_id=version.id, reference_id=ready.id, made_us=now_us)
        if worth is not None:
            save_performance(conn, version_id=version.id, reference_id=ready.id, made_us=now_us, payload=worth)
        if draft.positive is not None and draft.positive != version.positive:
            update_version(conn, with_own(version, model=model, own={"positive": draft.positive}))
    return Published(reference=ready, schema=draft.schema, layout=made.layout, profile=made.profile, created=True)


def activate(store: Store, *, version_id: int, number: int, now_us: int, max_segments: int = MAX_SEGMENTS) -> Published:
    """An earlier reference, active again. What is closed keeps its results.

    One that was profiled with other cells than the version's windows is profiled again with theirs.
    """
    with store.read() as conn:
        model, version = get_version_by_id(conn, id=version_id)
        reference = get_reference(conn, version_id=version_id, number=number)
        schema = _schema(conn, version=version, reference=reference)
        layout_id = _layout_id(version, reference=reference)
        layout = Layout.decode(get_layout(conn, id=layout_id))
        stored = reference_profile(conn, reference_id=reference.id)
    if reference.layout_id != layout_id:
        made, sides = profile_again(
            store, model=model, version=version, reference=reference, schema=schema, layout=layout,
            max_segments=max_segments,
        )  # fmt: skip
        _save_profile_again(
            store, model=model, version=version, reference=reference, schema=schema, layout_id=layout_id, made=made,
            sides=sides, now_us=now_us,
        )  # fmt: skip
        profile = made.profile
    else:
        profile = codec.decode(stored, layout)
    with store.write() as conn:
        lock_version(conn, id=version_id)
        _take_up(conn, reference=reference, layout_id=layout_id, calibration=None, now_us=now_us)
    return Published(reference=reference, schema=schema, layout=layout, profile=profile, created=False)


def profile_again(
    store: Store, *, model: Model, version: Version, reference: Reference, schema: Schema, layout: Layout,
    max_segments: int,
) -> tuple[ReferenceProfile, Sides]:  # fmt: skip
    """A stored reference and its segments counted with another layout, from its kept rows."""
    if reference.media_type == DLP_MEDIA_TYPE:
        raise Conflict(
            f"reference {reference.number} was set from a profile, which cannot be counted again with other cells: "
            "set the reference again from its rows"
        )
    timed = is_timed(reference)

    def batches() -> Iterator[pa.RecordBatch]:
        return stored_rows(store, reference_id=reference.id)

    made = profile_reference(batches, schema=schema, layout=layout, spec=model.window, timed=timed)
    rows = Rows(
        batches=batches, layout=layout, profile=made.profile, schema=schema, model=model, version=version, timed=timed,
        max_segments=max_segments,
    )  # fmt: skip
    return made, sides_of(rows)


def _save_profile_again(
    store: Store,
    *,
    model: Model,
    version: Version,
    reference: Reference,
    schema: Schema,
    layout_id: int,
    made: ReferenceProfile,
    sides: Sides,
    now_us: int,
) -> None:
    """Replaces a reference's profile, history and calibration by those of another layout, its segments' too."""
    calibration = calibration_of(made.history, model=model, schema=schema)
    with store.write() as conn:
        now = lock_version(conn, id=version.id)
        set_reference_profile(
            conn, reference_id=reference.id, layout_id=layout_id, profile=codec.encode(made.profile),
            history=encode_history(made.history),
        )  # fmt: skip
        delete_baseline_calibrations(conn, version_id=version.id, reference_id=reference.id)
        replace_sides(conn, sides, version=now, reference_id=reference.id, layout_id=layout_id, now_us=now_us)
        _save_calibration(conn, reference=reference, calibration=calibration, now_us=now_us)


def _take_up(
    conn: Connection, *, reference: Reference, layout_id: int, calibration: Calibration | None, now_us: int
) -> None:
    """Points the version at the reference; windows judged while there was none are judged again."""
    version = lock_version(conn, id=reference.version_id)
    if version.layout_id != layout_id:
        set_version_layout(conn, version_id=version.id, layout_id=layout_id)
    activate_reference(conn, version_id=version.id, reference_id=reference.id)
    if take_up_sides(conn, version_id=version.id, before=version.reference_id, after=reference.id):
        request_resegment(conn, version_id=version.id, now_us=now_us)
    _save_calibration(conn, reference=reference, calibration=calibration, now_us=now_us)
    if version.reference_id is None:
        mark_dirty(conn, version_id=version.id)


def _save_calibration(conn: Connection, *, reference: Reference, calibration: Calibration | None, now_us: int) -> None:
    if calibration is not None:
        save_calibration(
            conn, version_id=reference.version_id, reference_id=reference.id, made_us=now_us,
            payload=encode_calibration(calibration),
        )  # fmt: skip


def _schema(conn: Connection, *, version: Version, reference: Reference) -> Schema:
    id = version.schema_id if version.schema_id is not None else reference.schema_id
    if id is None:
        raise Conflict(f"reference {reference.number} has no schema: set it again")
    return get_schema(conn, id=id)


def _layout_id(version: Version, *, reference: Reference) -> int:
    """The cells to compare in: the version's once rows are counted in them, else the reference's own."""
    settled = version.layout_id if version.fold_seq > 0 else None
    id = settled if settled is not None else reference.layout_id
    if id is None:
        raise Conflict(f"reference {reference.number} has no layout: set it again")
    return id
