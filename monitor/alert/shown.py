"""How judged columns are shown: the surprise that decides, and the measurements that explain it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from monitor.alert.auto import TESTS_OF, Held, Said, by_number
from monitor.alert.evidence import NATS
from monitor.alert.fixed import Measured, measured_row
from monitor.alert.threshold import model_score
from monitor.drift.measurement import Measurement
from monitor.model.checks import DRIFT_METRICS, Check
from monitor.model.results import CheckVerdict, ResultRow

_BESIDE = frozenset((*DRIFT_METRICS, "out_of_range", "off_support"))  # what a drift check shows beside the surprise


def drift_rows(
    check: Check, *, found: Iterable[Said], measured: Measured, elsewhere: Mapping[str, Collection[str]]
) -> list[ResultRow]:
    """The rows of columns under an auto drift check: each one's surprise, then what was measured of it beside.

    ``elsewhere`` are the columns, by metric, that another check shows.
    """
    beside = [(by_column, elsewhere.get(name, ())) for name, by_column in measured.items() if name in _BESIDE]
    methods: dict[tuple[str, int, bool], dict[str, Any]] = {("", 1, False): {}}  # thousands of rows say the same
    rows: list[ResultRow] = []
    for finding, test, scale, drifted in found:
        method = methods.setdefault((test, scale, drifted), _said_by(test, scale=scale, drifted=drifted))
        column = finding.column
        shown = [
            measured_row(check, measurement=by_column[column], finding=finding)
            for by_column, hidden in beside
            if column in by_column and column not in hidden
        ]
        rows.append(
            ResultRow(
                column=column, metric="surprise", check=check.name, kind=check.kind, value=finding.value,
                threshold=finding.threshold, p_value=_p_value(finding.value), rows=finding.rows,
                reference_rows=shown[0].reference_rows if shown else 0, status=finding.status, reason=finding.reason,
                needs=finding.needs, method=method,
            )
        )  # fmt: skip
        rows += shown
    return rows


def _said_by(test: str, *, scale: int, drifted: bool) -> dict[str, Any]:
    return {"test": test} | ({"scale": scale} if scale > 1 else {}) | ({"drifted": True} if drifted else {})


def quality_row(check: Check, *, measurement: Measurement, said: Said, threshold: float) -> ResultRow:
    """A share's row under an auto quality check: the share, decided by its surprise or by half of the rows.

    ``threshold`` is that of the surprise.
    """
    finding = said.finding
    by_share = finding.metric == measurement.metric
    method = {**measurement.method, "decided_by": said.test} if by_share else {
        **measurement.method, "decided_by": "surprise", "surprise": finding.value,
        "surprise_threshold": threshold, **({"scale": said.scale} if said.scale > 1 else {}),
    }  # fmt: skip
    return ResultRow(
        column=measurement.column, metric=measurement.metric, check=check.name, kind=check.kind,
        value=measurement.value, threshold=finding.threshold if by_share else None,
        p_value=None if by_share else _p_value(finding.value), rows=measurement.rows,
        reference_rows=measurement.reference_rows, status=finding.status, reason=finding.reason,
        needs=finding.needs, method=method,
    )  # fmt: skip


def model_row(
    check: Check, *, verdict: CheckVerdict, held: Held, found: Sequence[Said], rows: int, reference_rows: int
) -> ResultRow:
    """The whole model under an auto check: the score A of the check's own columns and its threshold h, in tens.

    ``method`` says how many of the decided columns have drifted; where their number decides there is no threshold of A.
    """
    evidence = held.evidence
    names = [said.finding.column for said in found]
    positions = [evidence.positions[name] for name in names if name in evidence.positions]
    own = evidence.log_p[np.ix_(TESTS_OF[check.metric], positions)].reshape(1, -1)
    alone, limit = (
        float(model_score(y, tests=held.tests, looks_per_month=held.looks_per_month)[0])
        for y in (own, np.array([[held.alert]]))
    )
    decides = verdict.status != "unknown" and not by_number(check)
    counted = {
        "drifted": sum(said.drifted for said in found),
        "decided": sum(said.finding.status != "unknown" for said in found),
    }
    return ResultRow(
        column="", metric="surprise", check=check.name, kind=check.kind,
        value=alone / NATS if np.isfinite(alone) else None, threshold=limit / NATS if decides else None,
        rows=rows, reference_rows=reference_rows, status=verdict.status, reason=verdict.reason, needs=verdict.needs,
        method=held.method | counted,
    )  # fmt: skip


def _p_value(surprise: float | None) -> float | None:
    return None if surprise is None else float(10.0**-surprise)
