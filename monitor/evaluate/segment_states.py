"""The verdicts in force of segments that are no more."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection

from monitor.model.entities import Model, Version
from monitor.model.results import CheckState, Transition
from monitor.store.transitions import FAILING
from monitor.store.verdicts import add_transitions, delete_states, get_states


def end_segments(
    conn: Connection, *, model: Model, version: Version, segments: Collection[str], now_us: int
) -> list[Transition]:
    """The ends of what fires in other segments than these, all of whose verdicts are forgotten; all traffic's stay.

    The caller holds the version's row.
    """
    states = get_states(conn, version_id=version.id).values()
    gone = [state for state in states if state.segment and state.segment not in segments]
    ended = [_end(state, now_us=now_us) for state in gone if state.status in FAILING]
    delete_states(conn, version_id=version.id, keys=[(state.check, state.segment) for state in gone])
    add_transitions(conn, model_id=model.id, version_id=version.id, transitions=ended)
    return ended


def _end(state: CheckState, *, now_us: int) -> Transition:
    return Transition(
        check=state.check, kind=state.kind, segment=state.segment, severity=state.severity, from_status=state.status,
        status="ok", at_us=now_us, window_start_us=state.window_start_us, window_end_us=state.window_end_us,
        value=state.value, threshold=state.threshold, rows=state.rows, columns=(),
        explanation=f"{state.segment} is no longer a segment of the version",
    )  # fmt: skip
