"""Usual movement learned from production: windows held healthy join the reference's own, where it has some.

A reference whose rows have timestamps brings its own windows, and is calibrated by them at once. The judged windows
after those that are held healthy join them, or are the history alone: those that were in no alarm, unless somebody
said otherwise of one. Windows with a warning join too: they are the highest twentieth of healthy ones, and a threshold
learned without them would be too low.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from monitor.alert.calibrate import Calibration
from monitor.alert.codec import decode_history, encode_calibration
from monitor.alert.history import LEAST_ROWS, History, build_history
from monitor.evaluate.against import choose, sum_of
from monitor.evaluate.context import Contexts, VersionContext, is_cut_alike
from monitor.evaluate.groups import Group
from monitor.evaluate.guard import Guard, Moved
from monitor.evaluate.redo import UNASKED, UNASKED_US, WEEK_US, Healthy, last_turn_us, occurrence_due, wanted
from monitor.evaluate.reference_profile import WindowProfiles, calibration_of
from monitor.evaluate.teaching import calibration_against, fixed, moved, outgrown, save_taught, untaught
from monitor.model.baseline import Baseline
from monitor.model.time import DAY_US, HOUR_US, MINUTE_US, SECOND_US
from monitor.store.baselines import delete_baseline_calibrations
from monitor.store.calibrations import calibration_made_us, delete_calibration, save_calibration
from monitor.store.engine import Store
from monitor.store.profiles import list_profiles
from monitor.store.reference_segments import reference_segment
from monitor.store.references import reference_history
from monitor.store.results import healthy_windows
from monitor.store.runs import enqueue_soon
from monitor.store.versions import lock_version

MOST_WINDOWS = 1_000  # of production, the newest ones
RELEARN = "relearn"
RELEARN_AFTER_US = MINUTE_US
_PAGE = 100

Configured = tuple[int | None, ...]  # when model and version were configured last, and which reference is active


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """When it may be time again: after so many more windows, at that instant, or once the configuration is another."""

    left: int
    at_us: int
    configured: Configured = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What was learned of all traffic or of one segment: against the reference, and against other baselines."""

    segment: str
    calibration: Calibration
    taught: Mapping[Baseline, Calibration]

    def save(self, conn: Connection, *, version_id: int, reference_id: int, made_us: int) -> None:
        """Keeps it in place of what was learned before."""
        save_calibration(
            conn, version_id=version_id, reference_id=reference_id, made_us=made_us, segment=self.segment,
            payload=encode_calibration(self.calibration),
        )  # fmt: skip
        save_taught(
            conn, self.taught, version_id=version_id, reference_id=reference_id, made_us=made_us,
            segment=self.segment,
        )  # fmt: skip


