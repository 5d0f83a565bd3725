"""The current side: profiles on the reference's layout, whole or by window, and what its table did not have."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from monitor.columns.roles import Roles, stored_names
from monitor.compare.reference import ReferenceSide, count_rows
from monitor.compare.rows import Found, canonical, without_repeats
from monitor.compare.slices import Slice, Slices
from monitor.compare.tables import Table, table_names
from monitor.compare.windows import WindowProfiles, profiles_of
from monitor.compare.worth import Outcomes, current_cards
from monitor.model.errors import InvalidInput
from monitor.model.names import nearest
from monitor.model.window import WindowSpec
from monitor.performance.scorecard import Scorecard
from monitor.profile.dlp import ProfileFile
from monitor.profile.profile import Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentSide:
    """What is held against the reference; ``windows`` is None unless a window length was given.

    ``absent`` are the monitored columns that the table does not have at all.
    """

    profile: Profile
    windows: Collection[tuple[int, Profile]] | None
    absent: tuple[str, ...] = ()
    found: Found = field(default_factory=Found)
    cards: Mapping[int | None, Scorecard] = field(default_factory=dict)  # by window; of the whole under None
    slices: Mapping[str, Slice] = field(default_factory=dict)  # by segment


def read_current(
    table: Table, *, reference: ReferenceSide, spec: WindowSpec | None, pool: ThreadPoolExecutor
) -> CurrentSide:
    """The current side of a table; its columns go by the reference's schema. Gone through once."""
    found = Found()
    roles = _roles_of(table, reference=reference, windowed=spec is not None)
    results = canonical(table, schema=reference.schema, roles=roles, found=found, pool=pool)
    windows = None if spec is None else WindowProfiles(reference.layout, spec=spec)
    outcomes = Outcomes(schema=reference.schema)
    rows = without_repeats(results, spec=spec, found=found)
    if reference.worth is not None:
        rows = outcomes.passing(rows)
    slices = Slices(reference.segments, schema=reference.schema, layout=reference.layout, spec=spec)
    profile = count_rows(slices.passing(rows, pool=pool), layout=reference.layout, windows=windows, pool=pool)
    if spec is not None and not found.timed:
        raise InvalidInput("the current side has no timestamp column: name it with timestamp=, or leave window= out")
    stored = set(stored_names(found.names, schema=reference.schema, roles=roles))
    absent = tuple(column.name for column in reference.schema.monitored if column.stored_name not in stored)
    cards = {} if reference.worth is None else current_cards(outcomes, side=reference.worth, spec=spec)
    return CurrentSide(
        profile=profile, windows=windows, absent=absent, found=found, cards=cards, slices=slices.finish()
    )  # fmt: skip


def from_file(file: ProfileFile, *, reference: ReferenceSide, spec: WindowSpec | None) -> CurrentSide:
    """The current side of a ``.dlp`` file, which must be on the reference's layout."""
    if file.layout.digest != reference.layout.digest:
        raise InvalidInput(
            "the current profile has other cells than the reference, so they do not compare: make it with "
            "`driftline profile CURRENT --like REF.dlp -o CURRENT.dlp`"
        )
    windows = None
    if spec is not None:
        if file.window != spec.length or file.timezone != spec.timezone:
            raise InvalidInput(
                f"the current profile was cut into windows of {file.window or 'no length'}, not {spec.length}: "
                f"make it with `driftline profile --window {spec.length}`"
            )
        windows = profiles_of(file.windows, layout=file.layout, spec=spec)
    found = Found(rows=file.profile.rows, timed=bool(file.windows))
    return CurrentSide(profile=file.profile, windows=windows, found=found)


def _roles_of(table: Table, *, reference: ReferenceSide, windowed: bool) -> Roles:
    """The roles that the reference's schema does not know already: what is ignored, and a time or id of its own."""
    made = reference.roles
    names = table_names(table)
    known = reference.schema.by_name
    for role, column, needed in (("timestamp", made.timestamp, windowed), ("id", made.id, False)):
        if column is not None and column not in names and (needed or column not in known):
            raise InvalidInput(f"the current side has no column {column[:80]!r} ({role}){nearest(column, names)}")
    return Roles(
        ignore=made.ignore,
        timestamp=made.timestamp if made.timestamp in names and made.timestamp not in known else None,
        id=made.id if made.id in names and made.id not in known else None,
    )
