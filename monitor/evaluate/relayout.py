"""New cells for a model, from one of its references: every reference and every stored window counted again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from sqlalchemy import Connection

from monitor.alert.codec import encode_calibration, encode_history
from monitor.evaluate.activation import profile_again
from monitor.evaluate.context import Contexts, is_cut_alike
from monitor.evaluate.guard import Guard
from monitor.evaluate.reference_profile import ReferenceProfile, calibration_of, layout_of
from monitor.evaluate.reference_rows import stored_rows
from monitor.evaluate.reprofile import Reprofiled, reprofile
from monitor.evaluate.resegment import is_outdated, request_resegment
from monitor.evaluate.segment_sides import replace_sides
from monitor.evaluate.teaching import save_taught, taught_by_reference
from monitor.model.entities import Model, Reference, Version
from monitor.model.errors import NotFound
from monitor.model.schema import Schema
from monitor.model.segments import MAX_SEGMENTS
from monitor.profile import codec
from monitor.profile.layout import Layout
from monitor.store.baselines import delete_baseline_calibrations
from monitor.store.calibrations import save_calibration
from monitor.store.engine import Store
from monitor.store.layouts import save_layout, set_version_layout
from monitor.store.models import get_version_by_id, list_versions
from monitor.store.profiles import StoredProfile, put_profiles
from monitor.store.references import get_reference, get_reference_by_id, set_reference_profile
from monitor.store.runs import enqueue
from monitor.store.schemas import get_schema
from monitor.store.versions import lock_version
from monitor.store.windows import get_window, list_windows, upsert_window

RELAYOUT = "relayout"
_PAGE = 1_000


def request_relayout(conn: Connection, *, version_id: int, number: int | None, now_us: int) -> int:
    """The id of a queued job that makes the model's cells anew from reference ``number`` of the version."""
    get_reference(conn, version_id=version_id, number=number)
    return enqueue(
        conn, job=RELAYOUT, subject=str(version_id), scheduled_us=now_us, params={"reference": number}
    )  # fmt: skip


def relayout(
    store: Store,
    *,
    contexts: Contexts,
    version_id: int,
    number: int | None,
    now_us: int,
    progressing: Callable[[float], Guard],
    max_segments: int = MAX_SEGMENTS,
) -> int:
    """How many windows were counted again.

    Each version's reference changes with its layout in one transaction; until its windows are counted again
    whoever needs one counts it from its rows.
    """
    with store.read() as conn:
        model, version = get_version_by_id(conn, id=version_id)
        reference = get_reference(conn, version_id=version_id, number=number)
        siblings = [v for v in list_versions(conn, model_id=model.id, limit=10_000) if v.reference_id is not None]
        schema = _schema(conn, version)
    shared = layout_of(lambda: stored_rows(store, reference_id=reference.id), schema=schema, shared=None)
    ordered = [version, *(sibling for sibling in siblings if sibling.id != version_id)]
    counted = 0
    for position, sibling in enumerate(ordered):
        part = partial(_part, progressing, begin=position / len(ordered), length=1 / len(ordered))
        _take_up(
            store, model=model, version=sibling, shared=shared, now_us=now_us, guard=part(0.0),
            max_segments=max_segments,
        )  # fmt: skip
        counted += _windows(store, contexts=contexts, version_id=sibling.id, progressing=part)
    return counted


def _part(progressing: Callable[[float], Guard], ratio: float, *, begin: float, length: float) -> Guard:
    return progressing(begin + length * ratio)


