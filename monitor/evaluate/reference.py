"""Setting a reference: rows in, and out come schema, layout, profile, history, calibration and warnings.

The rows are read once from their source, kept in pieces, and gone through again from there: memory holds one piece
at a time. Everything becomes visible in one transaction at the end; a reference that fails leaves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pyarrow as pa

from monitor.columns.flatten import flat_columns
from monitor.columns.roles import Roles
from monitor.columns.table import canonical_batch
from monitor.evaluate.activation import Draft, Published, activate, discarding, publish
from monitor.evaluate.performance_reference import ReferenceWorth, reference_worth
from monitor.evaluate.reference_profile import NO_TIME_US, ReferenceProfile, layout_of, profile_reference
from monitor.evaluate.reference_rows import ReferenceRows
from monitor.evaluate.reference_schema import has_timestamps, roles_in_force, schema_of_reference
from monitor.evaluate.reference_warnings import reference_warnings
from monitor.evaluate.segment_rows import Rows
from monitor.evaluate.segment_sides import Sides, sides_of
from monitor.model.entities import Model, Reference, Version
from monitor.model.errors import InvalidInput, TooLarge
from monitor.model.schema import Schema
from monitor.model.segments import MAX_SEGMENTS
from monitor.profile.layout import Layout
from monitor.store.engine import Store
from monitor.store.layouts import get_layout, newest_layout
from monitor.store.models import get_version_by_id, list_versions
from monitor.store.references import begin_reference, find_reference
from monitor.store.schemas import get_schema

Source = Callable[[], Iterator[pa.RecordBatch]]
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a reference comes from. Without a ``digest`` (of the file as sent) its own rows are digested."""

    digest: str = ""
    source: str = ""
    media_type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the store knows of a version before a reference is set."""

    model: Model
    version: Version
    schema: Schema | None
    shared_layout: Layout | None
    settled: bool  # rows are profiled by the layout already
    max_segments: int

    @property
    def declared(self) -> Schema | None:
        """The schema, where somebody declared it."""
        return None if self.schema is None or self.schema.inferred else self.schema


@dataclass(slots=True)
class _Taken:
    """What was found while the rows were read."""

    timed: bool = False
    roles: Roles = field(default_factory=Roles)
    unusable: int = 0
    unknown: dict[str, int] = field(default_factory=dict)


def set_reference(
    store: Store,
    *,
    version_id: int,
    source: Source,
    roles: Roles,
    now_us: int,
    origin: Origin | None = None,
    max_columns: int = 2_000,
    max_segments: int = MAX_SEGMENTS,
    progress: Progress | None = None,
) -> Published:
    """The reference made of the source's tables, active; the same digest and roles again: the earlier one, activated.

    ``source`` yields record batches with the file's own column names; ``progress`` is told the rows read so far.
    """
    origin = origin or Origin()
    known = read_known(store, version_id=version_id, max_segments=max_segments)
    earlier = earlier_reference(store, version_id=version_id, digest=origin.digest, roles=roles)
    if earlier is not None:
        return activate(
            store, version_id=version_id, number=earlier.number, now_us=now_us, max_segments=max_segments
        )  # fmt: skip
    reference = begin(store, version_id=version_id, roles=roles, origin=origin, now_us=now_us)
    with discarding(store, reference=reference):
        rows = ReferenceRows(store, reference_id=reference.id)
        taken = _Taken(roles=roles)
        for table in source():
            if len(table.schema) > max_columns:
                raise TooLarge(f"the reference has {len(table.schema)} columns: MAX_COLUMNS allows {max_columns}")
            rows.add(_canonical(table, known=known, taken=taken))
            if progress is not None:
                progress(rows.rows)
        draft = _draft(rows, known=known, taken=taken)
        return publish(
            store, model=known.model, version=known.version, reference=reference, draft=draft,
            digest=origin.digest or rows.digest, now_us=now_us,
        )  # fmt: skip


def read_known(store: Store, *, version_id: int, max_segments: int = MAX_SEGMENTS) -> Known:
    """What the store knows of the version; its cells are shared once rows are counted in them."""
    with store.read() as conn:
        model, version = get_version_by_id(conn, id=version_id)
        schema = None if version.schema_id is None else get_schema(conn, id=version.schema_id)
        body: bytes | None = None
        siblings = list_versions(conn, model_id=model.id, limit=10_000)
        if any(sibling.layout_id is not None and sibling.fold_seq > 0 for sibling in siblings):
            newest = newest_layout(conn, model_id=model.id)
            body = newest[1] if newest is not None else None
            if version.layout_id is not None:
                body = get_layout(conn, id=version.layout_id)
    return Known(
        model=model,
        version=version,
        schema=schema,
        shared_layout=None if body is None else Layout.decode(body),
        settled=version.layout_id is not None and version.fold_seq > 0,
        max_segments=max_segments,
    )


def begin(store: Store, *, version_id: int, roles: Roles, origin: Origin, now_us: int) -> Reference:
    """A new reference with the version's next number, not ready yet."""
    with store.write() as conn:
        return begin_reference(
            conn,
            Reference(
                version_id=version_id, digest=origin.digest, roles=roles.to_json(), source=origin.source,
                media_type=origin.media_type, created_us=now_us,
            ),
        )  # fmt: skip


