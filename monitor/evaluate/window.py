"""Evaluating one window: read, judge, write in one transaction that the version's row and the claim guard."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection

from monitor.alert.cells import Counts
from monitor.evaluate.against import (
    Chosen,
    Held,
    choose,
    hold,
    is_another,
    judge_dependants_again,
    judge_later_again,
    same_choice,
)
from monitor.evaluate.catchup import Silence, newest_judged_us, silence
from monitor.evaluate.context import Contexts, VersionContext
from monitor.evaluate.explaining import Explainer
from monitor.evaluate.guard import Guard, Moved
from monitor.evaluate.judging import Judged, judge_window
from monitor.evaluate.judging_performance import due_us, has_labels, judge_performance, with_performance
from monitor.evaluate.kept import Kept
from monitor.evaluate.merged import LOOKBACK, earlier_profiles
from monitor.evaluate.recent_counts import counts_before, counts_of, judged_before, keep_counts, sums_at
from monitor.evaluate.reprofile import reprofile
from monitor.evaluate.standing import standing
from monitor.evaluate.verdicts import move_verdicts
from monitor.evaluate.window_card import WindowCard, window_card
from monitor.model.baseline import Baseline
from monitor.model.entities import Version
from monitor.model.results import Status
from monitor.profile import codec
from monitor.profile.profile import Profile, empty
from monitor.store.engine import Store
from monitor.store.judged_counts import forget_judged_counts, is_stale
from monitor.store.models import get_version_by_id
from monitor.store.outcomes import replace_outcomes
from monitor.store.profiles import StoredProfile, get_profile, put_profiles
from monitor.store.results import StoredResult, get_result, pack_rows, put_result
from monitor.store.scorecards import put_scorecards
from monitor.store.verdicts import get_states
from monitor.store.versions import lock_version
from monitor.store.windows import WindowRow, get_window, recent_windows, upsert_window

_log = logging.getLogger(__name__)
_KEPT_BASELINES = 64 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """A window computed and written: its worst status, its revision, how many verdicts changed."""

    start_us: int
    status: Status
    revision: int
    transitions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A window as one snapshot saw it, with what it is judged by and how it was judged last."""

    context: VersionContext
    window: WindowRow
    stored: tuple[int, bytes] | None
    earlier: list[StoredProfile]
    before: list[tuple[int, bytes]] = field(default_factory=list)
    judged_before: int | None = None
    stale: bool = False
    labelled: bool = False
    last: StoredResult | None = None
    held: Mapping[Baseline, Held] = field(default_factory=dict)


