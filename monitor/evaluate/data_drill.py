"""Would it be found? Stored rows of a version's windows with one column changed, from fold to verdict in a shadow.

The last judged window comes first, as the first window after the change; those before it, newest first, stand for the
windows that would follow. What earlier windows leave for later ones (rows that are merged, ``hold``) is carried along
in the shadow. Nothing is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from monitor.alert.cells import Counts
from monitor.alert.recent import encode_counts
from monitor.alert.transitions import advance
from monitor.columns.change import Change, changed, refuse_misfit
from monitor.evaluate.context import VersionContext
from monitor.evaluate.guard import Moved
from monitor.evaluate.judging import Judged
from monitor.evaluate.recent_counts import counts_of
from monitor.evaluate.reprofile import first_of_window
from monitor.evaluate.ruling import judged_of
from monitor.evaluate.seen import Seen
from monitor.evaluate.slices import BatchesMoved
from monitor.evaluate.window import Evaluator
from monitor.model.checks import PERFORMANCE_KINDS
from monitor.model.errors import Conflict, NotFound
from monitor.model.names import nearest
from monitor.model.results import CheckState, CheckVerdict, ResultRow
from monitor.model.schema import Column
from monitor.profile import codec
from monitor.profile.profile import Profile, ProfileAccumulator
from monitor.profile.summary import mean_and_sd
from monitor.store.engine import Store
from monitor.store.judged import JudgedWindow, newest_judged_windows
from monitor.store.profiles import StoredProfile

USUAL_WINDOWS = 24
MOST_WINDOWS = 100
MOST_VALUES = 200_000_000  # rows times columns of all windows together: what takes long ends with what is known then
_SHOWN = 50  # rows of one window


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillWindow:
    """One window in the shadow: the column's rows as it was changed and as it is, and which checks found the change.

    ``not_asked`` names the checks on performance: neither labels nor scores follow from a changed column.
    """

    window: JudgedWindow
    changed: tuple[ResultRow, ...]
    unchanged: tuple[ResultRow, ...]
    verdicts: tuple[CheckVerdict, ...]
    found_by: tuple[CheckVerdict, ...] = ()
    not_asked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DataDrill:
    """What a drill found: ``after`` is how many windows it took, None where none found it; ``stopped`` says why no
    further window was tried. ``already`` names the checks in which the column is in alert as it is."""

    column: str
    change: Change
    windows: tuple[DrillWindow, ...]
    after: int | None
    stopped: str | None = None
    already: tuple[str, ...] = ()


@dataclass(slots=True)
class _Shadow:
    """What the windows so far leave for the next: verdicts in force, profiles it may be merged with, and counts that
    longer scales add up, by the starts of the windows that they stand for."""

    states: dict[str, CheckState] = field(default_factory=dict)
    earlier: list[StoredProfile] = field(default_factory=list)
    before: list[tuple[int, bytes]] = field(default_factory=list)
    start_us: int | None = None  # of the window that the next one stands for

    def follow(self, seen: Seen) -> Seen:
        """The window as the next one in the shadow: later than those so far, with what they left."""
        if self.start_us is None:
            self.start_us, self.before, self.earlier = seen.window.start_us, [*seen.before], [*seen.earlier]
        window = replace(seen.window, start_us=self.start_us)
        return replace(seen, window=window, earlier=self.earlier, before=self.before)

    def leave(self, follower: Seen, *, profile: Profile, own: Counts | None, alone: bool) -> None:
        """Keeps what the window leaves, as ``Evaluator.evaluate`` writes it; one in alarm ``alone`` is in no sum."""
        context, start_us = follower.context, follower.window.start_us
        if context.version.layout_id is not None:
            stored = StoredProfile(
                version_id=context.version.id, window_start_us=start_us, layout_id=context.version.layout_id,
                payload=codec.encode(profile),
            )  # fmt: skip
            self.earlier = [stored, *self.earlier]
        if own is not None:
            self.before = [*self.before, (start_us, b"" if alone else encode_counts(own))]
        self.start_us = context.model.window.end_of(start_us)


class DataDriller:
    """Runs drills on one store's rows."""

    def __init__(self, store: Store, *, evaluator: Evaluator) -> None:
        self._store = store
        self._evaluator = evaluator

    def drill(self, *, version_id: int, column: str, change: Change, windows: int = USUAL_WINDOWS) -> DataDrill:
        """The outcome on at most so many windows.

        ``NotFound`` for a column that is not monitored, ``Conflict`` where there is no reference, no judged window,
        or the last one's rows are not stored any more.
        """
        with self._store.read() as conn:
            newest = newest_judged_windows(conn, version_id=version_id, min_rows=1, limit=windows)
        if not newest:
            raise Conflict("the version has no judged window with rows yet: there is nothing to change")
        shadow, values = _Shadow(), 0
        tried: list[DrillWindow] = []
        already: tuple[str, ...] = ()
        for window in newest:
            if tried and values > MOST_VALUES:
                return self._ended(column, change, tried, already, stopped="enough: more rows would take too long")
            found = self._window(version_id, window, column=column, change=change, shadow=shadow)
            if isinstance(found, str):
                if not tried:
                    raise Conflict(f"the last judged window cannot be drilled: {found}")
                return self._ended(column, change, tried, already, stopped=found)
            one, columns = found
            values += window.rows * columns
            already = already or _in_alert(one.unchanged)
            tried.append(one)
            if one.found_by:
                return DataDrill(
                    column=column, change=change, windows=tuple(tried), after=len(tried), already=already
                )  # fmt: skip
        return self._ended(column, change, tried, already, stopped=None)

    @staticmethod
    def _ended(
        column: str, change: Change, tried: list[DrillWindow], already: tuple[str, ...], *, stopped: str | None
    ) -> DataDrill:
        return DataDrill(
            column=column, change=change, windows=tuple(tried), after=None, stopped=stopped, already=already
        )  # fmt: skip

    def _window(
        self, version_id: int, window: JudgedWindow, *, column: str, change: Change, shadow: _Shadow
    ) -> tuple[DrillWindow, int] | str:
        """The window in the shadow and its number of columns, or why its rows cannot be run again."""
        try:
            seen = self._evaluator.read(version_id=version_id, start_us=window.start_us, sliced=False)
        except Moved:
            return "what it is held against changes right now"
        if seen is None:
            return "the window is not stored any more"
        described, sd = _column_of(seen.context, name=column)
        refuse_misfit(change, column=described, sd=sd)
        made = self._profiles(seen, column=described, change=change, sd=sd)
        if made is None:
            return (
                f"of its {seen.window.rows:,} rows some are not stored any more, or more came right now; rows are kept "
                "for DRIFTLINE_RETENTION_ROWS"
            )
        one = _judge(seen, profiles=made, window=window, column=column, shadow=shadow)
        return one, len(made[0].missing)

    def _profiles(
        self, seen: Seen, *, column: Column, change: Change, sd: float | None
    ) -> tuple[Profile, Profile] | None:
        """The window's rows profiled as they are and as changed; None where they are not all there."""
        context, window = seen.context, seen.window
        if context.layout is None or context.schema is None:
            return None
        rng = np.random.default_rng(window.start_us)  # the same rows each time the same drill is run
        plain, other = ProfileAccumulator(context.layout), ProfileAccumulator(context.layout)
        try:
            for batch in first_of_window(self._store, window=window, schema=context.schema):
                plain.add(batch)
                other.add(changed(batch, column=column, change=change, sd=sd, rng=rng))
        except BatchesMoved:
            return None
        profile = plain.profile()
        return (profile, other.profile()) if profile.rows == window.rows else None