def earlier_reference(store: Store, *, version_id: int, digest: str, roles: Roles) -> Reference | None:
    """The version's reference with that digest and those roles, read by the schema it has now, if there is one."""
    if not digest:
        return None
    with store.read() as conn:
        found = find_reference(conn, version_id=version_id, digest=digest, roles=roles.to_json())
        if found is None or found.schema_id is None:
            return found
        _, version = get_version_by_id(conn, id=version_id)
        if version.schema_id in (None, found.schema_id):
            return found
        schema = get_schema(conn, id=version.schema_id)
        known = get_schema(conn, id=found.schema_id).by_name
    declared = () if schema.inferred else schema.columns
    same = all(known.get(column.name, column) == column for column in declared)
    return found if same and not schema.open else None


def _canonical(table: pa.RecordBatch, *, known: Known, taken: _Taken) -> pa.RecordBatch:
    """The table's usable rows in stored form; what was found goes to ``taken``."""
    names = table.schema.names
    taken.roles = roles_in_force(taken.roles, schema=known.schema, names=names)
    taken.timed = taken.timed or has_timestamps(names, schema=known.declared, roles=taken.roles)
    taken.roles.check_ignored(list(flat_columns(table)))
    found = canonical_batch(table, schema=known.declared, roles=taken.roles, received_us=NO_TIME_US)
    taken.unusable += len(found.quarantined)
    for name, count in found.unknown.items():
        taken.unknown[name] = taken.unknown.get(name, 0) + count
    return found.batch


def _draft(rows: ReferenceRows, *, known: Known, taken: _Taken) -> Draft:
    """Schema, layout, profile, history and warnings of the rows."""
    if rows.rows == 0:
        raise InvalidInput("the reference has no usable row", code="empty")
    schema = schema_of_reference(rows, known=known.schema, roles=taken.roles, settled=known.settled)
    if not schema.monitored:
        raise InvalidInput("the reference has no column that can be monitored: numbers, categories or booleans")
    layout = layout_of(lambda: rows, schema=schema, shared=known.shared_layout)
    made = profile_reference(lambda: rows, schema=schema, layout=layout, spec=known.model.window, timed=taken.timed)
    sides = sides_of_rows(rows, known=known, schema=schema, made=made, timed=taken.timed)
    unknown = tuple(name for name in taken.unknown if name not in schema.by_name)
    worth = worth_of_rows(rows, known=known, schema=schema, positive=taken.roles.positive, timed=taken.timed)
    return Draft(
        schema=schema,
        made=made,
        rows=rows.rows,
        sides=sides,
        positive=taken.roles.positive,
        worth=worth.side,
        warnings=reference_warnings(
            schema=schema, layout=layout, profile=made.profile, timed=taken.timed, unusable=taken.unusable,
            unknown=unknown, worth=worth.problem,
        ),
    )  # fmt: skip


def sides_of_rows(
    rows: ReferenceRows, *, known: Known, schema: Schema, made: ReferenceProfile, timed: bool
) -> Sides:  # fmt: skip
    """The segments of the reference's rows."""
    counted = Rows(
        batches=lambda: rows, layout=made.layout, profile=made.profile, schema=schema, model=known.model,
        version=known.version, timed=timed, max_segments=known.max_segments,
    )  # fmt: skip
    return sides_of(counted)


def worth_of_rows(
    rows: ReferenceRows, *, known: Known, schema: Schema, positive: str | None, timed: bool
) -> ReferenceWorth:
    """What the reference's rows say of performance."""
    version = known.version
    return reference_worth(
        lambda: rows, schema=schema, model=known.model, positive=positive or version.positive,
        threshold=version.decision_threshold, timed=timed,
    )  # fmt: skip
