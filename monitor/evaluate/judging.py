"""A window's profile held against the reference: measurements, rows and verdicts. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from monitor.alert.cells import Counts
from monitor.alert.judge import Judgement
from monitor.evaluate.against import Held
from monitor.evaluate.context import VersionContext
from monitor.evaluate.groups import Group
from monitor.evaluate.judging_held import judge_group, judge_held
from monitor.evaluate.merged import Merged, merge_until
from monitor.evaluate.verdicts import worst
from monitor.explain.marks import with_marks
from monitor.explain.sides import Sides
from monitor.model.baseline import Baseline
from monitor.model.results import CheckVerdict, ResultRow, Status
from monitor.profile.layout import Layout
from monitor.profile.profile import Profile, empty
from monitor.store.profiles import StoredProfile
from monitor.store.windows import WindowRow

NO_LAYOUT = Layout(columns=())
OF_ITS_OWN_ROWS = ("volume", "schema")  # what a window is asked for itself, however few its rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A window judged: its rows, verdicts and the worst of them; number and rows of the reference, if there is one.

    ``data_status`` is the worst verdict of the checks that need no labels; None where there are no such checks.
    ``alone`` is whether it alarms by itself, without the windows before.
    """

    rows: tuple[ResultRow, ...]
    verdicts: tuple[CheckVerdict, ...]
    status: Status
    data_status: Status | None
    reference_number: int | None
    reference_rows: int
    alone: bool = False


def judge_window(
    context: VersionContext,
    *,
    window: WindowRow,
    profile: Profile | None,
    earlier: Sequence[StoredProfile],
    sums: Mapping[int, Counts] | None = None,
    held: Mapping[Baseline, Held] | None = None,
) -> Judged:
    """The window's rows and verdicts; ``profile`` None without a layout, ``earlier`` what it may be merged with,
    ``sums`` what longer scales are looked at with, ``held`` its baselines other than the reference."""
    layout = context.layout if profile is not None and context.layout is not None else NO_LAYOUT
    own = profile if profile is not None else replace(empty(NO_LAYOUT), rows=window.rows)
    merged = merge_until(
        own, earlier if own.rows else [], layout=layout, layout_id=context.version.layout_id,
        min_rows=context.min_rows,
    )  # fmt: skip
    first, *others = context.groups
    judgement = _judge_merged(context, group=first, layout=layout, own=own, merged=merged, sums=sums)
    rows = _marked(context, rows=judgement.rows, layout=layout, current=merged.profile)
    verdicts, alone = judgement.verdicts, judgement.alone
    for group in others:
        more = judge_held(context, group=group, current=own, held=(held or {}).get(group.baseline), sums=sums)
        rows, verdicts = rows + more.rows, verdicts + more.verdicts
        alone = alone or (more.alone and not group.baseline.moving)  # those that move add up nothing
    side = context.reference
    found = worst(verdict.status for verdict in verdicts)
    if context.segment:
        rows = tuple(msgspec.structs.replace(row, segment=context.segment) for row in rows)
        verdicts = tuple(replace(verdict, segment=context.segment) for verdict in verdicts)
    return Judged(
        rows=rows,
        verdicts=verdicts,
        status=found,
        data_status=found if verdicts else None,
        reference_number=None if side is None else side.reference.number,
        reference_rows=0 if side is None else side.profile.rows,
        alone=alone,
    )


def _marked(
    context: VersionContext, *, rows: tuple[ResultRow, ...], layout: Layout, current: Profile
) -> tuple[ResultRow, ...]:
    """The rows with what metrics show of why; as they are where no calibration is at hand to say it by."""
    side, calibration = context.reference, context.calibration
    if side is None or calibration is None or not layout.columns:
        return rows
    sides = Sides(layout=layout, reference=side.profile, current=current, calibration=calibration)
    return with_marks(rows, sides=sides)


def _judge_merged(
    context: VersionContext, *, group: Group, layout: Layout, own: Profile, merged: Merged,
    sums: Mapping[int, Counts] | None,
) -> Judgement:  # fmt: skip
    """Shares and distributions of the merged rows, volume and schema of the window's own; all of it unmerged alone."""
    if merged.windows == 1:
        return _judge(context, group=group, layout=layout, current=own, sums=sums)
    itself = tuple(check for check in group.checks if check.kind in OF_ITS_OWN_ROWS)
    others = tuple(check for check in group.checks if check.kind not in OF_ITS_OWN_ROWS)
    alone = _judge(context, group=replace(group, checks=itself), layout=layout, current=own)
    together = _judge(context, group=replace(group, checks=others), layout=layout, current=merged.profile, sums=sums)
    return together.of_merged(merged.windows, itself=alone)


def _judge(
    context: VersionContext, *, group: Group, layout: Layout, current: Profile,
    sums: Mapping[int, Counts] | None = None,
) -> Judgement:  # fmt: skip
    side = context.reference
    return judge_group(
        context, group=group, layout=layout, current=current, baseline=None if side is None else side.profile,
        bins=None if side is None else side.bins, calibration=context.calibration,
        expected_rows=None if context.usual_rows is None else float(round(context.usual_rows)), sums=sums,
    )  # fmt: skip
