"""Whether anybody is told of a check now: silences and snoozes hold it back, its verdict stays what it is."""

from __future__ import annotations

from collections.abc import Iterable

from monitor.model.results import SEVERITY_ORDER, CheckState
from monitor.model.silences import Held, Silence, Snooze, matches


def held_back(
    state: CheckState, *, version: str, silences: Iterable[Silence], snoozes: Iterable[Snooze], now_us: int
) -> Held | None:
    """Why nobody is told of the check's verdict now, by what ends last; None where it is told.

    A silence of columns holds a check back while every column behind its verdict is one of them, as far as the
    verdict lists them all. A snooze holds back what is no worse than the alert was when it was snoozed.
    """
    found = [
        Held(by="silence", id=silence.id, reason=silence.reason, until_us=silence.until_us)
        for silence in silences
        if silence.in_force(now_us) and _silenced(state, version=version, silence=silence)
    ]
    found += [
        Held(by="snooze", id=snooze.transition_id, reason=snooze.reason, until_us=snooze.until_us)
        for snooze in snoozes
        if now_us < snooze.until_us and _snoozed(state, snooze)
    ]
    return max(found, key=lambda held: (held.until_us, held.by, held.id), default=None)


def undecided_is_held_back(state: CheckState, *, version: str, silences: Iterable[Silence], now_us: int) -> bool:
    """Whether nobody is told that the check cannot be decided, should it be so.

    What silences a check silences that. A silence of columns and a snooze are about what was found: who holds that
    back has not said that nobody need watch.
    """
    return any(
        silence.in_force(now_us) and not silence.columns
        and silence.covers(version=version, check=state.check, segment=state.segment)
        for silence in silences
    )  # fmt: skip


def _silenced(state: CheckState, *, version: str, silence: Silence) -> bool:
    if not silence.covers(version=version, check=state.check, segment=state.segment):
        return False
    if not silence.columns:
        return True
    behind = state.columns[: state.columns_failing]
    listed = 0 < state.columns_failing == len(behind)
    return listed and all(matches(evidence.column, silence.columns) for evidence in behind)


def _snoozed(state: CheckState, snooze: Snooze) -> bool:
    same = (state.check, state.segment) == (snooze.check, snooze.segment)
    return same and SEVERITY_ORDER[state.status] <= SEVERITY_ORDER[snooze.status]
