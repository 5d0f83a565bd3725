"""Why a window came out as it did, from what is stored of it: its result, its profile, those of the windows before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from monitor.alert.calibrate import Calibration, calibrate
from monitor.alert.cells import Counts, reduce_profile
from monitor.alert.codec import decode_calibration
from monitor.alert.findings import Finding, verdict_of
from monitor.alert.history import build_history
from monitor.evaluate.context import Contexts, VersionContext, fits
from monitor.evaluate.reference_profile import budget
from monitor.evaluate.verdicts import worst
from monitor.explain.deciding import decided_rows
from monitor.explain.explain import Case, explain
from monitor.explain.explanation import Explanation
from monitor.explain.sides import Sides
from monitor.model.checks import Check
from monitor.model.errors import NotFound
from monitor.model.names import nearest
from monitor.model.results import SEVERITY_ORDER, ResultRow, Status
from monitor.model.time import rfc3339
from monitor.profile import codec
from monitor.profile.layout import Layout
from monitor.profile.profile import Profile, merge
from monitor.store.calibrations import get_calibration
from monitor.store.engine import Store
from monitor.store.layouts import get_layout_with_digest
from monitor.store.profiles import StoredProfile, get_profile, list_profiles
from monitor.store.references import get_reference, reference_profile
from monitor.store.results import StoredResult, get_result, unpack_rows

LOOKBACK = 168  # windows, in time, that the beginning of a change is looked for in
_TOGETHER = 50  # stored profiles read in one transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """An explanation with the result that it explains."""

    explanation: Explanation
    result: StoredResult


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A judged window as stored: its result with its rows, and where they fit together its profile and reference."""

    context: VersionContext
    result: StoredResult
    rows: tuple[ResultRow, ...]
    sides: Sides | None
    layout_id: int | None


class Explainer:
    """Explains judged windows of one store."""

    def __init__(self, store: Store, *, contexts: Contexts) -> None:
        self._store = store
        self._contexts = contexts

    def explain(
        self, *, version_id: int, start_us: int, check: str | None = None, column: str | None = None
    ) -> Explained:
        """Why a check came out as it did in the window that starts then; the worst of its checks unless told.

        ``NotFound`` where the window was not judged, or not by that check, or the check says nothing of the column.
        """
        with self._store.read() as conn:
            stored = self._read(conn, version_id=version_id, start_us=start_us)
        name = _check_name(stored.rows, asked=check, start_us=start_us)
        rows = tuple(row for row in stored.rows if row.check == name)
        if column is not None and column not in {row.column for row in rows}:
            names = sorted({row.column for row in rows if row.column})
            raise NotFound(f"column {column[:80]!r} is not judged by {name}{nearest(column, names)}")
        configured = next((one for one in stored.context.checks if one.name == name), None)
        case = self._case(stored, rows=rows, check=configured, column=column)
        return Explained(explanation=explain(case), result=stored.result)

    def _read(self, conn: Connection, *, version_id: int, start_us: int) -> Stored:
        context = self._contexts.load(conn, version_id=version_id)
        result = get_result(conn, version_id=version_id, window_start_us=start_us)
        if result is None:
            raise NotFound(
                f"the window {rfc3339(start_us)} was not judged: expected the start of one that GET …/windows shows "
                "as closed or revised"
            )
        profile = get_profile(conn, version_id=version_id, window_start_us=start_us)
        sides = None if profile is None else _sides(conn, context=context, result=result, profile=profile)
        return Stored(
            context=context, result=result, rows=unpack_rows(result.payload), sides=sides,
            layout_id=None if profile is None else profile[0],
        )  # fmt: skip

    def _case(self, stored: Stored, *, rows: tuple[ResultRow, ...], check: Check | None, column: str | None) -> Case:
        context, sides = stored.context, stored.sides
        status, reason = _status(rows, check=check, n=stored.result.rows)
        past = _Past(sums={}) if sides is None else self._past(stored, sides=sides, rows=rows)
        allowed = check.false_alarms if check is not None and check.false_alarms else budget(context.model)
        return Case(
            check=rows[0].check, kind=rows[0].kind, status=status, reason=reason, results=rows,
            rows=stored.result.rows, window=context.model.window, start_us=stored.result.window_start_us,
            sides=past.merged or sides, sums=past.sums, own=None if sides is None else sides.now, before=past.counts,
            budget=str(allowed), column=column,
        )  # fmt: skip

    def _past(self, stored: Stored, *, sides: Sides, rows: Sequence[ResultRow]) -> _Past:
        """The judged counts of the windows before, and the sums with them that were judged."""
        start_us, length_us = stored.result.window_start_us, stored.context.model.window.nominal_us
        scales = sorted({one.windows for one in decided_rows(rows)} - {1})
        merged = max((int(row.method.get("merged_windows", 1)) for row in rows), default=1)
        counts: list[tuple[int, Counts]] = []
        sums: dict[int, Sides] = {}
        total: Profile | None = sides.current
        together: Sides | None = None
        for age, before in enumerate(self._before(stored, length_us=length_us), start=2):
            profile = codec.decode(before.payload, sides.layout)
            counts.append((before.window_start_us, reduce_profile(sides.judged, profile=profile)))
            if total is None:
                continue
            total = merge(total, profile)
            if age == merged:
                together = _of(sides, current=total)
            apart = (start_us - before.window_start_us) // length_us + 1
            sums |= {scale: _of(sides, current=total) for scale in scales if apart <= scale}
            total = total if age < merged or any(apart < scale for scale in scales) else None
        return _Past(counts=tuple(reversed(counts)), sums=sums, merged=together)

    def _before(self, stored: Stored, *, length_us: int) -> Iterable[StoredProfile]:
        """The stored profiles of the windows before in the same layout, newest first, read a few a transaction."""
        from_us, to_us = stored.result.window_start_us - LOOKBACK * length_us, stored.result.window_start_us
        found: list[StoredProfile] = []
        after: int | None = None
        while True:
            with self._store.read() as conn:
                page = list_profiles(
                    conn, version_id=stored.result.version_id, from_us=from_us, to_us=to_us, after=after,
                    limit=_TOGETHER,
                )  # fmt: skip
            found += [one for one in page if one.layout_id == stored.layout_id]
            if len(page) < _TOGETHER:
                return reversed(found)
            after = page[-1].window_start_us