def _take_up(
    store: Store, *, model: Model, version: Version, shared: Layout, now_us: int, guard: Guard, max_segments: int
) -> None:
    """Points the version at its new layout, its active reference counted in it."""
    with store.read() as conn:
        if version.reference_id is None:
            raise NotFound(f"version {version.name!r} has no reference")
        reference = get_reference_by_id(conn, id=version.reference_id)
        schema = _schema(conn, version)
    layout = layout_of(lambda: stored_rows(store, reference_id=reference.id), schema=schema, shared=shared)
    made, sides = profile_again(
        store, model=model, version=version, reference=reference, schema=schema, layout=layout,
        max_segments=max_segments,
    )  # fmt: skip
    calibration = encode_calibration(calibration_of(made.history, model=model, schema=schema))
    taught = taught_by_reference(made.history, model=model, version=version, schema=schema, layout=layout)
    with store.write() as conn:
        now = lock_version(conn, id=version.id)
        delete_baseline_calibrations(conn, version_id=version.id, reference_id=reference.id)  # in the old cells
        save_taught(conn, taught, version_id=version.id, reference_id=reference.id, made_us=now_us)
        layout_id = save_layout(conn, model_id=model.id, body=layout.encode(), digest=layout.digest)
        _replace_profile(conn, reference=reference, layout_id=layout_id, made=made)
        replace_sides(conn, sides, version=now, reference_id=reference.id, layout_id=layout_id, now_us=now_us)
        set_version_layout(conn, version_id=version.id, layout_id=layout_id)
        save_calibration(
            conn, version_id=version.id, reference_id=reference.id, made_us=now_us, payload=calibration
        )  # fmt: skip
        if is_outdated(conn, version_id=version.id):  # other segments were configured while these were counted
            request_resegment(conn, version_id=version.id, now_us=now_us)
        guard(conn)


def _replace_profile(conn: Connection, *, reference: Reference, layout_id: int, made: ReferenceProfile) -> None:
    set_reference_profile(
        conn, reference_id=reference.id, layout_id=layout_id, profile=codec.encode(made.profile),
        history=encode_history(made.history),
    )  # fmt: skip


def _windows(store: Store, *, contexts: Contexts, version_id: int, progressing: Callable[[float], Guard]) -> int:
    """How many of the version's windows were counted again; one that got rows meanwhile is left to who needs it."""
    starts = _starts(store, version_id=version_id)
    return sum(
        _window(store, contexts=contexts, version_id=version_id, start_us=start_us,
                guard=progressing(position / len(starts)))
        for position, start_us in enumerate(starts, start=1)
    )  # fmt: skip


def _starts(store: Store, *, version_id: int) -> list[int]:
    found: list[int] = []
    after: int | None = None
    while True:
        with store.read() as conn:
            page = list_windows(conn, version_id=version_id, after=after, limit=_PAGE)
        found += [window.start_us for window in page if not window.is_sealed]
        if len(page) < _PAGE:
            return found
        after = page[-1].start_us


def _window(store: Store, *, contexts: Contexts, version_id: int, start_us: int, guard: Guard) -> bool:
    with store.read() as conn:
        context = contexts.load(conn, version_id=version_id, judging=False)
    layout, schema, layout_id = context.layout, context.schema, context.version.layout_id
    if layout is None or schema is None or layout_id is None:
        return False
    end_us = context.model.window.end_of(start_us)
    made = reprofile(
        store, version_id=version_id, schema=schema, layout=layout, start_us=start_us, end_us=end_us,
        segments=context.segments,
    )  # fmt: skip
    with store.write() as conn:
        now = lock_version(conn, id=version_id)
        window = get_window(conn, version_id=version_id, start_us=start_us)
        same = window is not None and now.layout_id == layout_id and made.is_all_of(window)
        same = same and is_cut_alike(conn, context=context, now=now)
        if window is not None and same:
            put_profiles(conn, _stored(made, version_id=version_id, start_us=start_us, layout_id=layout_id))
            upsert_window(conn, replace(window, segmentation=context.segmentation))
        guard(conn)
    return same


def _stored(made: Reprofiled, *, version_id: int, start_us: int, layout_id: int) -> list[StoredProfile]:
    """The window's profiles as they are stored: of all traffic, and of every segment."""
    here = partial(StoredProfile, version_id=version_id, window_start_us=start_us, layout_id=layout_id)
    segments = (here(segment=name, payload=codec.encode(of), rows=of.rows) for name, of in made.segments.items())
    return [here(payload=codec.encode(made.profile)), *segments]


def _schema(conn: Connection, version: Version) -> Schema:
    if version.schema_id is None:
        raise NotFound(f"version {version.name!r} has no schema")
    return get_schema(conn, id=version.schema_id)