class Learner:
    """Makes and remakes calibrations from healthy windows."""

    def __init__(self, store: Store, *, contexts: Contexts) -> None:
        self._store = store
        self._contexts = contexts
        self._asked: dict[int, Asked] = {}  # by version id

    def due(self, *, version_id: int, judged: int, now_us: int, configured: Configured = ()) -> int | None:
        """The occurrence of a calibration that is due, or None; ``judged`` windows came since the last question.

        The windows are counted only when enough of them may have come, once a day, and when model or version are
        ``configured`` otherwise than then: a baseline may have none yet.
        """
        asked = self._asked.get(version_id, Asked(left=0, at_us=now_us))
        left = asked.left - judged
        if left > 0 and now_us < asked.at_us and configured == asked.configured:
            self._asked[version_id] = replace(asked, left=left)
            return None
        with self._store.read() as conn:
            context = self._contexts.load(conn, version_id=version_id)
            healthy = healthy_history(conn, context=context)
            learning = [healthy_history(conn, context=one) for one in context.slices if _is_learning(one)]
        turn_us = last_turn_us(version_id=version_id, now_us=now_us) + WEEK_US
        after = Asked(left=UNASKED, at_us=min(now_us + UNASKED_US, turn_us))
        due_us = None
        if context.reference is not None:
            missing = min(wanted(one, model=context.model) - one.windows for one in (healthy, *learning))
            after = Asked(left=int(min(max(missing, 1), UNASKED)), at_us=after.at_us)
            due_us = occurrence_due(healthy, model=context.model, version_id=version_id, now_us=now_us)
            if due_us is None and healthy.windows and untaught(context):
                due_us = now_us - now_us % HOUR_US + SECOND_US  # apart from those of the reference's own
            elif due_us is None and outgrown(context, since=healthy.since):
                due_us = now_us - now_us % DAY_US + 2 * SECOND_US  # at most daily: a rule may never find enough
            if due_us is None and any(_is_due(one, context=context, now_us=now_us) for one in learning):
                due_us = now_us - now_us % HOUR_US + 3 * SECOND_US
        after = after if due_us is None else Asked(left=0, at_us=now_us)
        self._asked[version_id] = replace(after, configured=configured)
        return due_us

    def learn(self, *, version_id: int, now_us: int, guard: Guard | None = None) -> Calibration | None:
        """The calibration from the windows held healthy, saved, with those of the segments and those of the baselines
        that checks are held against; None without a reference or a window."""
        with self._store.read() as conn:
            context = self._contexts.load(conn, version_id=version_id)
        learned = self._learned(context)
        if learned is None or context.reference is None:
            return None
        slices = [found for found in (self._learned(one) for one in context.slices) if found is not None]
        reference_id = context.reference.reference.id
        with self._store.write() as conn:
            now = lock_version(conn, id=version_id)
            if (now.layout_id, now.reference_id) != (context.version.layout_id, reference_id):
                raise Moved(f"version {version_id}: its cells or its reference changed while it was calibrated")
            if not is_cut_alike(conn, context=context, now=now):
                raise Moved(f"version {version_id}: its segments changed while it was calibrated")
            for one in (learned, *slices):
                one.save(conn, version_id=version_id, reference_id=reference_id, made_us=now_us)
            if guard is not None:
                guard(conn)
        return learned.calibration

    def _learned(self, context: VersionContext) -> Learned | None:
        """What all traffic, or one segment, teaches; None without a reference or a window."""
        if context.reference is None or context.schema is None:
            return None
        with self._store.read() as conn:
            own = _own_history(conn, context=context)
            after_us = int(own.starts_us[-1]) if own is not None else -1
            since = _since(conn, context=context, after_us=after_us)
        history = self._history(context, own=own, starts=[start for start, _ in since])
        if history is None:
            return None
        return Learned(
            segment=context.segment,
            calibration=calibration_of(
                history, model=context.model, schema=context.schema, segment=context.segment
            ),
            taught=self._against_baselines(context, history=history),
        )  # fmt: skip

    def relearn(self, *, version_id: int, now_us: int) -> None:
        """The calibration made anew after somebody said which windows are healthy; none where none is left."""
        self.learn(version_id=version_id, now_us=now_us)
        with self._store.write() as conn:
            context = self._contexts.load(conn, version_id=version_id)
            for one in (context, *context.slices):
                _forget(conn, context=one)

    def _history(self, context: VersionContext, *, own: History | None, starts: list[int]) -> History | None:
        """The reference's own windows and the later ones that start at ``starts``; None where there are neither."""
        if not starts or context.layout is None or context.reference is None:
            return own
        windows = self._profiles(context, starts=starts)
        later = build_history(context.layout, reference=context.reference.profile, windows=windows, contained=False)
        return later if own is None else own.joined(later)

    def _against_baselines(self, context: VersionContext, *, history: History) -> dict[Baseline, Calibration]:
        """The calibrations of every group of checks that is held against something else than the reference."""
        assert context.layout is not None  # noqa: S101 - the caller has one
        assert context.schema is not None  # noqa: S101 - the caller has one
        return {
            group.baseline: calibration_against(
                self._held(context, group=group, history=history), group=group, checks=context.checks,
                model=context.model, schema=context.schema, layout=context.layout,
            )
            for group in context.groups[1:]
        }  # fmt: skip

    def _held(self, context: VersionContext, *, group: Group, history: History) -> History:
        """The history held against what the group's baseline chooses for each of its windows."""
        assert context.layout is not None  # noqa: S101 - the caller has one
        assert context.reference is not None  # noqa: S101 - the caller has one
        baseline, spec = group.baseline, context.model.window
        if baseline.kind not in ("version", "windows"):
            return moved(history, baseline=baseline, spec=spec)
        with self._store.read() as conn:
            chosen = choose(conn, baseline, context=context, start_us=context.model.window.start_of(0))
        if baseline.kind == "windows" and chosen.windows:
            return fixed(history, baseline=baseline, total=sum_of(self._store, chosen, context=context))
        if chosen.version_id == context.version.id:  # there is nothing to be held against yet
            return moved(
                history,
                baseline=baseline,
                spec=spec,
                source=build_history(context.layout, reference=context.reference.profile, contained=False),
            )
        starts = history.starts_us.tolist()
        windows = self._profiles(context, starts=starts, version_id=chosen.version_id)
        other = build_history(context.layout, reference=context.reference.profile, windows=windows, contained=False)
        return moved(history, baseline=baseline, spec=spec, source=other)

    def _profiles(
        self, context: VersionContext, *, starts: list[int], version_id: int | None = None
    ) -> WindowProfiles:  # fmt: skip
        """The stored profiles of those windows that are in the current layout, read a page at a time."""
        assert context.layout is not None  # noqa: S101 - the caller has one
        if not starts:
            return WindowProfiles(context.layout, spec=context.model.window)
        wanted, found = set(starts), WindowProfiles(context.layout, spec=context.model.window)
        after = min(starts) - 1
        while True:
            with self._store.read() as conn:
                page = list_profiles(
                    conn, version_id=version_id or context.version.id, from_us=min(starts), to_us=max(starts) + 1,
                    after=after, limit=_PAGE, segment=context.segment,
                )  # fmt: skip
            for stored in page:
                if stored.window_start_us in wanted and stored.layout_id == context.version.layout_id:
                    found.put(stored.window_start_us, stored.payload)
            if len(page) < _PAGE:
                return found
            after = page[-1].window_start_us


