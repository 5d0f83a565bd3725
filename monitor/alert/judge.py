"""One window judged: every check on every column it decides, rows and verdicts."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from monitor.alert.auto import Held, find, find_broken
from monitor.alert.breakage import judge_schema, judge_volume
from monitor.alert.budget import budgets
from monitor.alert.calibrate import Calibration, calibrate
from monitor.alert.evidence import Evidence, gather, thresholds
from monitor.alert.findings import Finding, undecided, verdict_of
from monitor.alert.fixed import Measured, judge_fixed
from monitor.alert.history import build_history
from monitor.alert.shown import drift_rows, model_row, quality_row
from monitor.drift.measurement import Measurement
from monitor.model.checks import Check, deciding_columns
from monitor.model.results import CheckVerdict, ResultRow
from monitor.model.schema import Column, Schema
from monitor.profile.layout import Layout
from monitor.profile.profile import Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What judging one window leaves: result rows, and one verdict a check."""

    rows: tuple[ResultRow, ...]
    verdicts: tuple[CheckVerdict, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Everything a window is judged with, gathered once for all checks."""

    layout: Layout
    reference: Profile | None
    current: Profile
    calibration: Calibration | None
    evidence: Evidence | None
    measured: Measured
    budgets: dict[str, float]
    fixed: frozenset[tuple[str, str]]  # (metric, column) that a fixed or quality check shows itself
    min_effect: float
    expected_rows: float | None
    absent: Collection[str]

    def held(self, check: Check) -> Held | None:
        """The thresholds of an auto check, None without a reference."""
        if self.calibration is None or self.evidence is None:
            return None
        alert, warning = thresholds(self.calibration, per_month=self.budgets[check.name])
        effect = self.min_effect if check.min_effect is None else check.min_effect
        return Held(
            calibration=self.calibration, evidence=self.evidence, alert=alert, warning=warning, min_effect=effect
        )


def judge(
    *,
    checks: Iterable[Check],
    schema: Schema,
    layout: Layout,
    reference: Profile | None,
    current: Profile,
    calibration: Calibration | None,
    measurements: Iterable[Measurement],
    windows_per_month: float = 720.0,
    min_effect: float = 0.0,
    expected_rows: float | None = None,
    absent: Collection[str] = (),
) -> Judgement:
    """The rows and verdicts of a window.

    Without a calibration (a reference without windows of its own) scores are those of independent rows and
    the checks that need one are ``learning``. ``measurements`` are drift's and quality's, of the default
    metrics and of ``wanted_metrics(checks)``; ``expected_rows`` what a volume bound of ``drop`` or ``rise``
    is held against; ``absent`` the columns that the rows did not have at all.
    """
    every = tuple(check for check in checks if check.enabled)
    deciding = deciding_columns(every, schema=schema)
    if calibration is None and reference is not None:
        history = build_history(layout, reference=reference)
        calibration = calibrate(history, windows_per_month=windows_per_month, per_month=1.0)
    bench = Bench(
        layout=layout,
        reference=reference,
        current=current,
        calibration=calibration,
        evidence=None if calibration is None or reference is None
        else gather(calibration, reference=reference, current=current),
        measured={(m.metric, m.column): m for m in measurements},
        budgets={} if calibration is None
        else budgets(every, per_month=calibration.per_month, windows_per_month=calibration.windows_per_month),
        fixed=frozenset((c.metric, column.name) for c in every if _shows_itself(c) for column in deciding[c.name]),
        min_effect=min_effect,
        expected_rows=expected_rows,
        absent=absent,
    )  # fmt: skip
    judged = [_judge_check(check, columns=deciding[check.name], bench=bench) for check in every]
    return Judgement(rows=tuple(row for rows, _ in judged for row in rows), verdicts=tuple(v for _, v in judged))


def wanted_metrics(checks: Iterable[Check]) -> tuple[str, ...]:
    """The drift metrics to measure: psi, ks, l_infinity and those that fixed thresholds name."""
    named = [check.metric for check in checks if check.enabled and check.kind == "drift"]
    return tuple(dict.fromkeys(["psi", "ks", "l_infinity", *named]))


def _shows_itself(check: Check) -> bool:
    return check.kind == "quality" or (check.kind == "drift" and check.threshold is not None)


def _judge_check(check: Check, *, columns: tuple[Column, ...], bench: Bench) -> tuple[list[ResultRow], CheckVerdict]:
    current, reference = bench.current, bench.reference
    if check.kind == "volume":
        rows = 0 if reference is None else reference.rows
        return judge_volume(check, current=current, reference_rows=rows, expected_rows=bench.expected_rows)
    if check.kind == "schema":
        return judge_schema(
            check, columns=columns, layout=bench.layout, reference=reference, current=current, absent=bench.absent
        )
    if check.threshold is not None:
        return judge_fixed(
            check, columns=columns, measured=bench.measured, rows=current.rows, has_reference=reference is not None
        )
    held = bench.held(check)
    if held is None:
        return [], undecided(check, reason="no_reference", rows=current.rows)
    if check.kind == "quality":
        return _judge_quality(check, columns=columns, bench=bench, held=held)
    return _judge_drift(check, columns=columns, bench=bench, held=held)


def _judge_drift(
    check: Check, *, columns: tuple[Column, ...], bench: Bench, held: Held
) -> tuple[list[ResultRow], CheckVerdict]:
    findings: list[Finding] = []
    rows: list[ResultRow] = []
    for column in columns:
        finding, test = find(check, column=column.name, held=held)
        findings.append(finding)
        rows += drift_rows(check, finding=finding, test=test, measured=bench.measured, elsewhere=bench.fixed)
    verdict = verdict_of(check, findings, rows=bench.current.rows, reason="not_comparable")
    rows.append(model_row(check, verdict=verdict, held=held, columns=columns, rows=bench.current.rows))
    return rows, verdict


def _judge_quality(
    check: Check, *, columns: tuple[Column, ...], bench: Bench, held: Held
) -> tuple[list[ResultRow], CheckVerdict]:
    """Shares by their surprise; broken ones at once; while learning, and for context columns, only broken ones."""
    findings: list[Finding] = []
    rows: list[ResultRow] = []
    for column in columns:
        measurement = bench.measured.get((check.metric, column.name))
        if measurement is None:
            continue  # the metric is not defined for this type of column
        broken = find_broken(check, measurement=measurement)
        finding, test = find(check, column=column.name, held=held)
        coarse = column.role == "context" or finding.reason == "learning"
        if broken is not None and (broken.status == "alert" or coarse):
            finding, test = broken, "half of the rows"
        elif column.role == "context":
            continue  # no statistics are spent on it
        findings.append(finding)
        rows.append(quality_row(check, measurement=measurement, finding=finding, test=test, held=held))
    return rows, verdict_of(check, findings, rows=bench.current.rows, reason="not_comparable")
