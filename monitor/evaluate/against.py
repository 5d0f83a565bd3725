"""What a window is held against where that is no reference: profiles of other windows, by a rule, added up."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection

from monitor.alert.history import LEAST_ROWS
from monitor.evaluate.context import VersionContext, checks_of
from monitor.evaluate.groups import Group, baselines_of
from monitor.evaluate.guard import Moved
from monitor.evaluate.kept import Kept
from monitor.model.baseline import Baseline, parsed
from monitor.model.calendar import held_against, places
from monitor.model.window import WindowSpec
from monitor.profile import codec
from monitor.profile.profile import Profile, empty, merge
from monitor.store.baselines import (
    Usable,
    judged_rows,
    mark_judged_dirty,
    newest_judged_start,
    profiles_at,
    usable_windows,
    version_named,
    versions_with_baselines,
)
from monitor.store.engine import Store
from monitor.store.marks import marks_of
from monitor.store.models import get_version_by_id
from monitor.store.reference_segments import cut_of, reference_segments
from monitor.store.windows import WindowRow

MOST_FIXED = 2_000  # fixed windows, the oldest of those named: as many as a reference's own
_PAGE = 50  # profiles read at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The windows that a baseline chose for one window, whose they are, and why it could not choose.

    ``sizes`` are those that say how many rows a window usually has: of a segment, ones with few rows or none too.
    """

    version_id: int
    windows: tuple[Usable, ...] = ()
    sizes: tuple[Usable, ...] = ()
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The sum of the chosen windows' profiles; None with the ``reason`` where they are too few.

    ``usual_rows`` are those of a window on average; None where the windows that say so are too few.
    """

    chosen: Chosen
    profile: Profile | None
    reason: str | None = None
    usual_rows: float | None = None

    @property
    def windows(self) -> int:
        """How many windows are in it."""
        return len(self.chosen.windows)

    @property
    def rows(self) -> int:
        """How many rows they have."""
        return sum(window.rows for window in self.chosen.windows)


def choose(conn: Connection, baseline: Baseline, *, context: VersionContext, start_us: int) -> Chosen:
    """The windows that the rule chooses for the one at ``start_us``, as this snapshot sees them."""
    version, other = context.version, None
    assert version.layout_id is not None  # noqa: S101 - nothing is held against a baseline without a layout
    if baseline.kind == "version":
        other = version_named(conn, model_id=context.model.id, name=baseline.version)
        if other is None:
            return Chosen(version_id=version.id)
        if other[1] != version.layout_id or not _same_rows(conn, context=context, version_id=other[0]):
            return Chosen(version_id=other[0], reason="not_comparable")
    id = version.id if other is None else other[0]
    windows = _windows(conn, baseline, context=context, version_id=id, start_us=start_us)
    sizes = windows
    if context.segment and any(check.kind == "volume" for check in context.checks):
        cut = context.segmentation if other is None else _cut(conn, version_id=id)
        sizes = _windows(conn, baseline, context=context, version_id=id, start_us=start_us, least_rows=0, cut=cut)
    return Chosen(version_id=id, windows=windows, sizes=sizes)


def _windows(
    conn: Connection, baseline: Baseline, *, context: VersionContext, version_id: int, start_us: int,
    least_rows: int = LEAST_ROWS, cut: str | None = None,
) -> tuple[Usable, ...]:  # fmt: skip
    """Those of the rule's windows that have so many rows; with ``cut`` those without a row of the segment too."""
    fixed = baseline.kind == "windows"
    found = usable_windows(
        conn, version_id=version_id, layout_id=context.version.layout_id or 0, least_rows=least_rows,
        from_us=baseline.from_us, to_us=baseline.to_us, limit=MOST_FIXED,
        starts_us=None if fixed else places(baseline, start_us=start_us, spec=context.model.window),
        segment=context.segment, cut=cut,
    )  # fmt: skip
    return tuple(_healthy(conn, found, version_id=version_id) if baseline.skip == "alert" else found)


def _cut(conn: Connection, *, version_id: int) -> str | None:
    """The digest of the other version's segments."""
    _, other = get_version_by_id(conn, id=version_id)
    return None if other.reference_id is None else cut_of(conn, reference_id=other.reference_id)


def _same_rows(conn: Connection, *, context: VersionContext, version_id: int) -> bool:
    """Whether the other version's segment of that name has the rows that this one's has."""
    if not context.segment:
        return True
    _, other = get_version_by_id(conn, id=version_id)
    theirs = [] if other.reference_id is None else reference_segments(conn, reference_id=other.reference_id)
    own = next(one.shape for one in context.segments if one.name == context.segment)
    return any(one.segment == context.segment and one.shape == own for one in theirs)