def _is_learning(context: VersionContext) -> bool:
    return context.calibration is None or context.calibration.state == "learning"


def _is_due(healthy: Healthy, *, context: VersionContext, now_us: int) -> bool:
    return occurrence_due(healthy, model=context.model, version_id=context.version.id, now_us=now_us) is not None


def request_relearning(conn: Connection, *, version_id: int, now_us: int) -> None:
    """Has the version calibrated again in a minute, with all that is said of its windows until then."""
    enqueue_soon(
        conn, job=RELEARN, subject=str(version_id), scheduled_us=now_us, delay_us=RELEARN_AFTER_US
    )  # fmt: skip


def healthy_history(conn: Connection, *, context: VersionContext) -> Healthy:
    """What is known of the version's history, at most ``MOST_WINDOWS`` windows of production."""
    calibration, side = context.calibration, context.reference
    id = context.version.id
    made_us = None
    if side is not None and calibration is not None:
        made_us = calibration_made_us(conn, version_id=id, reference_id=side.reference.id)
    after_us = -1 if calibration is None else calibration.own_until_us
    return Healthy(calibration=calibration, made_us=made_us, since=_since(conn, context=context, after_us=after_us))


def _since(conn: Connection, *, context: VersionContext, after_us: int) -> list[tuple[int, int]]:
    return healthy_windows(
        conn, version_id=context.version.id, min_rows=LEAST_ROWS, after_us=after_us, limit=MOST_WINDOWS,
        segment=context.segment,
    )  # fmt: skip


def _forget(conn: Connection, *, context: VersionContext) -> None:
    """Takes back what was learned of all traffic, or of one segment, where no window is left to learn from."""
    side = context.reference  # none also while new cells are on their way, which bring a calibration
    if side is None or _own_history(conn, context=context) or _since(conn, context=context, after_us=-1):
        return
    here = {"version_id": context.version.id, "reference_id": side.reference.id}
    delete_calibration(conn, **here, segment=context.segment)
    delete_baseline_calibrations(conn, **here, segment=context.segment)


def _own_history(conn: Connection, *, context: VersionContext) -> History | None:
    """The history of the reference's own windows; None where it has none."""
    if context.reference is None:
        return None
    id = context.reference.reference.id
    if context.segment:
        side = reference_segment(conn, reference_id=id, segment=context.segment)
        payload = None if side is None else side.history
    else:
        payload = reference_history(conn, reference_id=id)
    history = None if payload is None else decode_history(payload)
    return history if history is not None and history.own else None