def _judge(
    seen: Seen, *, profiles: tuple[Profile, Profile], window: JudgedWindow, column: str, shadow: _Shadow
) -> DrillWindow:
    """The window judged twice, and the shadow moved on by what it was found to be when changed."""
    plain, other = profiles
    unchanged = judged_of(seen, profile=plain, own=counts_of(seen.context, plain), card=None, now_us=window.end_us)
    follower, own = shadow.follow(seen), counts_of(seen.context, other)
    drilled = judged_of(follower, profile=other, own=own, card=None, now_us=window.end_us)
    shadow.leave(follower, profile=other, own=own, alone=drilled.alone)
    already = _in_alert(_rows_of(unchanged, column=column))
    found_by = [
        verdict
        for verdict in _moved(drilled, window=window, shadow=shadow)
        if verdict.check in _in_alert(_rows_of(drilled, column=column)) and verdict.check not in already
    ]
    return DrillWindow(
        window=window,
        changed=_rows_of(drilled, column=column),
        unchanged=_rows_of(unchanged, column=column),
        verdicts=drilled.verdicts,
        found_by=tuple(found_by),
        not_asked=_not_asked(seen.context),
    )


def _not_asked(context: VersionContext) -> tuple[str, ...]:
    if context.performance is None:
        return ()
    return tuple(check.name for check in context.checks if check.enabled and check.kind in PERFORMANCE_KINDS)


def _moved(judged: Judged, *, window: JudgedWindow, shadow: _Shadow) -> Iterator[CheckVerdict]:
    """The window's verdicts after which their check's verdict in force is *alert*, in the shadow."""
    for verdict in judged.verdicts:
        state, _ = advance(
            shadow.states.get(verdict.check), verdict, now_us=window.end_us, window_start_us=window.start_us,
            window_end_us=window.end_us, counts=True,
        )  # fmt: skip
        if state is not None:
            shadow.states[verdict.check] = state
            if state.status == "alert":
                yield verdict


def _rows_of(judged: Judged, *, column: str) -> tuple[ResultRow, ...]:
    """The rows of the column that decide: the first of each check."""
    found: dict[str, ResultRow] = {}
    for row in judged.rows:
        if row.column == column:
            found.setdefault(row.check, row)
    return tuple(found.values())[:_SHOWN]


def _in_alert(rows: Sequence[ResultRow]) -> tuple[str, ...]:
    return tuple(row.check for row in rows if row.status == "alert")


def _column_of(context: VersionContext, *, name: str) -> tuple[Column, float | None]:
    """The monitored column and its standard deviation in the reference."""
    side, layout = context.reference, context.layout
    if side is None or layout is None or context.schema is None:
        raise Conflict("the version has no reference to hold anything against: set one with PUT …/reference")
    column = next((one for one in context.schema.monitored if one.name == name), None)
    if column is None or name not in layout.positions:
        names = [one.name for one in context.schema.monitored]
        raise NotFound(f"column {name[:80]!r} is not monitored{nearest(name, names)}: expected one of {names[:20]}")
    if column.type != "numeric":
        return column, None
    position = layout.index(name)
    part = slice(int(layout.offsets[position]), int(layout.offsets[position + 1]))
    values = int(side.profile.counts[part].sum())
    return column, mean_and_sd(layout, side.profile, column=position, values=values)[1]
