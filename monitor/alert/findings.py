"""What a check found, column by column, and the verdict that follows from it."""

from __future__ import annotations

import math
from collections import Counter

import msgspec

from monitor.model.checks import Check
from monitor.model.results import SEVERITY_ORDER, CheckVerdict, ColumnEvidence, Status

MOST_COLUMNS = 50  # behind a verdict, the worst first
# What a column lacks for good: it does not make its check undecided as long as others are decided.
_LASTING = frozenset(("constant", "all_missing", "too_many_categories", "not_comparable"))


class Finding(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One column under one check. ``weight`` orders failing columns, the worst highest; ``rows`` is its n."""

    column: str
    metric: str
    value: float | None
    threshold: float | None
    status: Status
    reason: str | None = None
    rows: int
    needs: int | None = None
    weight: float = 0.0


def verdict_of(check: Check, findings: list[Finding], *, rows: int, reason: str | None = None) -> CheckVerdict:
    """The check's verdict: failing where enough columns fail, unknown where too few could be decided.

    ``reason`` is why there are no findings. Without ``share`` or ``count`` one failing column is enough; a
    check is unknown if none of its columns was decided, or more than half are undecided for now.
    """
    decided = [f for f in findings if f.status != "unknown"]
    undecided = [f for f in findings if f.status == "unknown"]
    failing = sorted((f for f in decided if f.status != "ok"), key=lambda f: (-SEVERITY_ORDER[f.status], -f.weight))
    status, counted = _status(check, decided=decided, failing=failing)
    passing = [f for f in undecided if f.reason not in _LASTING]
    if status == "ok" and (not decided or 2 * len(passing) > len(findings)):
        told = passing or undecided
        common = Counter(f.reason for f in told).most_common(1)
        why = (common[0][0] if common else reason) or "not_comparable"
        example = next((f for f in told if f.reason == why), None)
        n = example.rows if example is not None else rows
        return _verdict(check, "unknown", reason=why, rows=n, needs=example.needs if example is not None else None)
    worst = failing[0] if failing else max(decided, key=lambda f: f.weight)
    return CheckVerdict(
        check=check.name,
        kind=check.kind,
        severity=check.severity,
        status=status,
        value=worst.value,
        threshold=worst.threshold,
        rows=rows,
        columns_failing=counted if any(f.column for f in failing) else 0,  # volume is of the whole model
        columns=tuple(
            ColumnEvidence(column=f.column, metric=f.metric, value=f.value, threshold=f.threshold)
            for f in [f for f in failing if f.column][:MOST_COLUMNS]
        ),
        hold=check.hold,
    )


def undecided(check: Check, *, reason: str, rows: int, needs: int | None = None) -> CheckVerdict:
    """The verdict ``unknown`` with its reason, the n there was and the n it needs."""
    return _verdict(check, "unknown", reason=reason, rows=rows, needs=needs)


def enough(check: Check, *, decided: int) -> int:
    """How many of so many decided columns are to fail before the check does."""
    return check.count or max(1, math.ceil((check.share or 0.0) * decided - 1e-9))


def _status(check: Check, *, decided: list[Finding], failing: list[Finding]) -> tuple[Status, int]:
    """The worst status that enough columns have, and how many columns have it or worse."""
    least = enough(check, decided=len(decided))
    levels: tuple[Status, ...] = ("alert", "warning")
    for status in levels:
        counted = sum(SEVERITY_ORDER[f.status] >= SEVERITY_ORDER[status] for f in failing)
        if counted >= least:
            return status, counted
    return "ok", len(failing)


def _verdict(check: Check, status: Status, *, reason: str, rows: int, needs: int | None) -> CheckVerdict:
    return CheckVerdict(
        check=check.name, kind=check.kind, severity=check.severity, status=status,
        reason=reason, rows=rows, needs=needs, hold=check.hold,
    )  # fmt: skip
