"""The reference side: schema, layout, profile and, with timestamps and a window, the profiles of its own windows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from monitor.columns.categories import with_codes
from monitor.columns.conform import conform
from monitor.columns.infer import SchemaInference
from monitor.columns.roles import ARGUMENTS, Roles
from monitor.columns.table import Canonical
from monitor.compare.flow import in_order
from monitor.compare.rows import HELD_BYTES, Found, canonical
from monitor.compare.slices import Slice, Slices, segments_of
from monitor.compare.tables import Table, table_names
from monitor.compare.windows import WindowProfiles, profiles_of
from monitor.compare.worth import Outcomes, reference_side
from monitor.evaluate.performance_side import PerformanceSide
from monitor.model.errors import InvalidInput
from monitor.model.schema import Schema
from monitor.model.segments import Segment, Spec, wanted_specs
from monitor.model.window import WindowSpec
from monitor.profile.build import LayoutBuilder
from monitor.profile.dlp import ProfileFile
from monitor.profile.layout import Layout
from monitor.profile.profile import Profile, ProfileAccumulator

Passes = Callable[[], Iterator[pa.RecordBatch]]
_FREE_IN_PROFILES = ("timestamp", "id", "ignore")  # say something of the current side too


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceSide:
    """What current is held against; ``windows`` is None without timestamps or without a window length.

    ``roles`` are those that were given: a time or an id may be current's alone. ``worth`` is its side of performance,
    ``problem`` why it has none. ``specs`` say which segments it was to have, ``segments`` which it has, each with one
    of the ``slices``; ``left_out`` are words about those that were too many.
    """

    schema: Schema
    layout: Layout
    profile: Profile
    roles: Roles
    windows: WindowProfiles | None
    found: Found
    worth: PerformanceSide | None = None
    problem: str | None = None
    specs: tuple[Spec, ...] = ()
    segments: tuple[Segment, ...] = ()
    slices: Mapping[str, Slice] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()


def read_reference(
    table: Table, *, roles: Roles, spec: WindowSpec | None, pool: ThreadPoolExecutor, segments: Sequence[Any] = ()
) -> ReferenceSide:
    """The reference made of a table's rows; gone through up to four times, held between where that is cheap.

    ``segments`` are shapes as a model has them, beside the columns that the roles name.
    """
    found = Found()
    schema, rows = _infer(table, roles=_present(table, roles=roles), found=found, pool=pool)
    if found.rows == 0:
        raise InvalidInput("the reference has no usable row", code="empty")
    if not schema.monitored:
        raise InvalidInput("the reference has no column that can be compared: numbers, categories or booleans")
    layout = build_layout(rows, schema=schema, expected=None if found.named else found.rows, pool=pool)
    windows = WindowProfiles(layout, spec=spec) if spec is not None and found.timed else None
    outcomes = Outcomes(schema=schema)
    profile = count_rows(outcomes.passing(rows()), layout=layout, windows=windows, pool=pool)
    specs = wanted_specs({"segments": segments}, schema)
    found_segments, left_out = segments_of(specs, schema=schema, layout=layout, profile=profile)
    slices = Slices(found_segments, schema=schema, layout=layout, spec=None if windows is None else spec)
    for batch in rows() if found_segments else ():
        slices.add(batch, pool=pool)
    worth, problem = reference_side(outcomes, positive=roles.positive, spec=None if windows is None else spec)
    return ReferenceSide(
        schema=schema, layout=layout, profile=profile, roles=roles, windows=windows, found=found, worth=worth,
        problem=problem, specs=specs, segments=found_segments, slices=slices.finish(), left_out=left_out,
    )  # fmt: skip


def from_file(file: ProfileFile, *, roles: Roles, spec: WindowSpec | None) -> ReferenceSide:
    """The reference of a ``.dlp`` file; roles other than those it was made with are refused."""
    made = Roles.from_json(file.roles)
    for argument in ARGUMENTS:
        given = getattr(roles, argument.name)
        if given and argument.name not in _FREE_IN_PROFILES and given != getattr(made, argument.name):
            raise InvalidInput(
                f"the reference profile was made with {argument.name}={getattr(made, argument.name) or None!r}, not "
                f"{given!r}: say it to `driftline profile` when the profile is made"
            )
    merged = replace(
        made, timestamp=roles.timestamp or made.timestamp, id=roles.id or made.id, ignore=roles.ignore or made.ignore
    )
    windows = None
    if spec is not None and file.window == spec.length and file.timezone == spec.timezone and file.windows:
        windows = profiles_of(file.windows, layout=file.layout, spec=spec)
    found = Found(rows=file.profile.rows, timed=bool(file.windows))
    return ReferenceSide(
        schema=file.schema, layout=file.layout, profile=file.profile, roles=merged, windows=windows, found=found
    )


def build_layout(rows: Passes, *, schema: Schema, expected: int | None, pool: ThreadPoolExecutor) -> Layout:
    """The layout of all rows; ``expected`` is their number, where none of them has an id."""
    builder = LayoutBuilder(schema, rows=expected)
    for batch in rows():
        builder.add(batch, pool=pool)
    return builder.finish(pool=pool)


def count_rows(
    batches: Iterator[pa.RecordBatch], *, layout: Layout, windows: WindowProfiles | None, pool: ThreadPoolExecutor
) -> Profile:
    """The profile of all rows; with ``windows`` each is counted into its window too."""
    whole = ProfileAccumulator(layout)
    for batch in batches:
        whole.add(batch, pool=pool)
        if windows is not None:
            windows.add(batch)
    return whole.profile()


def _present(table: Table, *, roles: Roles) -> Roles:
    """The roles without time and id where the reference has no such column: current may have them."""
    names = table_names(table)
    return replace(
        roles,
        timestamp=roles.timestamp if roles.timestamp in names else None,
        id=roles.id if roles.id in names else None,
    )


def _infer(table: Table, *, roles: Roles, found: Found, pool: ThreadPoolExecutor) -> tuple[Schema, Passes]:
    """The inferred schema, and a way to go through the conformed rows again."""
    inference = SchemaInference(roles=roles)

    def look(result: Canonical) -> tuple[pa.RecordBatch, SchemaInference]:
        batch, seen = with_codes(result.batch), SchemaInference(roles=roles)
        seen.add(batch)
        return batch, seen

    held: list[pa.RecordBatch] | None = []
    size = 0
    for batch, seen in in_order(pool, look, canonical(table, schema=None, roles=roles, found=found, pool=pool)):
        inference.merge(seen)
        size += batch.nbytes
        if held is not None:
            held.append(batch)
            held = held if size <= HELD_BYTES else None
    schema = inference.finish()
    if held is not None:
        kept = list(in_order(pool, lambda batch: conform(batch, schema), held))
        return schema, lambda: iter(kept)

    def again() -> Iterator[pa.RecordBatch]:
        batches = (r.batch for r in canonical(table, schema=None, roles=roles, found=Found(), pool=pool))
        return in_order(pool, lambda batch: conform(batch, schema), batches)

    return schema, again
