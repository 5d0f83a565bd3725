"""Drills as the API shows them."""

from __future__ import annotations

from typing import Any

from monitor.evaluate.data_drill import DataDrill, DrillWindow
from monitor.model.drills import CHECK, Drill
from monitor.model.results import CheckVerdict, ResultRow
from monitor.model.time import SECOND_US, rfc3339


def route_shape(drill: Drill, *, model: str, now_us: int) -> dict[str, Any]:
    """A drill of the route: its state, its series' labels, when it came back and how long that took."""
    state = drill.state(now_us=now_us)
    took = None if drill.seen_us is None else (drill.seen_us - drill.started_us) / SECOND_US
    says = {
        "raised": f"raised; nothing has come back yet, it ends by itself at {rfc3339(drill.ends_us)}",
        "back": f"came back through Alertmanager's receiver {drill.seen_by!r} after {took or 0.0:,.0f} s",
        "lost": "did not come back: see whether Prometheus scrapes and has the rules, whether Alertmanager routes them "
        "to a receiver that calls POST /api/v1/alertmanager, and whether a silence or an inhibition holds it back",
    }
    return {
        "id": f"drill_{drill.id}", "kind": "route", "model": model, "version": drill.version, "check": CHECK,
        "severity": drill.severity, "state": state, "raised_at": rfc3339(drill.started_us),
        "ends_at": rfc3339(drill.fires_until_us), "seen_at": _at(drill.seen_us), "seconds": took,
        "receiver": drill.seen_by, "resolved_at": _at(drill.resolved_us), "says": says[state],
    }  # fmt: skip


def data_shape(drill: DataDrill, *, model: str, version: str) -> dict[str, Any]:
    """A drill on stored rows: whether the change was found, after how many windows, and by which checks."""
    found_by = drill.windows[-1].found_by if drill.after is not None else ()
    return {
        "kind": "data", "model": model, "version": version, "column": drill.column, "change": drill.change.to_json(),
        "found": drill.after is not None, "after_windows": drill.after,
        "by": [_verdict(verdict) for verdict in found_by],
        "already_in_alarm": list(drill.already), "not_asked": list(drill.windows[0].not_asked),
        "windows": [_window(one) for one in drill.windows], "stopped": drill.stopped, "says": _says(drill),
    }  # fmt: skip


def _says(drill: DataDrill) -> str:
    tried = len(drill.windows)
    if drill.after is not None:
        names = ", ".join(verdict.check for verdict in drill.windows[-1].found_by)
        return f"found after {drill.after} window{'s' if drill.after > 1 else ''} by {names}"
    parts = [f"not found in {tried} window{'s' if tried > 1 else ''}"]
    if drill.already:
        parts.append(
            f"the column is in alert as it is, by {', '.join(drill.already)}, which says nothing of the change"
        )
    undecided = {f"{v.check}: {v.reason}": None for one in drill.windows for v in one.verdicts if v.status == "unknown"}
    if undecided:
        parts.append(f"not decided: {', '.join(undecided)}")
    if drill.windows[0].not_asked:
        parts.append(
            f"not asked, for neither labels nor scores change with it: {', '.join(drill.windows[0].not_asked)}"
        )
    if drill.stopped:
        parts.append(f"no further window was tried: {drill.stopped}")
    return "; ".join(parts)


def _window(one: DrillWindow) -> dict[str, Any]:
    return {
        "window_start": rfc3339(one.window.start_us), "rows": one.window.rows,
        "changed": [_row(row) for row in one.changed], "unchanged": [_row(row) for row in one.unchanged],
    }  # fmt: skip


def _row(row: ResultRow) -> dict[str, Any]:
    return {
        "check": row.check, "metric": row.metric, "value": row.value, "threshold": row.threshold, "status": row.status,
        "reason": row.reason,
    }  # fmt: skip


def _verdict(verdict: CheckVerdict) -> dict[str, Any]:
    return {"check": verdict.check, "kind": verdict.kind, "severity": verdict.severity, "status": verdict.status}


def _at(us: int | None) -> str | None:
    return None if us is None else rfc3339(us)
