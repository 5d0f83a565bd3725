"""The bench a window is judged on: every check with the columns it decides, its rows and its verdict."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from monitor.alert.auto import Held, find, find_broken
from monitor.alert.breakage import judge_schema, judge_volume
from monitor.alert.findings import Finding, undecided, verdict_of
from monitor.alert.fixed import Measured, judge_fixed
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
    """What all checks of a window are judged with; ``held`` gives an auto check its thresholds, None without any.

    ``shown`` are the (metric, column) that a fixed or a quality check shows, so that drift does not repeat them.
    """

    layout: Layout
    reference: Profile | None
    current: Profile
    measured: Measured
    held: Callable[[Check], Held | None]
    expected_rows: float | None
    absent: Collection[str]
    shown: frozenset[tuple[str, str]] = frozenset()


def judge_all(
    checks: Sequence[Check],
    *,
    schema: Schema,
    layout: Layout,
    reference: Profile | None,
    current: Profile,
    measurements: Iterable[Measurement],
    held: Callable[[Check], Held | None],
    expected_rows: float | None = None,
    absent: Collection[str] = (),
) -> Judgement:
    """The rows and verdicts of every enabled check, in their order."""
    enabled = [check for check in checks if check.enabled]
    deciding = deciding_columns(enabled, schema=schema)
    bench = Bench(
        layout=layout,
        reference=reference,
        current=current,
        measured=_by_column(measurements),
        held=held,
        expected_rows=expected_rows,
        absent=absent,
        shown=frozenset((c.metric, column.name) for c in enabled if _shows_itself(c) for column in deciding[c.name]),
    )
    judged = [_judge_check(check, columns=deciding[check.name], bench=bench) for check in enabled]
    return Judgement(rows=tuple(row for rows, _ in judged for row in rows), verdicts=tuple(v for _, v in judged))


def _by_column(measurements: Iterable[Measurement]) -> dict[str, dict[str, Measurement]]:
    found: dict[str, dict[str, Measurement]] = {}
    for measurement in measurements:
        found.setdefault(measurement.column, {})[measurement.metric] = measurement
    return found


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
        rows += drift_rows(check, finding=finding, test=test, measured=bench.measured, elsewhere=bench.shown)
    verdict = verdict_of(check, findings, rows=bench.current.rows)
    reference_rows = 0 if bench.reference is None else bench.reference.rows
    rows.append(
        model_row(
            check, verdict=verdict, held=held, columns=columns, rows=bench.current.rows, reference_rows=reference_rows
        )
    )
    return rows, verdict


def _judge_quality(
    check: Check, *, columns: tuple[Column, ...], bench: Bench, held: Held
) -> tuple[list[ResultRow], CheckVerdict]:
    """Shares by their surprise; broken ones at once; while learning, and for context columns, only broken ones."""
    findings: list[Finding] = []
    rows: list[ResultRow] = []
    for column in columns:
        measurement = bench.measured.get(column.name, {}).get(check.metric)
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
    return rows, verdict_of(check, findings, rows=bench.current.rows)