@dataclass(frozen=True, kw_only=True)
class _Past:
    """Counts of the windows before, oldest first; sides of the sums that longer scales, or too few rows, judged."""

    counts: tuple[tuple[int, Counts], ...] = ()
    sums: dict[int, Sides]
    merged: Sides | None = None


def _check_name(rows: Sequence[ResultRow], *, asked: str | None, start_us: int) -> str:
    """The asked check, or the worst of the window's checks, the first of equals; ``NotFound`` if there is none."""
    worst_of: dict[str, int] = {}
    for row in rows:
        if row.check:
            rank = -1 if row.status == "unknown" else SEVERITY_ORDER[row.status]
            worst_of[row.check] = max(worst_of.get(row.check, -1), rank)
    if asked is not None and asked not in worst_of:
        raise NotFound(
            f"check {asked[:80]!r} did not judge the window {rfc3339(start_us)}{nearest(asked, tuple(worst_of))}: "
            f"expected one of {', '.join(worst_of) or 'none'}"
        )
    if not worst_of:
        raise NotFound(f"no check judged the window {rfc3339(start_us)}")
    return asked if asked is not None else max(worst_of, key=worst_of.__getitem__)


def _status(rows: Sequence[ResultRow], *, check: Check | None, n: int) -> tuple[Status, str | None]:
    """The check's verdict as its rows say: that of the whole model, else what follows from its columns'."""
    whole = next((row for row in rows if not row.column), None)
    if whole is not None:
        return whole.status, whole.reason
    if check is None:  # it was taken out of the model since
        return worst(row.status for row in rows), None
    findings = [
        Finding(
            column=row.column, metric=row.metric, value=row.value, threshold=row.threshold, status=row.status,
            reason=row.reason, rows=row.rows, needs=row.needs,
        )
        for row in rows
    ]  # fmt: skip
    verdict = verdict_of(check, findings, rows=n)
    return verdict.status, verdict.reason


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
    kept = get_calibration(conn, version_id=context.version.id, reference_id=found.id)
    calibration = None if kept is None else decode_calibration(kept.payload)
    if calibration is not None and not fits(calibration, layout=layout):
        calibration = None
    return layout, codec.decode(reference_profile(conn, reference_id=found.id), layout), calibration


def _untaught(context: VersionContext, *, layout: Layout, reference: Profile) -> Calibration:
    """What judges where no history has taught: scores of independent rows."""
    untaught = build_history(layout, reference=reference)
    return calibrate(untaught, windows_per_month=context.model.window.per_month, per_month=1.0)


def _of(sides: Sides, *, current: Profile) -> Sides:
    """The same reference against other rows."""
    return Sides(layout=sides.layout, reference=sides.reference, current=current, calibration=sides.calibration)
