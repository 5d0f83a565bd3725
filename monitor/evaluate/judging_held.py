"""A window held against a baseline of its own: the same numbers and verdicts as against a reference. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from monitor.alert.bench import Judgement
from monitor.alert.calibrate import Calibration
from monitor.alert.cells import Counts
from monitor.alert.findings import undecided
from monitor.alert.judge import judge, wanted_metrics
from monitor.drift.bins import Bins, decile_groups
from monitor.drift.compare import compare
from monitor.drift.measurement import Measurement
from monitor.evaluate.against import Held
from monitor.evaluate.context import VersionContext
from monitor.evaluate.groups import Group
from monitor.explain.marks import with_marks
from monitor.explain.sides import Sides
from monitor.model.checks import Check
from monitor.model.results import CheckVerdict, ResultRow
from monitor.model.schema import Schema
from monitor.profile.layout import Layout
from monitor.profile.profile import Profile
from monitor.quality.shares import measure


def judge_held(
    context: VersionContext, *, group: Group, current: Profile, held: Held | None,
    sums: Mapping[int, Counts] | None = None,
) -> Judgement:  # fmt: skip
    """The rows and verdicts of the group's checks; ``held`` None for a window without a row.

    ``sums`` are for the longer scales of a baseline that does not move.
    """
    layout = context.layout
    if layout is None:  # nothing is grouped by baselines without one
        return Judgement(rows=(), verdicts=())
    if held is None or held.profile is None:
        return _too_short(context, group=group, layout=layout, current=current, held=held)
    found = judge_group(
        context, group=group, layout=layout, current=current, baseline=held.profile,
        calibration=context.taught.get(group.baseline), expected_rows=held.usual_rows,
        sums=None if group.baseline.moving else sums,
    )  # fmt: skip
    told = told_of(group, held=held)
    rows = tuple(msgspec.structs.replace(row, method=row.method | told) for row in found.rows)
    calibration = context.taught.get(group.baseline)
    if calibration is not None:
        sides = Sides(layout=layout, reference=held.profile, current=current, calibration=calibration)
        rows = with_marks(rows, sides=sides)
    return Judgement(rows=rows, verdicts=found.verdicts, alone=found.alone)


def told_of(group: Group, *, held: Held) -> dict[str, Any]:
    """What ``method`` says of the baseline: its kind, how many windows and rows are in it, and the usual rows of a
    window where others say those."""
    told = {"kind": group.baseline.kind, "windows": held.windows, "rows": held.rows}
    usual = {} if held.chosen.sizes == held.chosen.windows else {"usual_rows": held.usual_rows}
    return {"baseline": told | usual}


def judge_group(
    context: VersionContext, *, group: Group, layout: Layout, current: Profile, baseline: Profile | None,
    calibration: Calibration | None, expected_rows: float | None, bins: Bins | None = None,
    sums: Mapping[int, Counts] | None = None,
) -> Judgement:  # fmt: skip
    """The rows and verdicts of the group's checks against that side; ``bins`` are its deciles where they are known."""
    measured: tuple[Measurement, ...] = ()
    if baseline is not None:
        measured = measure(layout, baseline, current)
        if any(check.enabled and check.kind == "drift" for check in group.checks):
            deciles = decile_groups(layout, baseline) if bins is None else bins
            metrics = wanted_metrics(group.checks)
            measured = compare(layout, baseline, current, bins=deciles, metrics=metrics) + measured
    return judge(
        checks=group.checks,
        schema=context.schema or Schema(columns=()),
        layout=layout,
        reference=baseline,
        current=current,
        calibration=calibration,
        measurements=measured,
        windows_per_month=context.model.window.per_month,
        min_effect=float(context.model.settings.get("min_effect") or 0.0),
        expected_rows=expected_rows,
        sums=sums,
        among=context.checks,
        spending=group.spending,
    )


def _too_short(
    context: VersionContext, *, group: Group, layout: Layout, current: Profile, held: Held | None
) -> Judgement:
    """Every check that compares undecided, with how many windows there are of how many; volume as far as it can be."""
    told = {} if held is None else told_of(group, held=held)
    rows: list[ResultRow] = []
    verdicts: list[CheckVerdict] = []
    for check in (check for check in group.checks if check.enabled):
        if check.kind == "volume":
            alone = replace(group, checks=(check,))
            found = judge_group(
                context, group=alone, layout=layout, current=current, baseline=None,
                calibration=context.taught.get(group.baseline),
                expected_rows=None if held is None else held.usual_rows,
            )  # fmt: skip
            rows += [msgspec.structs.replace(row, method=row.method | told) for row in found.rows]
            verdicts += found.verdicts
        else:
            row, verdict = _undecided(check, group=group, current=current, held=held)
            rows.append(msgspec.structs.replace(row, method=told))
            verdicts.append(verdict)
    return Judgement(rows=tuple(rows), verdicts=tuple(verdicts))


def _undecided(
    check: Check, *, group: Group, current: Profile, held: Held | None
) -> tuple[ResultRow, CheckVerdict]:  # fmt: skip
    reason, n, needs = "few_rows", current.rows, check.min_rows
    if held is not None and held.reason is not None:
        reason, n, needs = held.reason, held.windows, group.baseline.min_windows
    row = ResultRow(
        column="", metric=check.metric if check.threshold is not None else "surprise", check=check.name,
        kind=check.kind, value=None, rows=n, reference_rows=0 if held is None else held.rows, status="unknown",
        reason=reason, needs=needs,
    )  # fmt: skip
    return row, undecided(check, reason=reason, rows=n, needs=needs)
