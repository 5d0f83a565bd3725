"""Thresholds by themselves (``auto``): a column fails where healthy history would not let it, within the budget."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monitor.alert.breakage import share_limit
from monitor.alert.calibrate import Calibration
from monitor.alert.cells import TESTS
from monitor.alert.evidence import NATS, Evidence
from monitor.alert.findings import Finding
from monitor.drift.measurement import Measurement
from monitor.model.checks import Check
from monitor.model.results import Status

_BROKEN_METRICS = ("missing", "invalid")
TESTS_OF = {"psi": (0, 1), "out_of_range": (1,), "missing": (2,), "invalid": (3,), "unseen": (4,)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What an auto check holds a window against: evidence, and −ln p at which one test alone alerts or warns."""

    calibration: Calibration
    evidence: Evidence
    alert: float
    warning: float
    min_effect: float = 0.0

    @property
    def threshold(self) -> float:
        """The alert threshold as it is shown, −log10 p."""
        return self.alert / NATS


def find(check: Check, *, column: str, held: Held) -> tuple[Finding, str]:
    """The finding on one column, and which test said so (empty where none was judged).

    The value is the *surprise*, −log10 p of the most surprising of the check's tests.
    """
    evidence, tests = held.evidence, TESTS_OF[check.metric]
    d = evidence.positions.get(column)
    if d is None:
        return _unknown(check, column=column, reason="not_comparable", rows=0), ""
    surprise = [float(evidence.log_p[t, d]) for t in tests]
    rows = int(max(evidence.sizes[t, d] for t in tests))
    judged = [(x, t) for x, t in zip(surprise, tests, strict=True) if not np.isnan(x)]
    if rows < check.min_rows or not judged:
        few = rows < check.min_rows
        reason = "few_rows" if few else "constant" if check.metric == "psi" else "not_comparable"
        return _unknown(check, column=column, reason=reason, rows=rows, needs=check.min_rows if few else None), ""
    most, test = max(judged)
    if held.calibration.state == "learning" or not evidence.known[test, d]:
        known = int(held.calibration.known[test, d]) if held.calibration.windows else 0
        learning = _unknown(check, column=column, reason="learning", rows=known, needs=held.calibration.needed)
        return _with_value(learning, value=most / NATS, threshold=None), TESTS[test]
    return _judged(check, column=column, surprise=most, rows=rows, held=held, effect=float(evidence.effect[test, d])), (
        TESTS[test]
    )


def find_broken(check: Check, *, measurement: Measurement) -> Finding | None:
    """The finding that a share of missing or invalid values is up by half of the rows; None if it is not.

    ``value`` and ``threshold`` are the shares themselves.
    """
    share, before = measurement.value, measurement.method.get("reference")
    if check.metric not in _BROKEN_METRICS or share is None or before is None or measurement.rows < check.min_rows:
        return None
    limit = share_limit(before)
    status: Status = "alert" if share >= limit else "ok"
    return Finding(
        column=measurement.column, metric=measurement.metric, value=share, threshold=limit, status=status,
        rows=measurement.rows, weight=1e6 if status == "alert" else 0.0,
    )  # fmt: skip


def _judged(check: Check, *, column: str, surprise: float, rows: int, held: Held, effect: float) -> Finding:
    status: Status = "alert" if surprise > held.alert else "warning" if surprise > held.warning else "ok"
    if status != "ok" and effect < held.min_effect:
        status = "ok"
    return Finding(
        column=column, metric="surprise", value=surprise / NATS, threshold=held.threshold, status=status,
        rows=rows, weight=surprise,
    )  # fmt: skip


def _unknown(check: Check, *, column: str, reason: str, rows: int, needs: int | None = None) -> Finding:
    return Finding(
        column=column, metric="surprise", value=None, threshold=None, status="unknown",
        reason=reason, rows=rows, needs=needs,
    )  # fmt: skip


def _with_value(finding: Finding, *, value: float, threshold: float | None) -> Finding:
    return Finding(
        column=finding.column, metric=finding.metric, value=value, threshold=threshold, status=finding.status,
        reason=finding.reason, rows=finding.rows, needs=finding.needs, weight=value,
    )  # fmt: skip
