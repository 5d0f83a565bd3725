"""The one budget of false alarms, shared out to the checks that spend it."""

from __future__ import annotations

from collections.abc import Iterable

from monitor.model.checks import Check

_LEAST = 0.05  # of the budget stays for the checks that name none, whatever the others take


def budgets(checks: Iterable[Check], *, per_month: float, windows_per_month: float) -> dict[str, float]:
    """False alarms a month of each ``auto`` check by name, out of the model's ``per_month``.

    A check's own ``false_alarms`` are taken out of the model's budget, so no more than all of it; the checks that
    name none share the rest under one joint threshold.

    >>> from monitor.model.checks import parse_checks
    >>> checks = parse_checks([{"name": "drift", "kind": "drift", "false_alarms": "1 per 5 months"},
    ...                        {"name": "missing", "kind": "quality", "metric": "missing"}])
    >>> budgets(checks, per_month=1.0, windows_per_month=720.0)
    {'drift': 0.2, 'missing': 0.8}
    """
    spending = [c for c in checks if c.enabled and c.threshold is None and c.kind in ("drift", "quality")]
    own = {
        c.name: min(c.false_alarms.per_month(windows_per_month), per_month)
        for c in spending
        if c.false_alarms is not None
    }
    rest = max(per_month - sum(own.values()), _LEAST * per_month)
    return {c.name: own.get(c.name, rest) for c in spending}
