"""Where a version stands: its checks, its open window, what it waits for, how far its calibration is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection

from monitor.alert.calibrate import Calibration
from monitor.alert.scales import own_scales
from monitor.evaluate.context import Contexts, VersionContext, checks_of
from monitor.evaluate.groups import Group
from monitor.evaluate.held import Key, held_now, held_shape
from monitor.evaluate.learning import healthy_history
from monitor.evaluate.proposal import blind_spot, proposed
from monitor.evaluate.redo import Healthy, needed_by
from monitor.evaluate.verdicts import worst
from monitor.model.baseline import REFERENCE
from monitor.model.checks import LABELLED_KINDS, Check
from monitor.model.handling import HEALTHY, precision
from monitor.model.results import CheckState, Status
from monitor.model.segments import covers
from monitor.model.silences import Held
from monitor.model.time import format_duration, rfc3339
from monitor.store.batches import unfolded
from monitor.store.handling import verdict_counts
from monitor.store.verdicts import get_states
from monitor.store.windows import get_window

TOP_COLUMNS = 5
_WAITING_ROWS = 1_000_000

Shape = dict[str, Any]
States = Mapping[tuple[str, str], CheckState]


def version_status(conn: Connection, *, contexts: Contexts, version_id: int, now_us: int) -> Shape:
    """The answer of ``GET …/status``: status, checks, open window, next verdict, calibration (JSON values)."""
    context = contexts.load(conn, version_id=version_id)
    states = get_states(conn, version_id=version_id)
    held = held_now(conn, version_ids=[version_id], now_us=now_us)
    checks = _checks(shown_checks(context, states=states), context=context, states=states, held=held)
    checks += [_check(check, None, lacks=_lacks(check, context=context)) for check in _nowhere(context)]
    segments = [_segment(one, states=states, held=held) for one in context.slices]
    healthy = healthy_history(conn, context=context)
    return {
        "status": worst([*(check["status"] for check in checks), *_failing(segments)]),
        "checks": checks,
        "segments": segments,
        "open": _open(conn, context=context, now_us=now_us),
        "next": _next(context, judged=bool(states), healthy=healthy, now_us=now_us),
        "calibration": _calibration(context, healthy=healthy),
        "alarms": _alarms(conn, version_id=version_id),
    }


def shown_checks(context: VersionContext, *, states: Mapping[tuple[str, str], CheckState]) -> list[Check]:
    """The enabled checks; those of labels that nobody asked for once there was a label."""
    by_default = context.model.settings.get("checks") is None
    return [
        check
        for check in context.checks
        if check.enabled and not (by_default and check.kind in LABELLED_KINDS and (check.name, "") not in states)
    ]


def _checks(
    checks: Iterable[Check], *, context: VersionContext, states: States, held: Mapping[Key, Held]
) -> list[Shape]:
    """The checks as they stand in the context's segment."""
    id, segment = context.version.id, context.segment
    return [
        _check(check, states.get((check.name, segment)), lacks=_lacks(check, context=context))
        | {"held_back": held_shape(held.get((id, check.name, segment)))}
        for check in checks
    ]


def _segment(context: VersionContext, *, states: States, held: Mapping[Key, Held]) -> Shape:
    """Where one segment stands: its checks, and how far its calibration is."""
    checks, calibration = _checks(context.checks, context=context, states=states, held=held), context.calibration
    return {
        "segment": context.segment,
        "status": worst(check["status"] for check in checks),
        "reference_rows": 0 if context.reference is None else context.reference.profile.rows,
        "checks": checks,
        "calibration": None if calibration is None else {
            "state": calibration.state_at(_rate(context, calibration=calibration)), "windows": calibration.windows,
            "needed": calibration.needed,
            "factor": calibration.factor_at(_rate(context, calibration=calibration)),
        },
    }  # fmt: skip


def _rate(context: VersionContext, *, calibration: Calibration) -> float:
    """The false alarms a month that are spent there against the reference."""
    return calibration.per_month * (context.groups[0].share or 1.0)


def _failing(segments: Iterable[Shape]) -> list[Status]:
    """The statuses of segments that fail: that a small one is undecided says nothing of the version."""
    return [one["status"] for one in segments if one["status"] in ("warning", "alert")]


def _nowhere(context: VersionContext) -> list[Check]:
    """The enabled checks that are of none of the segments there are: the reference has not the values that they name,
    or there is no reference."""
    somewhere = {check.name for one in (context, *context.slices) for check in one.checks}
    return [check for check in checks_of(context.model) if check.enabled and check.name not in somewhere]


def _lacks(check: Check, *, context: VersionContext) -> str | None:
    """Why no window can be decided by the check."""
    if context.reference is None:
        return None if check.kind == "volume" and check in context.checks else "no_reference"
    segments = [one.name for one in context.segments]
    return None if any(covers(check.segments, name) for name in ("", *segments)) else "no_segment"


def _check(check: Check, state: CheckState | None, *, lacks: str | None) -> Shape:
    """The verdict in force; ``reason`` says why the newest window was not decided, or none can be."""
    undecided: Status = "unknown"
    return {
        "name": check.name,
        "kind": check.kind,
        "status": undecided if state is None else state.status,
        "reason": lacks if state is None else state.unknown_reason,
        "since": None if state is None else rfc3339(state.since_us),
        "value": None if state is None else state.value,
        "threshold": None if state is None else state.threshold,
        "rows": 0 if state is None else state.rows,
        "needs": None if state is None else state.needs,
        "columns_failing": 0 if state is None else state.columns_failing,
        "top": [] if state is None else [column.column for column in state.columns[:TOP_COLUMNS]],
    }


