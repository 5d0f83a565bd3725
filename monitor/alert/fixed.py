"""Fixed thresholds: a measurement held against a bound that somebody set."""

from __future__ import annotations

from collections.abc import Mapping

from monitor.alert.findings import Finding, verdict_of
from monitor.drift.measurement import Measurement
from monitor.model.checks import Check
from monitor.model.results import CheckVerdict, ResultRow, Status
from monitor.model.schema import Column

Measured = Mapping[str, Mapping[str, Measurement]]  # by metric, then column


def judge_fixed(
    check: Check, *, columns: tuple[Column, ...], measured: Measured, rows: int, has_reference: bool
) -> tuple[list[ResultRow], CheckVerdict]:
    """The check's metric on each of its columns against its threshold; columns without the metric are left out."""
    by_column = measured.get(check.metric, {})
    found = [by_column[c.name] for c in columns if c.name in by_column]
    findings = [_finding(check, measurement=m, sent=rows) for m in found]
    result = [measured_row(check, measurement=m, finding=f) for m, f in zip(found, findings, strict=True)]
    reason = "not_comparable" if has_reference else "no_reference"
    return result, verdict_of(check, findings, rows=rows, reason=reason)


def measured_row(check: Check, *, measurement: Measurement, finding: Finding) -> ResultRow:
    """The result row of a measurement: decided by the finding, or shown beside one on another metric.

    What is shown beside has no threshold of its own and the status of its column.
    """
    status, reason, needs = finding.status, finding.reason, finding.needs
    threshold = finding.threshold if finding.metric == measurement.metric else None
    if measurement.value is None and finding.status != "unknown":
        status, reason, needs = "unknown", measurement.reason, None
    return ResultRow(
        column=measurement.column, metric=measurement.metric, check=check.name, kind=check.kind,
        value=measurement.value, lower=measurement.lower, upper=measurement.upper, threshold=threshold,
        p_value=measurement.p_value, rows=measurement.rows, reference_rows=measurement.reference_rows,
        status=status, reason=reason, needs=needs, method=measurement.method,
    )  # fmt: skip


def _finding(check: Check, *, measurement: Measurement, sent: int) -> Finding:
    """What was found of a column of so many rows ``sent``: of too few nobody knows what their column lacks for good."""
    threshold = check.threshold
    if threshold is None:
        raise ValueError(f"check {check.name!r} has no fixed threshold")
    reference = measurement.method.get("reference") if check.kind == "quality" else 0.0
    limit, value = threshold.limit(reference=reference), measurement.value
    status: Status = "unknown"
    reason, needs = measurement.reason, None
    if measurement.rows < check.min_rows and (sent < check.min_rows or reason not in ("all_missing", "constant")):
        reason, needs = "few_rows", check.min_rows
    elif value is not None:
        decided = threshold.status(value, reference=reference)
        status, reason = (decided, None) if decided is not None else ("unknown", "no_reference")
        if status != "ok" and decided is not None and not _large_enough(check, measurement=measurement):
            status = "ok"
    return Finding(
        column=measurement.column, metric=measurement.metric, value=value, threshold=limit, status=status,
        reason=reason, rows=measurement.rows, needs=needs, weight=_weight(value, limit),
    )  # fmt: skip


def _large_enough(check: Check, *, measurement: Measurement) -> bool:
    """Whether a PSI is beyond ``min_effect`` after what sampling alone brings, ν (B − 1)."""
    if not check.min_effect or measurement.metric != "psi" or measurement.value is None:
        return True
    noise = 1.0 / measurement.rows + 1.0 / max(measurement.reference_rows, 1)
    return bool(measurement.value - noise * (measurement.method.get("bins", 2) - 1) >= check.min_effect)


def _weight(value: float | None, limit: float | None) -> float:
    """How far beyond its bound, as a share of it, so that metrics of different sizes are ordered together."""
    if value is None or limit is None:
        return 0.0
    return abs(value - limit) / max(abs(limit), 1e-9)
