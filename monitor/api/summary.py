"""A model's state in one line: the worst verdict in force over its versions, and its newest window."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from monitor.api.said import hold_shape
from monitor.configuration.bodies import model_shape
from monitor.model.entities import Model, Version
from monitor.model.results import SEVERITY_ORDER, CheckState
from monitor.model.time import rfc3339
from monitor.store import Store, verdicts, versions, windows
from monitor.store.snapshot import newest_windows
from monitor.store.windows import WindowRow

_MOST_VERSIONS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionState:
    """One version with its verdicts in force and its newest window."""

    version: Version
    states: tuple[CheckState, ...]
    window: WindowRow | None

    @property
    def status(self) -> str:
        """The worst decided verdict of its checks; ``unknown`` while nothing was ever decided."""
        return worst_status(state.status for state in self.states)


def worst_status(statuses: Iterable[str]) -> str:
    """alert before warning before ok; ``unknown`` only where nothing else is said.

    >>> worst_status(["ok", "unknown", "warning"]), worst_status([])
    ('warning', 'unknown')
    """
    decided = [status for status in statuses if status != "unknown"]
    return max(decided, key=SEVERITY_ORDER.__getitem__, default="unknown")


def version_state(conn: Connection, *, version: Version) -> VersionState:
    """The version's state as this snapshot sees it."""
    return VersionState(
        version=version,
        states=tuple(verdicts.get_states(conn, version_id=version.id).values()),
        window=windows.newest_window(conn, version_id=version.id),
    )


def model_states(conn: Connection, *, model: Model) -> list[VersionState]:
    """The states of all versions of a model, by name."""
    found = versions.list_versions(conn, model_id=model.id, limit=_MOST_VERSIONS)
    return [version_state(conn, version=version) for version in found]


def fleet_states(store: Store) -> dict[int, list[VersionState]]:
    """The states of every version, by model id: three queries whatever the fleet's size, each a short read."""
    with store.read() as conn:
        found = versions.all_versions(conn)
    with store.read() as conn:
        checks: dict[int, list[CheckState]] = {}
        for version_id, state in verdicts.all_states(conn):
            checks.setdefault(version_id, []).append(state)
    with store.read() as conn:
        newest = newest_windows(conn)
    states: dict[int, list[VersionState]] = {}
    for model, version in found:
        states.setdefault(model.id, []).append(
            VersionState(version=version, states=tuple(checks.get(version.id, ())), window=newest.get(version.id))
        )
    return states


def model_summary(model: Model, *, states: Sequence[VersionState]) -> dict[str, Any]:
    """The model as ``GET /models`` shows it. Retired and shadow versions do not move its status."""
    live = [state for state in states if state.version.state == "live"]
    checks = [check for state in live for check in state.states]
    status = worst_status(check.status for check in checks)
    behind = [check for check in checks if check.status == status]
    windows = [state.window for state in live if state.window is not None]
    newest = max(windows, key=lambda window: window.start_us, default=None)
    return {
        **model_shape(model),
        "legal_hold": hold_shape(model.legal_hold),
        "status": status,
        "since": rfc3339(min(check.since_us for check in behind)) if behind else None,
        "worst": _worst(behind) if status in ("warning", "alert") else None,
        "last_window": None if newest is None else rfc3339(newest.start_us),
        "rows": 0 if newest is None else sum(w.rows for w in windows if w.start_us == newest.start_us),
        "versions": [
            {"version": state.version.name, "state": state.version.state, "status": state.status} for state in states
        ],
    }  # fmt: skip


def _worst(checks: Sequence[CheckState]) -> dict[str, Any]:
    """The check with the most columns failing, its first column with value and threshold."""
    check = max(checks, key=lambda state: state.columns_failing)
    if check.columns:
        first = check.columns[0]
        column, value, threshold = first.column, first.value, first.threshold
    else:
        column, value, threshold = "", check.value, check.threshold
    return {
        "check": check.check, "segment": check.segment, "column": column, "value": value, "threshold": threshold,
    }  # fmt: skip