def _alarms(conn: Connection, *, version_id: int) -> Shape:
    """What people said the version's alerts were, and the share of true ones by that."""
    counts = verdict_counts(conn, version_id=version_id)
    return {"judged": {was: counts.get(was, 0) for was in HEALTHY}, "precision": precision(counts)}


def _open(conn: Connection, *, context: VersionContext, now_us: int) -> Shape:
    """The window that holds now, with its rows, folded or not."""
    start_us = context.model.window.start_of(now_us)
    end_us = context.model.window.end_of(start_us)
    window = get_window(conn, version_id=context.version.id, start_us=start_us)
    waiting = unfolded(conn, version_id=context.version.id, max_rows=_WAITING_ROWS)
    rows = sum(batch.rows for batch in waiting if start_us <= batch.t_min_us and batch.t_max_us < end_us)
    return {
        "window_start": rfc3339(start_us),
        "rows": rows + (window.rows if window is not None else 0),
        "ends_in": f"{max(end_us - now_us, 0) // 1_000_000}s",
    }


def _next(context: VersionContext, *, judged: bool, healthy: Healthy, now_us: int) -> Shape:
    """When the first verdict can be expected, and what it waits for."""
    if context.reference is None:
        why = "no_reference: set one with PUT …/reference, or make one of stored rows with POST …/reference?from=&to="
        return {"first_verdict_at": None, "why": why}
    spec = context.model.window
    closes_us = spec.end_of(spec.start_of(now_us)) + context.model.lateness_us
    calibration = context.calibration
    if calibration is None or calibration.state == "learning":
        needed = needed_by(context.model, calibration=calibration)
        missing = max(needed - _known(healthy), 1)
        return {
            "first_verdict_at": rfc3339(closes_us + (missing - 1) * spec.nominal_us),
            "why": _learning(needed - missing, needed=needed, calibration=calibration),
        }
    if not judged:
        after = format_duration(context.model.lateness_us)
        return {"first_verdict_at": rfc3339(closes_us), "why": f"the first window is judged {after} after its end"}
    return {"first_verdict_at": None, "why": ""}


def _known(healthy: Healthy) -> int:
    """The healthy windows there are, as the calibration knows them or more."""
    return max(healthy.windows, 0 if healthy.calibration is None else healthy.calibration.windows)


def _learning(known: int, *, needed: int, calibration: Calibration | None) -> str:
    why = f"learning: {known} of {needed} healthy windows; until then only breakage alarms"
    if calibration is None or not calibration.to_a_week:
        return why
    return f"{why}: they show a daily cycle and cover less than a week, so that a weekly one cannot be told yet"


def _calibration(context: VersionContext, *, healthy: Healthy) -> Shape | None:
    """How the thresholds came about; None without a reference."""
    calibration, made_us = context.calibration, healthy.made_us
    if context.reference is None or calibration is None:
        return None
    learning = calibration.state == "learning"
    return {
        "state": calibration.state_at(_rate(context, calibration=calibration)),
        "windows": _known(healthy) if learning else calibration.windows,
        "needed": calibration.needed,
        "factor": calibration.factor_at(_rate(context, calibration=calibration)),
        "made_at": None if made_us is None else rfc3339(made_us),
        "from": _source(calibration),
        "reference_windows": calibration.own,
        "newest_window": None if calibration.until_us < 0 else rfc3339(calibration.until_us),
        "false_alarms_per_month": calibration.per_month,
        "scales": _scales(calibration),
        "memory": _memory(calibration),
        "baselines": [_baseline(group, context=context) for group in context.groups if group.checks],
        "proposed": proposed(calibration, groups=context.groups, spec=context.model.window),
    }


def _baseline(group: Group, *, context: VersionContext) -> Shape:
    """What some of the checks are held against, what that cannot see, and how far its calibration is."""
    baseline = group.baseline
    calibration = context.calibration if baseline == REFERENCE else context.taught.get(baseline)
    return {
        "baseline": baseline.to_json(),
        "checks": [check.name for check in group.checks if check.enabled],
        "state": "learning" if calibration is None else calibration.state,
        "windows": 0 if calibration is None else calibration.windows,
        "needed": None if calibration is None else calibration.needed,
        "blind": blind_spot(baseline),
    }


def _scales(calibration: Calibration) -> list[Shape]:
    """How many windows are looked at together, how often, and whether the history is long enough to teach that."""
    taught = own_scales(calibration.windows)
    return [
        {"windows": scale.windows, "every": scale.stride, "extrapolated": scale.windows not in taught}
        for scale in calibration.scales
    ]


def _memory(calibration: Calibration) -> Shape | None:
    """How much the slowest column's history is worth, and what that means; None where windows are independent."""
    if not calibration.slowest:
        return None
    why = "" if not calibration.few else "so few that false alarms may come more often than promised, and last"
    return {
        "column": calibration.slowest,
        "windows": round(calibration.memory, 1),
        "independent": round(calibration.independent, 1),
        "why": why,
    }


def _source(calibration: Calibration) -> str:
    """Whose windows taught it."""
    if not calibration.own:
        return "production"
    return "reference" if calibration.own == calibration.windows else "reference and production"
