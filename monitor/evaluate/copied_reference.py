"""A reference from another version's: the same rows, read by the schema of the version it is for."""

from __future__ import annotations

from monitor.columns.conform import conform
from monitor.columns.roles import Roles
from monitor.evaluate.activation import Draft, Published, activate, discarding, publish
from monitor.evaluate.context import is_timed
from monitor.evaluate.profile_file import set_profile_file
from monitor.evaluate.reference import (
    Known,
    Origin,
    begin,
    earlier_reference,
    read_known,
    sides_of_rows,
    worth_of_rows,
)
from monitor.evaluate.reference_profile import layout_of, profile_reference
from monitor.evaluate.reference_rows import ReferenceRows, stored_rows
from monitor.evaluate.reference_warnings import reference_warnings
from monitor.model.entities import Reference
from monitor.model.errors import Conflict
from monitor.model.schema import Schema
from monitor.model.segments import MAX_SEGMENTS
from monitor.profile.dlp import DLP_MEDIA_TYPE, read_dlp
from monitor.profile.layout import Layout
from monitor.store.engine import Store
from monitor.store.layouts import get_layout
from monitor.store.references import chunks, get_reference
from monitor.store.schemas import get_schema


def copy_reference(
    store: Store, *, from_version_id: int, to_version_id: int, now_us: int, max_segments: int = MAX_SEGMENTS
) -> Published:
    """The active reference of one version, active for another one of the same model, in the same cells.

    From a version to itself: its rows read again by the schema it has now. ``NotFound`` where there is none.
    """
    with store.read() as conn:
        source = get_reference(conn, version_id=from_version_id)
        schema = None if source.schema_id is None else get_schema(conn, id=source.schema_id)
        layout = None if source.layout_id is None else Layout.decode(get_layout(conn, id=source.layout_id))
    origin = Origin(digest=source.digest, source=source.source, media_type=source.media_type)
    if source.media_type == DLP_MEDIA_TYPE:
        return _copy_profile(store, source=source, to_version_id=to_version_id, origin=origin, now_us=now_us)
    if schema is None:
        raise Conflict(f"reference {source.number} has no schema: set it again")
    roles = Roles.from_json(source.roles)
    known = read_known(store, version_id=to_version_id, max_segments=max_segments)
    earlier = earlier_reference(store, version_id=to_version_id, digest=source.digest, roles=roles)
    if earlier is not None:
        return activate(
            store, version_id=to_version_id, number=earlier.number, now_us=now_us, max_segments=max_segments
        )  # fmt: skip
    own = from_version_id == to_version_id
    reference = begin(store, version_id=to_version_id, roles=roles, origin=origin, now_us=now_us)
    with discarding(store, reference=reference):
        rows = ReferenceRows(store, reference_id=reference.id)
        taken = _schema(known, found=schema)
        for batch in stored_rows(store, reference_id=source.id):
            rows.add(conform(batch, taken))
        shared = known.shared_layout if own or known.settled else layout
        draft = _draft(rows, known=known, schema=taken, shared=shared, source=source)
        return publish(
            store, model=known.model, version=known.version, reference=reference, draft=draft, digest=source.digest,
            now_us=now_us,
        )  # fmt: skip


def _schema(known: Known, *, found: Schema) -> Schema:
    """The version's own where it was declared, with the columns it leaves open; else the one the reference has."""
    declared = known.declared
    if declared is None:
        return found
    return declared.completed(found) if declared.open else declared


def _draft(rows: ReferenceRows, *, known: Known, schema: Schema, shared: Layout | None, source: Reference) -> Draft:
    timed = is_timed(source)
    layout = layout_of(lambda: rows, schema=schema, shared=shared)
    made = profile_reference(lambda: rows, schema=schema, layout=layout, spec=known.model.window, timed=timed)
    positive = source.roles.get("positive")
    worth = worth_of_rows(rows, known=known, schema=schema, positive=positive, timed=timed)
    warnings = reference_warnings(
        schema=schema, layout=layout, profile=made.profile, timed=timed, unusable=0, unknown=(), worth=worth.problem
    )
    sides = sides_of_rows(rows, known=known, schema=schema, made=made, timed=timed)
    return Draft(
        schema=schema, made=made, rows=rows.rows, sides=sides, warnings=warnings, positive=positive, worth=worth.side
    )


def _copy_profile(
    store: Store, *, source: Reference, to_version_id: int, origin: Origin, now_us: int
) -> Published:  # fmt: skip
    with store.read() as conn:
        payload = chunks(conn, reference_id=source.id, seq=0)
    if payload is None:
        raise Conflict(f"reference {source.number} has no profile any more: set it again")
    return set_profile_file(store, version_id=to_version_id, file=read_dlp(payload), origin=origin, now_us=now_us)
