"""What a window was found to be, written in one transaction that the version's row guards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection

from monitor.evaluate.against import is_another, judge_dependants_again, judge_later_again, same_choice
from monitor.evaluate.context import is_cut_alike
from monitor.evaluate.guard import Moved
from monitor.evaluate.judging_performance import due_us
from monitor.evaluate.recent_counts import judged_before, keep_counts
from monitor.evaluate.ruling import Ruling, verdicts_of
from monitor.evaluate.seen import Seen
from monitor.evaluate.verdicts import move_verdicts
from monitor.evaluate.window_card import WindowCard
from monitor.model.entities import Version
from monitor.profile import codec
from monitor.profile.profile import Profile
from monitor.store.judged_counts import forget_judged_counts
from monitor.store.outcomes import replace_outcomes
from monitor.store.profiles import StoredProfile, put_profiles
from monitor.store.results import put_results
from monitor.store.scorecards import put_scorecards
from monitor.store.versions import lock_version
from monitor.store.window_segments import forget_other_results, statuses_of_window
from monitor.store.windows import WindowRow, get_window, upsert_window


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A window's profiles: in all traffic (None without a layout) and by segment; ``made`` from stored rows, to be
    kept."""

    whole: Profile | None = None
    segments: Mapping[str, Profile] = field(default_factory=dict)
    made: bool = False

    def of(self, segment: str) -> Profile | None:
        """The profile of that segment; the empty name is all traffic."""
        return self.segments.get(segment) if segment else self.whole


def write_window(
    conn: Connection, rulings: tuple[Ruling, ...], *, cut: Cut, card: WindowCard | None, now_us: int
) -> int:
    """How many verdicts changed. Window, profiles, results, judged counts and verdicts, if nothing moved since they
    were read; the first of the ``rulings`` is that of all traffic."""
    seen, judged = rulings[0].seen, rulings[0].judged
    context, window = seen.context, seen.window
    version, now = _unmoved(conn, seen=seen)
    in_alert = now.in_alert if judged.data_status is None else judged.data_status == "alert"
    if is_another(conn, before=window, in_alert=bool(in_alert)) or _other_segments(conn, rulings):
        groups = tuple(group for one in seen.each for group in one.context.groups)
        judge_later_again(conn, groups, before=window, spec=context.model.window)
        judge_dependants_again(conn, context=context, before=window)
    revision = window.revision + 1
    upsert_window(
        conn,
        replace(
            now, state=_state(now, revision=revision), revision=revision, dirty=False, reason=None,
            reference_number=judged.reference_number, computed_us=now_us,
            due_us=due_us(context.model, window=window, performance=context.performance, now_us=now_us),
            in_alert=in_alert, segmentation=context.segmentation if cut.made else now.segmentation,
        ),
    )  # fmt: skip
    if card is not None:
        _write_card(conn, card, version_id=version.id)
    if cut.made and version.layout_id is not None and not now.is_sealed:
        put_profiles(conn, _profiles(cut, window=window, layout_id=version.layout_id))
    _write_counts(conn, rulings)
    if revision > 1 and not rulings[0].stood:  # a segment that is gone since has no part in what is said now
        kept = [ruling.segment for ruling in rulings]
        forget_other_results(conn, version_id=version.id, start_us=window.start_us, kept=kept)
    return write_results(conn, rulings, revision=revision, now_us=now_us)


def _state(now: WindowRow, *, revision: int) -> str:
    if now.is_sealed:
        return now.state
    return "closed" if revision == 1 else "revised"


def write_results(conn: Connection, rulings: tuple[Ruling, ...], *, revision: int, now_us: int) -> int:
    """How many verdicts changed; the results are written and the verdicts in force moved."""
    seen = rulings[0].seen
    context, window = seen.context, seen.window
    put_results(conn, [ruling.result(revision=revision, now_us=now_us) for ruling in rulings])
    return len(
        move_verdicts(
            conn, model=context.model, version=context.version, verdicts=verdicts_of(rulings),
            segments=[one.name for one in context.segments],
            window_start_us=window.start_us, window_end_us=window.end_us, now_us=now_us,
        )
    )  # fmt: skip


