"""Checks of a model's worth: realised and estimated performance against the reference's, and the gap between them.

A fall counts when it is beyond the noise of both sides and beyond the smallest effect that matters
(``monitor.performance.fall``). What labels decide waits until they are due.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from monitor.alert.findings import Finding, verdict_of
from monitor.model.checks import LABELLED_KINDS, Check
from monitor.model.results import CheckVerdict, ResultRow, Status
from monitor.model.worth import bad_side, default_metric, of_task
from monitor.performance.concept_drift import concept_gap
from monitor.performance.effects import smallest_effect
from monitor.performance.fall import fall
from monitor.performance.measured import Measured

BUDGET_SHARE = 0.1  # of the version's false alarms that its performance checks may spend; the replay spends the rest
WARNING_TIMES = 10.0  # as often as alerts
MOST_WARNINGS = 0.05  # of the windows


@dataclass(frozen=True, slots=True, kw_only=True)
class Usual:
    """The variance of a metric between so many healthy ``windows``, beyond their sampling errors."""

    variance: float
    windows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """A window's performance, by metric, beside the reference's.

    ``usual`` is how much a metric varies between healthy windows beyond its sampling error; ``labelled`` of the
    window's ``rows`` have a label, ``assumed`` of those one that was assumed; ``due``: labels have had their time.
    """

    task: str
    rows: int
    labelled: int
    assumed: int
    due: bool
    min_coverage: float
    reference_rows: int
    realised: Mapping[str, Measured]
    estimated: Mapping[str, Measured]
    reference: Mapping[str, Measured]
    usual: Mapping[str, Usual] = field(default_factory=dict)

    @property
    def coverage(self) -> float:
        """The labelled share of the rows, 0 to 1."""
        return self.labelled / self.rows if self.rows else 0.0

    def metric_of(self, check: Check) -> str:
        """The check's metric, its task's default where it names none."""
        scored = self.reference.get("roc_auc") is not None and self.reference["roc_auc"].reason != "no_scores"
        return check.metric or default_metric(task=self.task, scored=scored)


def judge_worth(
    checks: Sequence[Check], worth: Worth, *, per_month: float, windows_per_month: float
) -> tuple[tuple[ResultRow, ...], tuple[CheckVerdict, ...]]:
    """The rows of every metric, and a verdict of each check whose time has come.

    ``checks`` are enabled ones of the performance kinds; ``per_month`` the version's budget of false alarms.
    """
    tails = _tails(per_month=per_month, windows_per_month=windows_per_month)
    findings = {check.name: _finding(check, worth=worth, tails=tails) for check in checks}
    rows = _rows(worth, checks=checks, findings=findings)
    decided = [check for check in checks if worth.due or check.kind not in LABELLED_KINDS]
    return tuple(rows), tuple(verdict_of(check, [findings[check.name]], rows=worth.rows) for check in decided)


def _tails(*, per_month: float, windows_per_month: float) -> tuple[float, float]:
    """The one-sided probabilities at which a healthy window may alert, and warn."""
    alert = min(BUDGET_SHARE * per_month / windows_per_month, MOST_WARNINGS)
    return alert, max(alert, min(WARNING_TIMES * alert, MOST_WARNINGS))


def _finding(check: Check, *, worth: Worth, tails: tuple[float, float]) -> Finding:
    metric = worth.metric_of(check)
    if not of_task(metric, task=worth.task):
        return _unknown(metric, reason="not_comparable", rows=worth.rows)
    current = (worth.estimated if check.kind == "estimate" else worth.realised).get(metric)
    if check.kind in LABELLED_KINDS and worth.labelled < check.min_rows:
        return _unknown(metric, reason="few_labels", rows=worth.labelled, needs=check.min_rows)
    if check.kind in LABELLED_KINDS and worth.coverage < worth.min_coverage:
        needs = int(-(-worth.min_coverage * worth.rows // 1))
        return _unknown(metric, reason="few_labels", rows=worth.labelled, needs=needs)
    if current is None or current.value is None:
        return _unknown(metric, reason="not_comparable" if current is None else current.reason, rows=worth.rows)
    if check.kind == "concept_drift":
        return _gap(check, metric=metric, realised=current, worth=worth, tails=tails)
    if check.threshold is not None:
        return _fixed(check, metric=metric, current=current, reference=worth.reference.get(metric))
    return _auto(check, metric=metric, current=current, worth=worth, tails=tails)


def _auto(check: Check, *, metric: str, current: Measured, worth: Worth, tails: tuple[float, float]) -> Finding:
    reference = worth.reference.get(metric)
    if reference is None or reference.value is None or reference.se is None or current.se is None:
        return _unknown(metric, reason="no_reference", rows=current.n)
    usual = worth.usual.get(metric)
    effect = _effect(check, metric=metric, worth=worth)
    found = [
        fall(
            metric, reference=reference.value, reference_se=reference.se, current=current.value or 0.0,
            current_se=current.se, p=tail, effect=effect, between=0.0 if usual is None else usual.variance,
            windows=None if usual is None else usual.windows,
        )
        for tail in tails
    ]  # fmt: skip
    status: Status = "alert" if found[0].fallen else "warning" if found[1].fallen else "ok"
    return _decided(metric, value=current.value, threshold=found[0].threshold, status=status, n=current.n)


def _fixed(check: Check, *, metric: str, current: Measured, reference: Measured | None) -> Finding:
    against = None if reference is None else reference.value
    if check.threshold is None or current.value is None:
        raise ValueError(f"check {check.name!r} has no fixed threshold or its metric no value")
    status = check.threshold.status(current.value, reference=against)
    if status is None:
        return _unknown(metric, reason="no_reference", rows=current.n)
    limit = check.threshold.limit(reference=against)
    return _decided(metric, value=current.value, threshold=limit, status=status, n=current.n)


def _gap(check: Check, *, metric: str, realised: Measured, worth: Worth, tails: tuple[float, float]) -> Finding:
    """Realised less estimated: beyond the noise of both and beyond what matters, the scores mean something else now."""
    estimated = worth.estimated.get(metric)
    if estimated is None or estimated.value is None or estimated.se is None or realised.value is None:
        reason = "not_comparable" if estimated is None else estimated.reason
        return _unknown(metric, reason=reason, rows=realised.n)
    gap = realised.value - estimated.value
    if check.threshold is not None:
        status = check.threshold.status(abs(gap)) or "unknown"
        return _decided(metric, value=gap, threshold=check.threshold.limit(), status=status, n=realised.n)
    effect = _effect(check, metric=metric, worth=worth)
    limits = [
        max(
            effect,
            concept_gap(
                realised.value, realised_se=realised.se or 0.0, estimated=estimated.value,
                estimated_se=estimated.se, coverage=min(worth.coverage, 1.0), alpha=tail,
            ).threshold,
        )
        for tail in tails
    ]  # fmt: skip
    found: Status = "alert" if abs(gap) > limits[0] else "warning" if abs(gap) > limits[1] else "ok"
    return _decided(metric, value=gap, threshold=limits[0], status=found, n=realised.n)


def _effect(check: Check, *, metric: str, worth: Worth) -> float:
    """The smallest change that matters: the check's own, else the metric's."""
    if check.min_effect is not None:
        return check.min_effect
    return smallest_effect(metric, reference={name: one.value for name, one in worth.reference.items()})


def _decided(metric: str, *, value: float | None, threshold: float | None, status: Status, n: int) -> Finding:
    return Finding(column="", metric=metric, value=value, threshold=threshold, status=status, rows=n, weight=1.0)


def _unknown(metric: str, *, reason: str | None, rows: int, needs: int | None = None) -> Finding:
    return Finding(
        column="", metric=metric, value=None, threshold=None, status="unknown", reason=reason or "not_comparable",
        rows=rows, needs=needs,
    )  # fmt: skip


def _rows(worth: Worth, *, checks: Sequence[Check], findings: Mapping[str, Finding]) -> list[ResultRow]:
    """A row a metric: those a check decides under its name, the others beside them without a threshold."""
    deciding: dict[tuple[str, str], Check] = {(check.kind, worth.metric_of(check)): check for check in checks}
    rows: list[ResultRow] = []
    for kind, found in (("performance", worth.realised), ("estimate", worth.estimated)):
        if kind == "performance" and not worth.labelled:
            continue
        for one in found.values():
            check = deciding.pop((kind, one.metric), None)
            rows.append(_row(one, kind=kind, check=check, findings=findings, worth=worth))
    for (kind, metric), check in deciding.items():
        rows.append(_undecided_row(check, kind=kind, metric=metric, finding=findings[check.name], worth=worth))
    rows.append(_coverage_row(worth))
    return rows


def _row(one: Measured, *, kind: str, check: Check | None, findings: Mapping[str, Finding], worth: Worth) -> ResultRow:
    reference = worth.reference.get(one.metric)
    finding = None if check is None else findings[check.name]
    waits = kind == "performance" and not worth.due and finding is not None
    status: Status = "unknown" if one.value is None or waits else "ok"
    told: dict[str, Any] = {"reference": None if reference is None else reference.value, "bad": bad_side(one.metric)}
    if finding is not None and not waits:
        status = finding.status
    reason = one.reason if one.value is None else "labels_due" if waits else None
    if finding is not None and not waits and finding.reason is not None:
        reason = finding.reason
    return ResultRow(
        column="", metric=one.metric, check="" if check is None else check.name, kind=kind, value=one.value,
        lower=one.lower, upper=one.upper, threshold=None if finding is None or waits else finding.threshold,
        rows=one.n, reference_rows=worth.reference_rows, status=status, reason=reason,
        needs=None if finding is None or waits else finding.needs, method={**one.method, **told},
    )  # fmt: skip


def _undecided_row(check: Check, *, kind: str, metric: str, finding: Finding, worth: Worth) -> ResultRow:
    """The row of a check whose number stands in no other: the gap, or a metric that there is not (yet)."""
    waits = kind in LABELLED_KINDS and not worth.due
    return ResultRow(
        column="", metric=metric, check=check.name, kind=kind, value=finding.value,
        threshold=None if waits else finding.threshold, rows=finding.rows, reference_rows=worth.reference_rows,
        status="unknown" if waits else finding.status, reason="labels_due" if waits else finding.reason,
        needs=None if waits else finding.needs,
        method={"of": "realised less estimated"} if kind == "concept_drift" else {},
    )  # fmt: skip


def _coverage_row(worth: Worth) -> ResultRow:
    return ResultRow(
        column="", metric="label_coverage", check="", kind="performance", value=worth.coverage, rows=worth.rows,
        reference_rows=worth.reference_rows, status="ok",
        method={"of": "rows", "labelled": worth.labelled, "assumed": worth.assumed},
    )  # fmt: skip
