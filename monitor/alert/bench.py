"""The bench a window is judged on: every check with the columns it decides, its rows and its verdict."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, groupby
from operator import attrgetter

import msgspec

from monitor.alert.auto import Held, Said, find_all, find_broken
from monitor.alert.breakage import judge_schema, judge_volume
from monitor.alert.findings import Finding, undecided, verdict_of
from monitor.alert.fixed import Measured, judge_fixed
from monitor.alert.shown import drift_rows, model_row, quality_row
from monitor.drift.measurement import Measurement
from monitor.model.checks import PERFORMANCE_KINDS, Check, deciding_columns
from monitor.model.results import CheckVerdict, ResultRow
from monitor.model.schema import Column, Schema
from monitor.profile.layout import Layout
from monitor.profile.profile import Profile

BROKEN = "half of the rows"  # what decides where a share is up by so much


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What judging one window leaves: result rows, one verdict a check, and whether it alarms by itself ``alone``.

    Then later windows are not added to it: it has been told of, and a broken hour would else sound for a week.
    """

    rows: tuple[ResultRow, ...]
    verdicts: tuple[CheckVerdict, ...]
    alone: bool = False

    def of_merged(self, windows: int, *, itself: Judgement) -> Judgement:
        """This one, of the rows of so many ``windows`` together, and what was asked of the window ``itself``."""
        told = {"merged_windows": windows}
        rows = tuple(msgspec.structs.replace(row, method=row.method | told) for row in self.rows)
        return replace(self, rows=rows + itself.rows, verdicts=self.verdicts + itself.verdicts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What all checks of a window are judged with; ``held`` gives an auto check its thresholds, None without any.

    ``shown`` are the columns, by metric, that a fixed or a quality check shows, so that drift does not repeat them.
    """

    layout: Layout
    reference: Profile | None
    current: Profile
    measured: Measured
    held: Callable[[Check], Held | None]
    expected_rows: float | None
    absent: Collection[str]
    shown: Mapping[str, Collection[str]] = field(default_factory=dict)


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
    among: Sequence[Check] | None = None,
) -> Judgement:
    """The rows and verdicts of every enabled check, in their order; those of performance are a scorecard's.

    ``among`` are all checks of the model, where these are some of them: which columns are whose is decided by all.
    """
    enabled, every = _asked(checks), _asked(checks if among is None else among)
    deciding = deciding_columns(every, schema=schema)
    bench = Bench(
        layout=layout,
        reference=reference,
        current=current,
        measured=_by_metric(measurements),
        held=held,
        expected_rows=expected_rows,
        absent=absent,
        shown=_shown(enabled, deciding=deciding),
    )
    judged = [_judge_check(check, columns=deciding[check.name], bench=bench) for check in enabled]
    return Judgement(
        rows=tuple(chain.from_iterable(rows for rows, _ in judged)),
        verdicts=tuple(verdict for _, verdict in judged),
        alone=any(
            _alone(check, columns=deciding[check.name], rows=rows, bench=bench)
            for check, (rows, _) in zip(enabled, judged, strict=True)
        ),
    )


def _asked(checks: Iterable[Check]) -> list[Check]:
    return [check for check in checks if check.enabled and check.kind not in PERFORMANCE_KINDS]


def _by_metric(measurements: Iterable[Measurement]) -> dict[str, dict[str, Measurement]]:
    found: dict[str, dict[str, Measurement]] = {}
    for metric, those in groupby(measurements, key=attrgetter("metric")):
        found.setdefault(metric, {}).update({each.column: each for each in those})
    return found


def _shown(checks: Sequence[Check], *, deciding: Mapping[str, tuple[Column, ...]]) -> dict[str, set[str]]:
    """By metric, the columns whose measurement is shown by the check that decides on it."""
    found: dict[str, set[str]] = {}
    for check in checks:
        if check.kind == "quality" or (check.kind == "drift" and check.threshold is not None):
            found.setdefault(check.metric, set()).update([column.name for column in deciding[check.name]])
    return found


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


def _alone(check: Check, *, columns: tuple[Column, ...], rows: list[ResultRow], bench: Bench) -> bool:
    """Whether one of the columns that decide the auto check alerts by the window itself, or is broken in it."""
    held = bench.held(check) if check.kind in ("drift", "quality") and check.threshold is None else None
    if held is None:
        return False
    if held.alarms_alone(check, columns=[column.name for column in columns if column.role != "context"]):
        return True
    return check.kind == "quality" and any(
        row.status == "alert" and row.method.get("decided_by") == BROKEN for row in rows
    )


def _judge_drift(
    check: Check, *, columns: tuple[Column, ...], bench: Bench, held: Held
) -> tuple[list[ResultRow], CheckVerdict]:
    found = list(find_all(check, columns=[column.name for column in columns], held=held))
    rows = drift_rows(check, found=found, measured=bench.measured, elsewhere=bench.shown)
    verdict = verdict_of(check, [said.finding for said in found], rows=bench.current.rows)
    reference_rows = 0 if bench.reference is None else bench.reference.rows
    rows.append(
        model_row(
            check, verdict=verdict, held=held, found=found, rows=bench.current.rows, reference_rows=reference_rows
        )
    )
    return rows, verdict


def _judge_quality(
    check: Check, *, columns: tuple[Column, ...], bench: Bench, held: Held
) -> tuple[list[ResultRow], CheckVerdict]:
    """Shares by their surprise; broken ones at once; while learning, and for context columns, only broken ones."""
    findings: list[Finding] = []
    rows: list[ResultRow] = []
    by_column, threshold = bench.measured.get(check.metric, {}), held.threshold
    defined = [column for column in columns if column.name in by_column]  # the metric is not for every type of column
    found = find_all(check, columns=[column.name for column in defined], held=held)
    for column, said in zip(defined, found, strict=True):
        measurement = by_column[column.name]
        coarse = column.role == "context" or said.finding.reason == "learning"
        broken = find_broken(check, measurement=measurement, coarse=coarse)
        if broken is None and column.role == "context":
            continue  # no statistics are spent on it
        decided = said if broken is None else Said(broken, BROKEN)
        findings.append(decided.finding)
        rows.append(quality_row(check, measurement=measurement, said=decided, threshold=threshold))
    return rows, verdict_of(check, findings, rows=bench.current.rows)