def _other_segments(conn: Connection, rulings: tuple[Ruling, ...]) -> bool:
    """Whether an alert of a segment came or went since the window was judged last."""
    slices = rulings[1:]
    if not slices:
        return False
    window = rulings[0].seen.window
    before = statuses_of_window(conn, version_id=window.version_id, start_us=window.start_us)
    return any((before.get(one.segment) == "alert") != (one.judged.status == "alert") for one in slices)


def _profiles(cut: Cut, *, window: WindowRow, layout_id: int) -> list[StoredProfile]:
    made = {"": cut.whole} | dict(cut.segments)
    return [
        StoredProfile(
            version_id=window.version_id, window_start_us=window.start_us, segment=segment, layout_id=layout_id,
            rows=profile.rows, payload=codec.encode(profile),
        )
        for segment, profile in made.items() if profile is not None
    ]  # fmt: skip


def _write_counts(conn: Connection, rulings: tuple[Ruling, ...]) -> None:
    """Keeps what the window was judged by, for those that come after it."""
    for one in rulings:
        context, window = one.seen.context, one.seen.window
        if one.own is not None:
            keep_counts(conn, context=context, window=window, own=one.own, alone=one.judged.alone)
        elif not one.stood:
            forget_judged_counts(conn, version_id=window.version_id, start_us=window.start_us, segment=one.segment)


def _unmoved(conn: Connection, *, seen: Seen) -> tuple[Version, WindowRow]:
    """Version and window as they are now, the version held; ``Moved`` where what was judged is not what there is."""
    context, window = seen.context, seen.window
    # Of two versions the older first: who is held against another one waits for what that one writes.
    others = {held.chosen.version_id for one in seen.each for held in one.held.values()}
    locked = {id: lock_version(conn, id=id) for id in sorted(others | {window.version_id})}
    version = locked[window.version_id]
    now = get_window(conn, version_id=window.version_id, start_us=window.start_us)
    moved = any(one.earlier for one in seen.each) and version.fold_seq != context.version.fold_seq
    if now is None or moved or _state_of(now) != _state_of(window):
        raise Moved(f"window {window.start_us} of version {window.version_id} got rows or labels while it was judged")
    if (version.layout_id, version.reference_id) != (context.version.layout_id, context.version.reference_id):
        raise Moved(f"window {window.start_us} of version {window.version_id} changed while it was judged")
    if not is_cut_alike(conn, context=context, now=version):
        raise Moved(f"version {window.version_id}: its segments changed while window {window.start_us} was judged")
    if seen.judged_before != judged_before(conn, contexts=[one.context for one in seen.each], window=window):
        raise Moved(f"windows that {window.start_us} of version {window.version_id} adds up were judged meanwhile")
    for one in seen.each:
        _check_baselines(conn, seen=one)
    return version, now


def _check_baselines(conn: Connection, *, seen: Seen) -> None:
    """``Moved`` where a baseline would be another by now: rows came to its windows, or one was found in alert."""
    for group in seen.context.groups[1:]:
        held = seen.held[group.baseline]
        if not same_choice(conn, group, held, context=seen.context, start_us=seen.window.start_us):
            raise Moved(f"what window {seen.window.start_us} is held against changed while it was judged")


def _state_of(window: WindowRow) -> tuple[object, ...]:
    """What a window that is read and then written must not have changed in between."""
    return window.rows, window.revision, window.label_rows or 0, window.segmentation


def _write_card(conn: Connection, card: WindowCard, *, version_id: int) -> None:
    if card.stored is not None:
        put_scorecards(conn, [card.stored])
    if card.outcomes:
        replace_outcomes(conn, version_id=version_id, ids=card.replaced, parts=card.outcomes)
