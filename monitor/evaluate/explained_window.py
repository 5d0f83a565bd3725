"""A judged window as it is stored, with the windows before it: what explanations are made of."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection

from monitor.alert.calibrate import Calibration, calibrate
from monitor.alert.cells import Counts, reduce_profile
from monitor.alert.codec import decode_calibration
from monitor.alert.history import build_history
from monitor.alert.recent import LONGEST, last_look
from monitor.evaluate.against import choose, hold
from monitor.evaluate.context import Contexts, VersionContext, fits
from monitor.evaluate.guard import Moved
from monitor.evaluate.kept import Kept
from monitor.evaluate.merged import LOOKBACK as MERGED_LOOKBACK
from monitor.explain.deciding import decided_rows
from monitor.explain.sides import Sides
from monitor.model.errors import NotFound
from monitor.model.names import nearest
from monitor.model.results import ResultRow
from monitor.model.time import rfc3339
from monitor.profile import codec
from monitor.profile.layout import Layout
from monitor.profile.profile import Profile, empty, merge
from monitor.store.calibrations import get_calibration
from monitor.store.engine import Store
from monitor.store.judged_counts import judged_counts
from monitor.store.layouts import get_layout_with_digest
from monitor.store.profiles import StoredProfile, get_profile, list_profiles
from monitor.store.reference_segments import reference_segment
from monitor.store.references import get_reference, reference_profile
from monitor.store.results import StoredResult, get_result, unpack_rows
from monitor.store.window_segments import results_of_window

_TOGETHER = 50  # stored profiles read in one transaction


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A judged window as stored: its result with its rows, and where they fit together its profile and reference."""

    context: VersionContext
    result: StoredResult
    rows: tuple[ResultRow, ...]
    sides: Sides | None
    layout_id: int | None


@dataclass(frozen=True, kw_only=True)
class Past:
    """Counts of the windows before, oldest first; sides of the sums that longer scales, or too few rows, judged."""

    counts: tuple[tuple[int, Counts], ...] = ()
    sums: dict[int, Sides] = field(default_factory=dict)
    merged: Sides | None = None


def read_window(conn: Connection, *, contexts: Contexts, version_id: int, start_us: int, segment: str = "") -> Stored:
    """The judged window that starts then, in that segment; ``NotFound`` where it was not judged."""
    whole = contexts.load(conn, version_id=version_id)
    result = get_result(conn, version_id=version_id, window_start_us=start_us, segment=segment)
    if result is None:
        names = sorted(results_of_window(conn, version_id=version_id, start_us=start_us))
        where = f" in segment {segment[:80]!r}{nearest(segment, names)}" if segment and names else ""
        raise NotFound(
            f"the window {rfc3339(start_us)} was not judged{where}: expected the start of one that GET …/windows shows "
            "as closed or revised"
        )
    context = next((one for one in (whole, *whole.slices) if one.segment == segment), None)
    context = context or replace(whole, segment=segment, reference=None, calibration=None, taught={})
    profile = get_profile(conn, version_id=version_id, window_start_us=start_us, segment=segment)
    sides = None if profile is None else _sides(conn, context=context, result=result, profile=profile)
    return Stored(
        context=context, result=result, rows=unpack_rows(result.payload), sides=sides,
        layout_id=None if profile is None else profile[0],
    )  # fmt: skip


def held_as_judged(store: Store, stored: Stored, *, check: str) -> Stored:
    """The window beside what that check was held against: its reference, or its baseline as it is chosen now.

    Where that has too few windows by now, or the check another baseline, there is no other side.
    """
    told = next(
        (row.method["baseline"] for row in stored.rows if row.check == check and "baseline" in row.method), None
    )
    if told is None or stored.sides is None:
        return stored
    context, start_us = stored.context, stored.result.window_start_us
    groups = [g for g in context.groups[1:] if any(one.name == check for one in g.checks)]
    found = [g for g in groups if g.baseline.kind == told["kind"] and stored.layout_id == context.version.layout_id]
    held = None
    if found:
        with store.read() as conn:
            chosen = choose(conn, found[0].baseline, context=context, start_us=start_us)
        with suppress(Moved):  # what it was held against changes right now: then there is no other side
            held = hold(store, found[0], chosen=chosen, context=context, kept=Kept(limit=0))
    if held is None or held.profile is None:
        return replace(stored, sides=None)
    layout = stored.sides.layout
    calibration = context.taught.get(found[0].baseline) or _untaught(context, layout=layout, reference=held.profile)
    sides = Sides(layout=layout, reference=held.profile, current=stored.sides.current, calibration=calibration)
    return replace(stored, sides=sides)