def _healthy(conn: Connection, found: list[Usable], *, version_id: int) -> list[Usable]:
    """Those in no alert by their data, unless somebody said otherwise."""
    marks = marks_of(conn, version_id=version_id, starts=[window.start_us for window in found])
    said = {start: mark.healthy for start, mark in marks.items()}
    return [window for window in found if said.get(window.start_us, not window.in_alert)]


def hold(store: Store, group: Group, *, chosen: Chosen, context: VersionContext, kept: Kept) -> Held:
    """The group's baseline of one window, ready to be compared with; sums of fixed windows are ``kept``.

    Read a page a transaction, for it takes seconds; whoever writes asks ``same_choice`` whether it still is one.
    """
    baseline, enough = group.baseline, group.baseline.min_windows
    usual = sum(window.rows for window in chosen.sizes) / len(chosen.sizes) if len(chosen.sizes) >= enough else None
    if len(chosen.windows) < enough:
        reason = chosen.reason or "baseline_too_short"
        return Held(chosen=chosen, profile=None, reason=reason, usual_rows=usual)
    if baseline.moving:
        return Held(chosen=chosen, profile=sum_of(store, chosen, context=context), usual_rows=usual)
    key = (context.version.layout_id, context.segment, baseline, chosen)
    total = kept.get(key, make=lambda: sum_of(store, chosen, context=context), weigh=lambda found: found.counts.nbytes)
    return Held(chosen=chosen, profile=total, usual_rows=usual)


def sum_of(store: Store, chosen: Chosen, *, context: VersionContext) -> Profile:
    """The profiles added up, one decoded at a time; ``Moved`` where one is gone or in other cells by now."""
    layout, layout_id = context.layout, context.version.layout_id
    assert layout is not None and layout_id is not None  # noqa: S101, PT018 - as above
    starts, total = [window.start_us for window in chosen.windows], empty(layout)
    for begin in range(0, len(starts), _PAGE):
        some = starts[begin : begin + _PAGE]
        with store.read() as conn:
            page = profiles_at(
                conn, version_id=chosen.version_id, layout_id=layout_id, starts_us=some, segment=context.segment
            )
        if len(page) < len(some):
            raise Moved(f"windows that version {context.version.id} is held against changed while they were read")
        for _, payload in page:
            total = merge(total, codec.decode(payload, layout))
    return total


def is_another(conn: Connection, *, before: WindowRow, in_alert: bool) -> bool:
    """Whether the window has other rows than when it was judged last, or an alert came or went."""
    judged = judged_rows(conn, version_id=before.version_id, start_us=before.start_us)
    return judged != before.rows or bool(before.in_alert) != in_alert


def same_choice(conn: Connection, group: Group, held: Held, *, context: VersionContext, start_us: int) -> bool:
    """Whether the rule still chooses what it chose: the same windows with the same rows."""
    return choose(conn, group.baseline, context=context, start_us=start_us) == held.chosen


def judge_dependants_again(
    conn: Connection, *, context: VersionContext, before: WindowRow
) -> int:  # fmt: skip
    """How many windows of other versions are to be judged again: they are held against this one."""
    model, version = context.model, context.version
    checks = checks_of(model)
    named = [parsed(json.dumps(shape)) for shape in [model.settings.get("baseline")] if shape is not None]
    named += [check.baseline for check in checks if check.baseline is not None]
    everybody = any(baseline.version == version.name for baseline in named if baseline.kind == "version")
    again = 0
    for other in versions_with_baselines(conn, model_id=model.id, all_of_them=everybody):
        wanted = baselines_of(checks, model=model, version=other)
        if other.id != version.id and any(b.kind == "version" and b.version == version.name for b in wanted):
            again += mark_judged_dirty(conn, version_id=other.id, starts_us=[before.start_us])
    return again


def judge_later_again(conn: Connection, groups: Iterable[Group], *, before: WindowRow, spec: WindowSpec) -> int:
    """How many later windows of the version are to be judged again: they are held against this one."""
    moving = {group.baseline for group in groups if group.baseline.moving}
    newest_us = newest_judged_start(conn, version_id=before.version_id) if moving else None
    if newest_us is None or newest_us <= before.start_us:
        return 0
    later = {
        start
        for baseline in moving
        for start in held_against(baseline, start_us=before.start_us, spec=spec)
        if start <= newest_us
    }
    return mark_judged_dirty(conn, version_id=before.version_id, starts_us=sorted(later))
