"""Thresholds by themselves (``auto``): a column fails where healthy history would not let it, within the budget."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from monitor.alert.breakage import share_limit
from monitor.alert.cells import TESTS
from monitor.alert.evidence import NATS, Evidence, TestEvidence
from monitor.alert.findings import Finding, enough
from monitor.alert.step_up import step_up
from monitor.drift.measurement import Measurement
from monitor.model.checks import Check
from monitor.model.results import Status

_NOTHING_TO_JUDGE = {"psi": "constant", "unseen": "too_many_categories"}
_BROKEN_METRICS = ("missing", "invalid")
TESTS_OF = {"psi": (0, 1), "out_of_range": (1,), "missing": (2,), "invalid": (3,), "unseen": (4,)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What an auto check holds a window against: evidence, and −ln p at which one test alone alerts or warns.

    ``tests`` share the budget, ``looks_per_month`` scales the model score; ``method`` says how in results.
    """

    evidence: Evidence
    alert: float
    warning: float
    tests: int
    looks_per_month: float
    method: dict[str, Any]
    min_effect: float = 0.0

    def alarms_alone(self, check: Check, *, columns: Iterable[str]) -> bool:
        """Whether the window alerts by itself, without the ones before, in as many columns as the check asks."""
        tests = TESTS_OF[check.metric]
        first = self.evidence.by_scale[0][0, list(tests)]
        # As of most windows: less than the least that any number of them asks.
        if not (first > self.alert - np.log(max(first.size, 1))).any():
            return False
        log_p = self.evidence.judged_alone(tests, columns=columns, least_effect=self.min_effect)
        limit = step_up(log_p, limit=self.alert) if by_number(check) else self.alert
        return int((log_p > limit).any(axis=0).sum()) >= enough(
            check, decided=int((~np.isnan(log_p)).any(axis=0).sum())
        )

    @property
    def threshold(self) -> float:
        """The alert threshold as it is shown, −log10 p."""
        return self.alert / NATS

    def stepped_up(self, check: Check, *, columns: Iterable[str]) -> Held:
        """Held at what the check's tests that are judged ask together: lower where many of them move at once."""
        evidence = self.evidence
        at = np.ix_(TESTS_OF[check.metric], [evidence.positions[c] for c in columns if c in evidence.positions])
        log_p = np.where(evidence.windows[at] >= evidence.needed, evidence.log_p[at], np.nan)
        alert, warning = step_up(log_p, limit=self.alert), step_up(log_p, limit=self.warning)
        return replace(self, alert=alert, warning=warning)


class Said(NamedTuple):
    """A finding, the test that said so (empty where none was judged), and of how many windows together.

    ``drifted``: among all columns of the check it counts as drifted, whether or not it is in alert by itself.
    """

    finding: Finding
    test: str = ""
    scale: int = 1
    drifted: bool = False


def find_all(check: Check, *, columns: Sequence[str], held: Held) -> Iterator[Said]:
    """The finding on each column, and which test at which scale said so.

    The value is the *surprise*, −log10 p of the most surprising of the check's tests. Where a share or a number of
    columns decides, the threshold is that of the step-up procedure, else that of one column alone.
    """
    stepped = held.stepped_up(check, columns=columns)
    evidence, deciding = held.evidence, stepped if by_number(check) else held
    threshold = deciding.threshold
    every = evidence.most_surprising(TESTS_OF[check.metric], least_effect=held.min_effect)
    positions, needed, sent = evidence.positions, evidence.needed, evidence.sent
    for column in columns:
        position = positions.get(column)
        if position is None:
            yield Said(_unknown(column, reason="not_comparable", rows=0))
            continue
        found = every[position]
        if found.rows < check.min_rows or found.test < 0:
            yield Said(_not_judged(check, column=column, rows=found.rows, sent=sent))
        elif found.windows < needed:
            yield Said(_learning(column, found=found, needs=needed), TESTS[found.test], found.scale)
        else:
            finding = _judged(column, found=found, held=deciding, threshold=threshold)
            drifted = found.log_p > stepped.alert and found.effect >= held.min_effect
            yield Said(finding, TESTS[found.test], found.scale, drifted)


def by_number(check: Check) -> bool:
    """Whether a share or a number of columns decides, and not any single one."""
    return bool(check.share) or (check.count or 1) > 1


def find_broken(check: Check, *, measurement: Measurement, coarse: bool) -> Finding | None:
    """The finding that a share of missing or invalid values is up by half of the rows; None if it is not.

    ``coarse`` asks for the finding that it is not, too; None then where that cannot be said. ``value`` and
    ``threshold`` are the shares themselves.
    """
    share, before = measurement.value, measurement.method.get("reference")
    if check.metric not in _BROKEN_METRICS or share is None or before is None or measurement.rows < check.min_rows:
        return None
    limit = share_limit(before)
    status: Status = "alert" if share >= limit else "ok"
    if status == "ok" and not coarse:
        return None
    return Finding(
        column=measurement.column, metric=measurement.metric, value=share, threshold=limit, status=status,
        rows=measurement.rows, weight=1e6 if status == "alert" else 0.0,
    )  # fmt: skip


def _judged(column: str, *, found: TestEvidence, held: Held, threshold: float) -> Finding:
    surprise = found.log_p
    status: Status = "alert" if surprise > held.alert else "warning" if surprise > held.warning else "ok"
    if status != "ok" and found.effect < held.min_effect:
        status = "ok"
    return Finding(
        column=column, metric="surprise", value=surprise / NATS, threshold=threshold, status=status,
        rows=found.rows, weight=surprise,
    )  # fmt: skip


def _learning(column: str, *, found: TestEvidence, needs: int) -> Finding:
    """Shown, and not decided: the value with the windows there are and those it needs."""
    return Finding(
        column=column, metric="surprise", value=found.log_p / NATS, threshold=None, status="unknown",
        reason="learning", rows=found.windows, needs=needs, weight=found.log_p,
    )  # fmt: skip


def _not_judged(check: Check, *, column: str, rows: int, sent: int) -> Finding:
    """Why a column was not judged on ``rows`` values, ``sent`` being the rows of the window."""
    if rows == 0 and sent >= check.min_rows:
        return _unknown(column, reason="all_missing", rows=rows)
    if rows < check.min_rows:
        return _unknown(column, reason="few_rows", rows=rows, needs=check.min_rows)
    return _unknown(column, reason=_NOTHING_TO_JUDGE.get(check.metric, "not_comparable"), rows=rows)


def _unknown(column: str, *, reason: str, rows: int, needs: int | None = None) -> Finding:
    return Finding(
        column=column, metric="surprise", value=None, threshold=None, status="unknown",
        reason=reason, rows=rows, needs=needs,
    )  # fmt: skip
