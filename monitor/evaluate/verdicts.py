"""The verdicts in force after a window: read, moved by the transition table, written, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection

from monitor.alert.transitions import advance
from monitor.evaluate.catchup import counts, newest_judged_us
from monitor.model.checks import Check
from monitor.model.entities import Model, Version
from monitor.model.results import CheckState, CheckVerdict, ResultRow, Status, Transition
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
) -> list[Transition]:
    """The transitions that the window's verdicts brought; none where the window does not count.

    The caller holds the version's row, so that two windows of one version come one after the other.
    """
    states = get_states(conn, version_id=version.id)
    moves = counts(
        window_start_us, window_end_us, model=model, newest_judged_us=newest_judged_us(states.values()), now_us=now_us
    )
    if not moves:
        return []
    after: list[CheckState] = []
    transitions: list[Transition] = []
    for verdict in verdicts:
        before = states.get((verdict.check, verdict.segment))
        state, transition = advance(
            before, verdict, now_us=now_us, window_start_us=window_start_us, window_end_us=window_end_us, counts=True
        )
        if state is not None and state != before:
            after.append(state)
        if transition is not None:
            transitions.append(transition)
    gone = [states[key] for key in states.keys() - {(v.check, v.segment) for v in verdicts}]
    transitions += [_resolved(state, now_us=now_us) for state in gone if state.status in ("warning", "alert")]
    delete_states(conn, version_id=version.id, keys=[(state.check, state.segment) for state in gone])
    put_states(conn, version_id=version.id, states=after)
    add_transitions(conn, model_id=model.id, version_id=version.id, transitions=transitions)
    return transitions


def worst(statuses: Iterable[Status]) -> Status:
    """The status to show for several: alert, then warning, then unknown, then ok; unknown where there is none.

    >>> worst(["ok", "unknown"]), worst(["unknown", "alert"]), worst([])
    ('unknown', 'alert', 'unknown')
    """
    return max(statuses, key=lambda status: _RANK[status], default="unknown")


def failed_verdicts(checks: Iterable[Check], *, rows: int) -> list[CheckVerdict]:
    """``unknown`` for every enabled check: the window could not be computed."""
    return [
        CheckVerdict(
            check=check.name, kind=check.kind, severity=check.severity, status="unknown", reason="failed", rows=rows,
            hold=check.hold,
        )
        for check in checks
        if check.enabled
    ]  # fmt: skip


def failed_rows(checks: Iterable[Check], *, rows: int) -> list[ResultRow]:
    """The result rows of a window that could not be computed: one a check, without a number."""
    return [
        ResultRow(
            column="", metric=check.metric, check=check.name, kind=check.kind, value=None, rows=rows,
            reference_rows=0, status="unknown", reason="failed",
        )
        for check in checks
        if check.enabled
    ]  # fmt: skip


def _resolved(state: CheckState, *, now_us: int) -> Transition:
    """The end of an alert whose check was taken out of the model."""
    return Transition(
        check=state.check, kind=state.kind, segment=state.segment, severity=state.severity, from_status=state.status,
        status="ok", at_us=now_us, window_start_us=state.window_start_us, window_end_us=state.window_end_us,
        value=state.value, threshold=state.threshold, rows=state.rows, columns=(),
        explanation=f"{state.check} is no longer a check of the model",
    )  # fmt: skip