class Evaluator:
    """Evaluates windows of one store; keeps nothing but decoded contexts and sums of fixed windows."""

    def __init__(self, store: Store, *, contexts: Contexts) -> None:
        self._store = store
        self._contexts = contexts
        self._explainer = Explainer(store, contexts=contexts)
        self._baselines = Kept(limit=_KEPT_BASELINES)

    def evaluate(
        self, *, version_id: int, start_us: int, now_us: int, guard: Guard | None = None, afresh: bool = False
    ) -> Evaluated | None:
        """The window judged by what is stored of it; None where there is no such window.

        ``afresh`` profiles its rows again first. ``Moved`` where rows came or the reference changed meanwhile:
        nothing was written.
        """
        seen = self.read(version_id=version_id, start_us=start_us)
        if seen is None:
            return None
        again = afresh or seen.stale
        stands = None if again else standing(seen.context, window=seen.window, last=seen.last, held=seen.held)
        profile, made = (None, None) if stands is not None else self.profile_of(seen, afresh=afresh)
        card = self.card_of(seen, now_us=now_us, afresh=afresh)
        own = counts_of(seen.context, profile)
        judged = judged_of(seen, profile=profile, own=own, card=card, stands=stands, now_us=now_us)
        with self._store.write() as conn:
            transitions = _write(conn, seen=seen, judged=judged, made=made, card=card, now_us=now_us)
            if own is not None:
                keep_counts(conn, context=seen.context, window=seen.window, own=own, alone=judged.alone)
            elif stands is None:
                forget_judged_counts(conn, version_id=version_id, start_us=start_us)
            if guard is not None:
                guard(conn)
        if transitions or seen.window.revision:
            self._tell(version_id=version_id, start_us=start_us)
        return Evaluated(
            start_us=start_us, status=judged.status, revision=seen.window.revision + 1, transitions=transitions
        )

    def read(self, *, version_id: int, start_us: int, least_rows: int = 0) -> Seen | None:
        """The window and its context in one snapshot; None where there is no such window.

        What a window of fewer rows than ``least_rows``, or than its checks ask for, may be merged with is read too.
        """
        with self._store.read() as conn:
            window = get_window(conn, version_id=version_id, start_us=start_us)
            if window is None:
                return None
            context = self._contexts.load(conn, version_id=version_id)
            nominal_us = context.model.window.nominal_us
            few = window.rows < max(context.min_rows, least_rows)
            again = window.revision > 0 and context.performance is not None
            chosen = _chosen(conn, context=context, start_us=start_us)
            seen = Seen(
                context=context,
                window=window,
                labelled=bool(context.performance) and has_labels(conn, context=context),
                stored=get_profile(conn, version_id=version_id, window_start_us=start_us),
                earlier=earlier_profiles(conn, window=window, nominal_us=nominal_us) if few else [],
                before=counts_before(conn, context=context, window=window),
                judged_before=judged_before(conn, context=context, window=window),
                stale=again and is_stale(conn, version_id=version_id, start_us=start_us),
                last=get_result(conn, version_id=version_id, window_start_us=start_us) if again else None,
            )
        return replace(seen, held=self._held(context, chosen=chosen))

    def held(self, context: VersionContext, *, start_us: int) -> dict[Baseline, Held]:
        """What a window would be held against in that context, beside the reference."""
        if len(context.groups) < 2:
            return {}
        with self._store.read() as conn:
            chosen = _chosen(conn, context=context, start_us=start_us)
        return self._held(context, chosen=chosen)

    def _held(self, context: VersionContext, *, chosen: Mapping[Baseline, Chosen]) -> dict[Baseline, Held]:
        return {
            group.baseline: hold(
                self._store, group, chosen=chosen[group.baseline], context=context, kept=self._baselines
            )
            for group in context.groups[1:]
        }  # fmt: skip

    def profile_of(self, seen: Seen, *, afresh: bool = False) -> tuple[Profile | None, Profile | None]:
        """The window's profile in the version's layout, and it again if it had to be made from stored rows.

        None without a layout: there is no reference yet.
        """
        context, window = seen.context, seen.window
        if context.layout is None or context.schema is None:
            return None, None
        current = seen.stored is not None and seen.stored[0] == context.version.layout_id
        if current and not afresh and seen.stored is not None:
            return codec.decode(seen.stored[1], context.layout), None
        made = reprofile(
            self._store, version_id=window.version_id, schema=context.schema, layout=context.layout,
            start_us=window.start_us, end_us=window.end_us,
        )  # fmt: skip
        if made.rows != window.rows:
            raise Moved(f"window {window.start_us} of version {window.version_id} changed while it was read")
        return made.profile, made.profile

    def card_of(self, seen: Seen, *, now_us: int, afresh: bool = False) -> WindowCard | None:
        """The window's scorecard; None where the reference says nothing of performance."""
        return window_card(self._store, context=seen.context, window=seen.window, now_us=now_us, afresh=afresh)

    def silence(self, *, version_id: int, now_us: int) -> Silence:
        """Closed windows without rows behind the newest one with rows, that are due and not judged yet."""
        with self._store.read() as conn:
            model, version = get_version_by_id(conn, id=version_id)
            recent = recent_windows(conn, version_id=version_id, limit=LOOKBACK)
            states = get_states(conn, version_id=version_id)
        if not recent or version.state != "live":
            return Silence()
        judged_us = newest_judged_us(states.values())
        return silence(recent, model=model, judged_us=judged_us, now_us=now_us)

    def read_silence(self, *, version_id: int, start_us: int, end_us: int) -> tuple[Seen, Profile | None]:
        """A window without a row, and its profile in the version's layout, if there is one."""
        with self._store.read() as conn:
            context = self._contexts.load(conn, version_id=version_id)
        window = WindowRow(version_id=version_id, start_us=start_us, end_us=end_us)
        profile = None if context.layout is None else empty(context.layout)
        return Seen(context=context, window=window, stored=None, earlier=[]), profile

    def evaluate_silence(
        self, *, version_id: int, start_us: int, end_us: int, now_us: int, guard: Guard | None = None
    ) -> Evaluated | None:
        """A closed window without a row, judged: no volume. None where rows have come after all."""
        seen, profile = self.read_silence(version_id=version_id, start_us=start_us, end_us=end_us)
        judged = judge_window(seen.context, window=seen.window, profile=profile, earlier=[])
        with self._store.write() as conn:
            lock_version(conn, id=version_id)
            if get_window(conn, version_id=version_id, start_us=start_us) is not None:
                return None
            transitions = _record(
                conn, context=seen.context, window=seen.window, judged=judged, revision=1, now_us=now_us
            )
            if guard is not None:
                guard(conn)
        if transitions:
            self._tell(version_id=version_id, start_us=start_us)
        return Evaluated(start_us=start_us, status=judged.status, revision=1, transitions=transitions)

    def _tell(self, *, version_id: int, start_us: int) -> None:
        """Gives the window's alerts their words, a second step: verdicts stand without."""
        try:
            self._explainer.tell(version_id=version_id, start_us=start_us)
        except Exception:  # whatever it is, the window is judged and written, and is not to be judged again for it
            _log.exception("the alerts of window %s of version %s keep their short words", start_us, version_id)


def judged_of(
    seen: Seen,
    *,
    profile: Profile | None,
    own: Counts | None,
    card: WindowCard | None,
    now_us: int,
    stands: Judged | None = None,
) -> Judged:
    """The window judged by its profile and the ``own`` counts of it, unless its last judgement ``stands``; by its
    scorecard where there is one."""
    judged = stands or judge_window(
        seen.context, window=seen.window, profile=profile, earlier=seen.earlier,
        sums=sums_at(seen.context, window=seen.window, own=own, before=seen.before), held=seen.held,
    )  # fmt: skip
    if card is None:
        return judged
    return with_performance(
        judged,
        judge_performance(seen.context, window=seen.window, card=card.card, now_us=now_us, labelled=seen.labelled),
    )


