"""Evaluating one window: read, judge, write in one transaction that the version's row and the claim guard."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

from monitor.evaluate.against import Held, hold
from monitor.evaluate.catchup import Silence, newest_judged_us, silence
from monitor.evaluate.context import Contexts, VersionContext
from monitor.evaluate.explaining import Explainer
from monitor.evaluate.guard import Guard, Moved
from monitor.evaluate.judging import Judged, judge_window
from monitor.evaluate.kept import Kept
from monitor.evaluate.merged import LOOKBACK
from monitor.evaluate.reprofile import reprofile
from monitor.evaluate.ruling import Ruling, rule
from monitor.evaluate.seen import ByBaseline, Seen, chosen_of, see
from monitor.evaluate.standing import standing
from monitor.evaluate.window_card import WindowCard, window_card
from monitor.evaluate.writing import Cut, write_results, write_window
from monitor.model.baseline import Baseline
from monitor.model.results import Status
from monitor.profile import codec
from monitor.profile.profile import Profile, empty
from monitor.store.engine import Store
from monitor.store.models import get_version_by_id
from monitor.store.profiles import StoredProfile
from monitor.store.verdicts import get_states
from monitor.store.versions import lock_version
from monitor.store.windows import WindowRow, get_window, recent_windows, upsert_window

_log = logging.getLogger(__name__)
_KEPT_BASELINES = 64 * 2**20
_VERDICT = "verdict"
# Watches a step: the block is one run of it.
Watch = Callable[[str], AbstractContextManager[None]]


def unwatched(_: str) -> AbstractContextManager[None]:
    """Watches nothing."""
    return nullcontext()


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """A window computed and written: its worst status, its revision, how many verdicts changed."""

    start_us: int
    status: Status
    revision: int
    transitions: int


class Evaluator:
    """Evaluates windows of one store; keeps nothing but decoded contexts and sums of fixed windows.

    ``watch`` is told of the step ``verdict``: what was decided is written.
    """

    def __init__(self, store: Store, *, contexts: Contexts, watch: Watch = unwatched) -> None:
        self._store = store
        self._watch = watch
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
        if seen.window.is_sealed and _stands(seen) is None:
            return self._settle(seen, guard=guard)
        cut, rulings, card = self._rule(seen, now_us=now_us, afresh=afresh)
        with self._watch(_VERDICT), self._store.write() as conn:
            transitions = write_window(conn, rulings, cut=cut, card=card, now_us=now_us)
            if guard is not None:
                guard(conn)
        if transitions or seen.told:
            self._tell(version_id=version_id, start_us=start_us)
        return Evaluated(
            start_us=start_us, status=rulings[0].judged.status, revision=seen.window.revision + 1,
            transitions=transitions,
        )  # fmt: skip

    def rule(self, seen: Seen, *, now_us: int) -> tuple[Ruling, ...]:
        """The window judged anew in all traffic and in each of its segments; nothing is written."""
        cut, card = self.profiles_of(seen), self.card_of(seen, now_us=now_us)
        return _rulings(seen, cut=cut, card=card, now_us=now_us)

    def _rule(self, seen: Seen, *, now_us: int, afresh: bool) -> tuple[Cut, tuple[Ruling, ...], WindowCard | None]:
        """The window's profiles, what it is found to be in each segment, and its scorecard."""
        afresh = afresh and not seen.window.is_sealed
        stands = {one.context.segment: None if afresh else _stands(one) for one in seen.each}
        if stands[""] is not None:  # what is closed keeps its results: segments that came since are not judged in it
            seen = replace(seen, slices=tuple(one for one in seen.slices if one.last is not None))
            stands = {one.context.segment: stands[one.context.segment] for one in seen.each}
        cut = Cut() if None not in stands.values() else self.profiles_of(seen, afresh=afresh)
        card = self.card_of(seen, now_us=now_us, afresh=afresh)
        return cut, _rulings(seen, cut=cut, card=card, now_us=now_us, stands=stands), card

    def _settle(self, seen: Seen, *, guard: Guard | None) -> Evaluated | None:
        """A sealed window that labels change nothing of: there is no judgement, or no performance to be judged."""
        window = seen.window
        with self._store.write() as conn:
            lock_version(conn, id=window.version_id)
            now = get_window(conn, version_id=window.version_id, start_us=window.start_us)
            if now is None or now.label_rows != window.label_rows:
                raise Moved(f"window {window.start_us} of version {window.version_id} got labels while it was judged")
            upsert_window(conn, replace(now, dirty=False))
            if guard is not None:
                guard(conn)
        return Evaluated(start_us=window.start_us, status="unknown", revision=window.revision, transitions=0)

    def read(self, *, version_id: int, start_us: int, least_rows: int = 0, sliced: bool = True) -> Seen | None:
        """The window and its context in one snapshot; None where there is no such window.

        What a window of fewer rows than ``least_rows``, or than its checks ask for, may be merged with is read too.
        Its segments are left out unless ``sliced``.
        """
        with self._store.read() as conn:
            window = get_window(conn, version_id=version_id, start_us=start_us)
            if window is None:
                return None
            context = self._contexts.load(conn, version_id=version_id)
            seen, chosen = see(conn, context=context, window=window, least_rows=least_rows, sliced=sliced)
        slices = tuple(self._with_held(one, chosen=chosen) for one in seen.slices)
        return replace(self._with_held(seen, chosen=chosen), slices=slices)

    def _with_held(self, seen: Seen, *, chosen: Mapping[str, ByBaseline]) -> Seen:
        return replace(seen, held=self._held(seen.context, chosen=chosen[seen.context.segment]))

    def held(self, context: VersionContext, *, start_us: int) -> dict[Baseline, Held]:
        """What a window would be held against in that context, beside the reference."""
        if len(context.groups) < 2:
            return {}
        with self._store.read() as conn:
            chosen = chosen_of(conn, context=context, start_us=start_us)
        return self._held(context, chosen=chosen)

    def _held(self, context: VersionContext, *, chosen: ByBaseline) -> dict[Baseline, Held]:
        return {
            group.baseline: hold(
                self._store, group, chosen=chosen[group.baseline], context=context, kept=self._baselines
            )
            for group in context.groups[1:]
        }  # fmt: skip

    def profile_of(self, seen: Seen) -> Profile | None:
        """The window's profile in all traffic, in the version's layout; None without one: there is no reference yet."""
        return self.profiles_of(replace(seen, slices=())).whole

    def profiles_of(self, seen: Seen, *, afresh: bool = False) -> Cut:
        """The window's profiles in the version's layout, made from stored rows where they have to be."""
        context, window, layout = seen.context, seen.window, seen.context.layout
        if layout is None or context.schema is None:
            return Cut()
        whole = _decoded(seen.stored, context=context)
        afresh = afresh and not seen.erased  # no row says any more what the profile counts
        if whole is not None and not afresh and (seen.is_cut or not seen.slices):
            return Cut(
                whole=whole,
                segments={
                    one.context.segment: _decoded(one.stored, context=context) or empty(layout) for one in seen.slices
                },
            )  # fmt: skip
        if window.is_sealed:
            raise Moved(f"window {window.start_us} is sealed: it was counted in other cells, and its rows are gone")
        made = reprofile(
            self._store, version_id=window.version_id, schema=context.schema, layout=layout,
            start_us=window.start_us, end_us=window.end_us, segments=context.segments,
        )  # fmt: skip
        if not made.is_all_of(window):
            raise Moved(f"window {window.start_us} of version {window.version_id} changed while it was read")
        return Cut(whole=made.profile, segments=made.segments, made=True)

    def card_of(self, seen: Seen, *, now_us: int, afresh: bool = False) -> WindowCard | None:
        """The window's scorecard; None where the reference says nothing of performance."""
        return window_card(
            self._store, context=seen.context, window=seen.window, now_us=now_us, afresh=afresh and not seen.erased
        )

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
        seen = Seen(context=context, window=window, stored=None, earlier=[])
        slices = tuple(replace(seen, context=one) for one in context.slices)
        return replace(seen, slices=slices), None if context.layout is None else empty(context.layout)

    def evaluate_silence(
        self, *, version_id: int, start_us: int, end_us: int, now_us: int, guard: Guard | None = None
    ) -> Evaluated | None:
        """A closed window without a row, judged: no volume. None where rows have come after all."""
        seen, profile = self.read_silence(version_id=version_id, start_us=start_us, end_us=end_us)
        rulings = tuple(
            Ruling(seen=one, judged=judge_window(one.context, window=one.window, profile=profile, earlier=[]))
            for one in seen.each
        )
        with self._watch(_VERDICT), self._store.write() as conn:
            lock_version(conn, id=version_id)
            if get_window(conn, version_id=version_id, start_us=start_us) is not None:
                return None
            transitions = write_results(conn, rulings, revision=1, now_us=now_us)
            if guard is not None:
                guard(conn)
        if transitions:
            self._tell(version_id=version_id, start_us=start_us)
        return Evaluated(start_us=start_us, status=rulings[0].judged.status, revision=1, transitions=transitions)

    def _tell(self, *, version_id: int, start_us: int) -> None:
        """Gives the window's alerts their words, a second step: verdicts stand without."""
        try:
            self._explainer.tell(version_id=version_id, start_us=start_us)
        except Exception:  # whatever it is, the window is judged and written, and is not to be judged again for it
            _log.exception("the alerts of window %s of version %s keep their short words", start_us, version_id)


def _decoded(stored: StoredProfile | None, *, context: VersionContext) -> Profile | None:
    """The stored profile; None where it is in other cells than the version's, or there is none."""
    if stored is None or context.layout is None or stored.layout_id != context.version.layout_id:
        return None
    return codec.decode(stored.payload, context.layout)


def _stands(seen: Seen) -> Judged | None:
    if seen.stale and not seen.window.is_sealed:
        return None
    return standing(seen.context, window=seen.window, last=seen.last, held=seen.held)


def _rulings(
    seen: Seen, *, cut: Cut, card: WindowCard | None, now_us: int, stands: Mapping[str, Judged | None] | None = None
) -> tuple[Ruling, ...]:
    """What the window is found to be in all traffic, then in each of its segments."""
    kept = stands or {}
    return tuple(
        rule(
            one, profile=cut.of(one.context.segment), card=None if one.context.segment else card, now_us=now_us,
            stands=kept.get(one.context.segment),
        )
        for one in seen.each
    )  # fmt: skip