def read_past(store: Store, stored: Stored, *, sides: Sides, rows: Sequence[ResultRow], lookback: int) -> Past:
    """The judged counts of ``lookback`` windows before, and the sums with them that were judged.

    A profile is decoded at a time: 1.7 ms each where 200 columns have 1,000 cells.
    """
    start_us, length_us = stored.result.window_start_us, stored.context.model.window.nominal_us
    merged = max((int(row.method.get("merged_windows", 1)) for row in rows), default=1)
    summed = _summed(store, stored, scales={one.windows for one in decided_rows(rows) if one.fails} - {1})
    furthest_us = max((start_us - first for starts in summed.values() for first in starts), default=0)
    reach_us = max(max(lookback, MERGED_LOOKBACK if merged > 1 else 0) * length_us, furthest_us)
    totals = {
        scale: sides.current if start_us in starts else empty(sides.layout) for scale, starts in summed.items()
    }  # fmt: skip
    together, counts = sides.current, []
    for age, before in enumerate(_before(store, stored, reach_us=reach_us), start=2):
        profile = codec.decode(before.payload, sides.layout)
        counts.append((before.window_start_us, reduce_profile(sides.judged, profile=profile)))
        together = merge(together, profile) if age <= merged else together
        totals |= {s: merge(totals[s], profile) for s, starts in summed.items() if before.window_start_us in starts}
    return Past(
        counts=tuple(reversed(counts)),
        sums={scale: _of(sides, current=total) for scale, total in totals.items()},
        merged=_of(sides, current=together) if merged > 1 else None,
    )


def _summed(store: Store, stored: Stored, *, scales: Collection[int]) -> dict[int, set[int]]:
    """By scale, the starts of the windows whose sum was judged: those up to its last look that alarmed not alone."""
    if not scales or stored.layout_id is None:
        return {}
    spec, start_us, version_id = stored.context.model.window, stored.result.window_start_us, stored.result.version_id
    with store.read() as conn:
        reference = get_reference(conn, version_id=version_id, number=stored.result.reference_number)
        known = judged_counts(
            conn, version_id=version_id, layout_id=stored.layout_id, reference_id=reference.id,
            from_us=start_us - (LONGEST + 1) * spec.nominal_us, to_us=start_us, segment=stored.result.segment,
        )  # fmt: skip
    starts = [*(start for start, payload in known if payload), start_us]
    ends = {scale: last_look(spec.ordinal(start_us), scale=scale) for scale in scales}
    return {
        scale: {start for start in starts if end - scale < spec.ordinal(start) <= end} for scale, end in ends.items()
    }


def _before(store: Store, stored: Stored, *, reach_us: int) -> Iterable[StoredProfile]:
    """The stored profiles of the windows before in the same layout, newest first, read a few a transaction."""
    to_us = stored.result.window_start_us
    found: list[StoredProfile] = []
    after: int | None = None
    while reach_us:
        with store.read() as conn:
            page = list_profiles(
                conn, version_id=stored.result.version_id, from_us=to_us - reach_us, to_us=to_us, after=after,
                limit=_TOGETHER, segment=stored.result.segment,
            )  # fmt: skip
        found += [one for one in page if one.layout_id == stored.layout_id]
        if len(page) < _TOGETHER:
            break
        after = page[-1].window_start_us
    return reversed(found)


def _sides(
    conn: Connection, *, context: VersionContext, result: StoredResult, profile: tuple[int, bytes]
) -> Sides | None:
    """The window and the reference it was judged by; None where they are no longer counted in one layout."""
    layout_id, payload = profile
    side = context.reference
    if side is not None and (side.reference.number, side.reference.layout_id) == (result.reference_number, layout_id):
        if context.layout is None:
            return None
        layout, reference, calibration = context.layout, side.profile, context.calibration
    else:
        found = _earlier_reference(conn, context=context, number=result.reference_number, layout_id=layout_id)
        if found is None:
            return None
        layout, reference, calibration = found
    return Sides(
        layout=layout, reference=reference, current=codec.decode(payload, layout),
        calibration=calibration or _untaught(context, layout=layout, reference=reference),
    )  # fmt: skip


def _earlier_reference(
    conn: Connection, *, context: VersionContext, number: int | None, layout_id: int
) -> tuple[Layout, Profile, Calibration | None] | None:
    """A reference that is active no more, with its layout and calibration; None if it is in another layout."""
    if number is None:
        return None
    found = get_reference(conn, version_id=context.version.id, number=number)
    if found.layout_id != layout_id:
        return None
    body, digest = get_layout_with_digest(conn, id=layout_id)
    layout = Layout.decode(body, digest=digest)
    segment = context.segment
    kept = get_calibration(conn, version_id=context.version.id, reference_id=found.id, segment=segment)
    calibration = None if kept is None else decode_calibration(kept.payload)
    if calibration is not None and not fits(calibration, layout=layout):
        calibration = None
    if segment:
        side = reference_segment(conn, reference_id=found.id, segment=segment)
        if side is None or side.layout_id != layout_id:
            return None
        return layout, codec.decode(side.profile, layout), calibration
    return layout, codec.decode(reference_profile(conn, reference_id=found.id), layout), calibration


def _untaught(context: VersionContext, *, layout: Layout, reference: Profile) -> Calibration:
    """What judges where no history has taught: scores of independent rows."""
    untaught = build_history(layout, reference=reference)
    return calibrate(untaught, windows_per_month=context.model.window.per_month, per_month=1.0)


def _of(sides: Sides, *, current: Profile) -> Sides:
    """The same reference against other rows."""
    return Sides(layout=sides.layout, reference=sides.reference, current=current, calibration=sides.calibration)
