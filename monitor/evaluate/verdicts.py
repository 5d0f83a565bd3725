"""The verdicts in force after a window: read, moved by the transition table, written, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from sqlalchemy import Connection

from monitor.alert.transitions import advance
from monitor.evaluate.catchup import counts, newest_judged_us
from monitor.evaluate.context import checks_of
from monitor.model.checks import LABELLED_KINDS, PERFORMANCE_KINDS, Check
from monitor.model.entities import Model, Version
from monitor.model.labels import label_rules
from monitor.model.results import CheckState, CheckVerdict, ResultRow, Status, Transition
from monitor.model.segments import covers
from monitor.store.verdicts import add_transitions, delete_states, get_states, put_states

_RANK: dict[str, int] = {"ok": 0, "unknown": 1, "warning": 2, "alert": 3}


def move_verdicts(
    conn: Connection,
    *,
    model: Model,
    version: Version,
    verdicts: Sequence[CheckVerdict],
    window_start_us: int,
    window_end_us: int,
    now_us: int,
    segments: Iterable[str] = (),
) -> list[Transition]:
    """The transitions that the window's verdicts brought; none where the window does not count.

    What is in force of checks that are no more, or in segments that are not among the ``segments`` there are or that
    their check is not judged in now, ends. The caller holds the version's row, so that two windows of one version come
    one after the other.
    """
    states = get_states(conn, version_id=version.id)
    moving = _moving(
        verdicts, states=states, model=model, start_us=window_start_us, end_us=window_end_us, now_us=now_us
    )
    if not moving:
        return []
    after, transitions = _advanced(moving, states=states, start_us=window_start_us, end_us=window_end_us, now_us=now_us)
    judged = judged_pairs(checks_of(model), segments=segments)
    gone = [state for state in states.values() if (state.check, state.segment) not in judged]
    transitions += _ended(gone, named={check for check, _ in judged}, now_us=now_us)
    delete_states(conn, version_id=version.id, keys=[(state.check, state.segment) for state in gone])
    put_states(conn, version_id=version.id, states=after)
    add_transitions(conn, model_id=model.id, version_id=version.id, transitions=transitions)
    return transitions


def _advanced(
    moving: Iterable[CheckVerdict], *, states: Mapping[tuple[str, str], CheckState], start_us: int, end_us: int,
    now_us: int,
) -> tuple[list[CheckState], list[Transition]]:  # fmt: skip
    """The states that the verdicts changed, and the transitions they brought."""
    after: list[CheckState] = []
    transitions: list[Transition] = []
    for verdict in moving:
        before = states.get((verdict.check, verdict.segment))
        state, transition = advance(
            before, verdict, now_us=now_us, window_start_us=start_us, window_end_us=end_us, counts=True
        )
        if state is not None and state != before:
            after.append(state)
        if transition is not None:
            transitions.append(transition)
    return after, transitions


def _ended(gone: Iterable[CheckState], *, named: Collection[str], now_us: int) -> list[Transition]:
    """The ends of what fires among the states that are gone; ``named`` are the checks that the model still has."""
    failing = [state for state in gone if state.status in ("warning", "alert")]
    return [_resolved(state, named=state.check in named, now_us=now_us) for state in failing]


def judged_pairs(checks: Iterable[Check], *, segments: Iterable[str]) -> set[tuple[str, str]]:
    """(check, segment) of every enabled check in every segment it is judged in; the empty name is all traffic."""
    every = ("", *segments)
    return {
        (check.name, segment)
        for check in checks if check.enabled
        for segment in every if covers(check.segments, segment)
    }  # fmt: skip


def _moving(
    verdicts: Sequence[CheckVerdict],
    *,
    states: Mapping[tuple[str, str], CheckState],
    model: Model,
    start_us: int,
    end_us: int,
    now_us: int,
) -> list[CheckVerdict]:
    """The verdicts that count: of a window that closed lately (whose labels fell due lately), the newest so judged."""
    moving: list[CheckVerdict] = []
    for labelled in (False, True):
        newest_us = newest_judged_us(state for state in states.values() if (state.kind in LABELLED_KINDS) == labelled)
        delay_us = label_rules(model).delay_us if labelled else 0
        if counts(start_us, end_us + delay_us, model=model, newest_judged_us=newest_us, now_us=now_us):
            moving += [verdict for verdict in verdicts if (verdict.kind in LABELLED_KINDS) == labelled]
    return moving


def worst(statuses: Iterable[Status]) -> Status:
    """The status to show for several: alert, then warning, then unknown, then ok; unknown where there is none.

    >>> worst(["ok", "unknown"]), worst(["unknown", "alert"]), worst([])
    ('unknown', 'alert', 'unknown')
    """
    return max(statuses, key=lambda status: _RANK[status], default="unknown")


def failed_verdicts(checks: Iterable[Check], *, rows: int, segment: str = "") -> list[CheckVerdict]:
    """``unknown`` for every enabled check but those of labels, whose time has not come: it could not be computed."""
    return [
        CheckVerdict(
            check=check.name, kind=check.kind, segment=segment, severity=check.severity, status="unknown",
            reason="failed", rows=rows, hold=check.hold,
        )
        for check in checks
        if check.enabled and check.kind not in PERFORMANCE_KINDS
    ]  # fmt: skip


def failed_rows(checks: Iterable[Check], *, rows: int, segment: str = "") -> list[ResultRow]:
    """The result rows of a window that could not be computed: one a check, without a number."""
    return [
        ResultRow(
            segment=segment, column="", metric=check.metric, check=check.name, kind=check.kind, value=None, rows=rows,
            reference_rows=0, status="unknown", reason="failed",
        )
        for check in checks
        if check.enabled and check.kind not in PERFORMANCE_KINDS
    ]  # fmt: skip


def _resolved(state: CheckState, *, named: bool, now_us: int) -> Transition:
    """The end of an alert whose check was taken out of the model, or (``named``) is not judged in the segment now."""
    where = f"segment {state.segment}" if state.segment else "all traffic"
    why = (
        f"{state.check} is no longer judged in {where}" if named else f"{state.check} is no longer a check of the model"
    )
    return Transition(
        check=state.check, kind=state.kind, segment=state.segment, severity=state.severity, from_status=state.status,
        status="ok", at_us=now_us, window_start_us=state.window_start_us, window_end_us=state.window_end_us,
        value=state.value, threshold=state.threshold, rows=state.rows, columns=(),
        explanation=why,
    )  # fmt: skip
