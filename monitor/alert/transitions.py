"""When a verdict changes: one table, from which the documents' diagram is drawn.

A state is the verdict in force of one (version, check, segment). Each judged window brings a verdict; the
table says what follows. *Hold* delays what gets worse until that many consecutive windows said so; getting
better takes effect at once. ``unknown`` and gaps leave the verdict in force.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from monitor.model.results import CheckState, CheckVerdict, Status, Transition

Effect = Literal["stay", "keep", "settle", "raise", "ease", "resolve"]

# (verdict in force, the window's verdict) → what happens.
TABLE: dict[tuple[Status, Status], Effect] = {
    ("unknown", "ok"): "settle",  # the first decision, nothing to tell
    ("unknown", "warning"): "raise",
    ("unknown", "alert"): "raise",
    ("unknown", "unknown"): "keep",
    ("ok", "ok"): "stay",
    ("ok", "warning"): "raise",
    ("ok", "alert"): "raise",
    ("ok", "unknown"): "keep",
    ("warning", "ok"): "resolve",
    ("warning", "warning"): "stay",
    ("warning", "alert"): "raise",
    ("warning", "unknown"): "keep",
    ("alert", "ok"): "resolve",
    ("alert", "warning"): "ease",
    ("alert", "alert"): "stay",
    ("alert", "unknown"): "keep",
}
# The effects that change the verdict in force, and of those the ones that leave a transition.
CHANGES: frozenset[Effect] = frozenset(("settle", "raise", "ease", "resolve"))
TOLD: frozenset[Effect] = frozenset(("raise", "ease", "resolve"))
_EXPLAINED: dict[Effect, str] = {
    "settle": "decided for the first time",
    "raise": "after `hold` windows: an alert begins or worsens",
    "ease": "an alert becomes a warning",
    "resolve": "the alert is resolved",
}


def advance(
    state: CheckState | None,
    verdict: CheckVerdict,
    *,
    now_us: int,
    window_start_us: int,
    window_end_us: int,
    counts: bool,
) -> tuple[CheckState | None, Transition | None]:
    """The verdict in force after a window, and the transition if it changed.

    A window that does not count (``counts`` false: too old, or a newer one has been judged) changes nothing:
    the state comes back as it was. The first ``ok`` settles the state and is no transition.
    """
    if not counts:
        return state, None
    before = state or replace(_state(verdict, status="unknown"), since_us=now_us)
    if TABLE[before.status, verdict.status] == "keep":
        reason = verdict.reason or "failed"
        # with nothing decided there is no value whose n this would be: it is the n there was of the n it needs
        rows = verdict.rows if before.status == "unknown" else before.rows
        kept = replace(before, unknown_reason=reason, needs=verdict.needs, rows=rows)
        return replace(kept, window_start_us=window_start_us, window_end_us=window_end_us), None
    streak, alert_streak = _streaks(before, verdict=verdict, window_start_us=window_start_us)
    said = _held_long_enough(before.status, verdict, streak=streak, alert_streak=alert_streak)
    effect = TABLE[before.status, said]
    changed = effect in CHANGES
    after = replace(
        _state(verdict, status=said),
        since_us=now_us if changed else before.since_us,
        window_start_us=window_start_us,
        window_end_us=window_end_us,
        streak=streak,
        alert_streak=alert_streak,
    )
    if effect not in TOLD:
        return after, None
    return after, _transition(before, after, explanation=explain(replace(verdict, status=said)))


def explain(verdict: CheckVerdict) -> str:
    """One sentence for people: how many columns, the worst one, its value and threshold."""
    where = f" in segment {verdict.segment}" if verdict.segment else ""
    if verdict.status == "ok":
        return f"{verdict.check}{where} is back within its threshold, {verdict.rows:,} rows"
    worst = verdict.columns[0] if verdict.columns else None
    parts = [f"{verdict.check}{where}: {verdict.status}"]
    if verdict.columns_failing:
        parts.append(f"{verdict.columns_failing} column{'s' if verdict.columns_failing > 1 else ''}")
    value, threshold = (worst.value, worst.threshold) if worst else (verdict.value, verdict.threshold)
    if value is not None:
        name = f"worst {worst.column}: {worst.metric}" if worst else "value"
        parts.append(f"{name} {value:.4g}" + (f", threshold {threshold:.4g}" if threshold is not None else ""))
    return ", ".join(parts) + f", {verdict.rows:,} rows"


def mermaid() -> str:
    """The state diagram of ``TABLE`` in Mermaid's language, for the documents.

    >>> mermaid().splitlines()[:2]
    ['stateDiagram-v2', '    [*] --> unknown']
    """
    lines = ["stateDiagram-v2", "    [*] --> unknown"]
    for (status, verdict), effect in TABLE.items():
        if effect in CHANGES:
            lines.append(f"    {status} --> {verdict}: {effect}")
    return "\n".join(lines) + "\n"


def markdown() -> str:
    """``TABLE`` as a Markdown table with what each change means, for the documents."""
    lines = ["| in force | window says | effect | |", "|---|---|---|---|"]
    for (status, verdict), effect in TABLE.items():
        lines.append(f"| {status} | {verdict} | {effect} | {_EXPLAINED.get(effect, 'the verdict in force stays')} |")
    return "\n".join(lines) + "\n"


def _streaks(before: CheckState, *, verdict: CheckVerdict, window_start_us: int) -> tuple[int, int]:
    """Consecutive windows with a warning or worse, and with an alert, this one included."""
    # A revision of a window that was counted already.
    revised = before.window_start_us == window_start_us and before.unknown_reason is None
    more = 0 if revised else 1
    streak = max(before.streak + more, 1) if verdict.status in ("warning", "alert") else 0
    alert_streak = max(before.alert_streak + more, 1) if verdict.status == "alert" else 0
    return streak, alert_streak


def _held_long_enough(in_force: Status, verdict: CheckVerdict, *, streak: int, alert_streak: int) -> Status:
    """What is in force then: what gets worse is what `hold` windows in a row say, an alert being a warning too."""
    if TABLE[in_force, verdict.status] != "raise":
        return verdict.status
    if verdict.status == "alert" and alert_streak >= verdict.hold:
        return "alert"
    return "warning" if streak >= verdict.hold else in_force


def _state(verdict: CheckVerdict, *, status: Status) -> CheckState:
    return CheckState(
        check=verdict.check,
        kind=verdict.kind,
        segment=verdict.segment,
        severity=verdict.severity,
        status=status,
        unknown_reason=None,
        since_us=-1,
        window_start_us=-1,
        window_end_us=-1,
        value=verdict.value,
        threshold=verdict.threshold,
        rows=verdict.rows,
        needs=verdict.needs,
        columns_failing=verdict.columns_failing,
        columns=verdict.columns,
    )


def _transition(before: CheckState, after: CheckState, *, explanation: str) -> Transition:
    return Transition(
        check=after.check,
        kind=after.kind,
        segment=after.segment,
        severity=after.severity,
        from_status=before.status,
        status=after.status,
        at_us=after.since_us,
        window_start_us=after.window_start_us,
        window_end_us=after.window_end_us,
        value=after.value,
        threshold=after.threshold,
        rows=after.rows,
        columns=after.columns,
        explanation=explanation,
    )