def _chosen(conn: Connection, *, context: VersionContext, start_us: int) -> dict[Baseline, Chosen]:
    return {g.baseline: choose(conn, g.baseline, context=context, start_us=start_us) for g in context.groups[1:]}


def _write(
    conn: Connection, *, seen: Seen, judged: Judged, made: Profile | None, card: WindowCard | None, now_us: int
) -> int:
    """How many verdicts changed. Window, profile, result and verdicts, if nothing moved since they were read."""
    context, window = seen.context, seen.window
    version, now = _unmoved(conn, seen=seen)
    in_alert = now.in_alert if judged.data_status is None else judged.data_status == "alert"
    if is_another(conn, before=window, in_alert=bool(in_alert)):
        judge_later_again(conn, context.groups, before=window, spec=context.model.window)
        judge_dependants_again(conn, context=context, before=window)
    revision = window.revision + 1
    upsert_window(
        conn,
        replace(
            now, state="closed" if revision == 1 else "revised", revision=revision, dirty=False, reason=None,
            reference_number=judged.reference_number, computed_us=now_us,
            due_us=due_us(context.model, window=window, performance=context.performance, now_us=now_us),
            in_alert=in_alert,
        ),
    )  # fmt: skip
    if card is not None:
        _write_card(conn, card, version_id=version.id)
    if made is not None and version.layout_id is not None:
        put_profiles(
            conn,
            [
                StoredProfile(
                    version_id=version.id, window_start_us=window.start_us, layout_id=version.layout_id,
                    payload=codec.encode(made),
                )
            ],
        )  # fmt: skip
    return _record(conn, context=context, window=window, judged=judged, revision=revision, now_us=now_us)


def _unmoved(conn: Connection, *, seen: Seen) -> tuple[Version, WindowRow]:
    """Version and window as they are now, the version held; ``Moved`` where what was judged is not what there is."""
    context, window = seen.context, seen.window
    # Of two versions the older first: who is held against another one waits for what that one writes.
    others = {held.chosen.version_id for held in seen.held.values()}
    locked = {id: lock_version(conn, id=id) for id in sorted(others | {window.version_id})}
    version = locked[window.version_id]
    now = get_window(conn, version_id=window.version_id, start_us=window.start_us)
    moved = bool(seen.earlier) and version.fold_seq != context.version.fold_seq
    if now is None or moved or _state_of(now) != _state_of(window):
        raise Moved(f"window {window.start_us} of version {window.version_id} got rows or labels while it was judged")
    if (version.layout_id, version.reference_id) != (context.version.layout_id, context.version.reference_id):
        raise Moved(f"window {window.start_us} of version {window.version_id} changed while it was judged")
    if seen.judged_before != judged_before(conn, context=context, window=window):
        raise Moved(f"windows that {window.start_us} of version {window.version_id} adds up were judged meanwhile")
    _check_baselines(conn, seen=seen)
    return version, now


def _check_baselines(conn: Connection, *, seen: Seen) -> None:
    """``Moved`` where a baseline would be another by now: rows came to its windows, or one was found in alert."""
    for group in seen.context.groups[1:]:
        held = seen.held[group.baseline]
        if not same_choice(conn, group, held, context=seen.context, start_us=seen.window.start_us):
            raise Moved(f"what window {seen.window.start_us} is held against changed while it was judged")


def _state_of(window: WindowRow) -> tuple[int, int, int]:
    """What a window that is read and then written must not have changed in between."""
    return window.rows, window.revision, window.label_rows or 0


def _write_card(conn: Connection, card: WindowCard, *, version_id: int) -> None:
    if card.stored is not None:
        put_scorecards(conn, [card.stored])
    if card.outcomes:
        replace_outcomes(conn, version_id=version_id, ids=card.replaced, parts=card.outcomes)


def _record(
    conn: Connection, *, context: VersionContext, window: WindowRow, judged: Judged, revision: int, now_us: int
) -> int:
    """How many verdicts changed; the result is written and the verdicts in force moved."""
    put_result(conn, result_of(window, judged=judged, revision=revision, now_us=now_us))
    return len(
        move_verdicts(
            conn, model=context.model, version=context.version, verdicts=judged.verdicts,
            window_start_us=window.start_us, window_end_us=window.end_us, now_us=now_us,
        )
    )  # fmt: skip


def result_of(window: WindowRow, *, judged: Judged, revision: int, now_us: int) -> StoredResult:
    """The result as it is stored."""
    return StoredResult(
        version_id=window.version_id, window_start_us=window.start_us, window_end_us=window.end_us,
        revision=revision, reference_number=judged.reference_number, status=judged.status, rows=window.rows,
        reference_rows=judged.reference_rows, computed_us=now_us,
        payload=pack_rows(judged.rows, data_status=judged.data_status),
    )  # fmt: skip
