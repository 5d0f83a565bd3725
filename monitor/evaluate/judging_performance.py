"""A window's scorecard held against the reference's: rows and verdicts of performance, and when labels are due."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection

from monitor.alert.worth import Worth, judge_worth
from monitor.evaluate.context import VersionContext
from monitor.evaluate.estimating import estimate
from monitor.evaluate.judging import Judged
from monitor.evaluate.performance_side import PerformanceSide
from monitor.evaluate.reference_profile import budget
from monitor.evaluate.verdicts import worst
from monitor.model.checks import LABELLED_KINDS, PERFORMANCE_KINDS, Check
from monitor.model.entities import Model
from monitor.model.labels import label_rules
from monitor.model.results import CheckVerdict, ResultRow
from monitor.performance.measure import measure
from monitor.performance.scorecard import Scorecard
from monitor.store.outcomes import labelled_versions
from monitor.store.verdicts import get_states
from monitor.store.windows import WindowRow

Found = tuple[tuple[ResultRow, ...], tuple[CheckVerdict, ...]]


def has_labels(conn: Connection, *, context: VersionContext) -> bool:
    """Whether the version ever had a label: a performance check that nobody asked for waits for the first."""
    version_id = context.version.id
    if labelled_versions(conn, version_ids=[version_id]):
        return True
    return any(state.kind in LABELLED_KINDS for state in get_states(conn, version_id=version_id).values())


def labels_due_us(model: Model, *, window: WindowRow) -> int:
    """When a window's labels have had their time, and its performance is judged."""
    return window.end_us + model.lateness_us + label_rules(model).delay_us


def due_us(model: Model, *, window: WindowRow, performance: PerformanceSide | None, now_us: int) -> int | None:
    """When the window is to be computed again though nothing comes: its labels are due, or are assumed from then on."""
    if performance is None:
        return None
    rules = label_rules(model)
    times = [labels_due_us(model, window=window)]
    if rules.default_after_us is not None:
        times.append(window.end_us + rules.default_after_us)
    return min((time for time in times if time > now_us), default=None)


def judge_performance(
    context: VersionContext, *, window: WindowRow, card: Scorecard, now_us: int, labelled: bool
) -> Found:
    """The rows and verdicts of the window's performance; ``labelled``: the version has had labels before."""
    side, model = context.performance, context.model
    if side is None:
        return (), ()
    worth = Worth(
        task=model.task,
        rows=card.rows,
        labelled=card.labelled,
        assumed=card.assumed,
        due=now_us >= labels_due_us(model, window=window),
        min_coverage=label_rules(model).min_coverage,
        reference_rows=side.card.rows,
        realised={one.metric: one for one in measure(side.outline, card, business=side.business)},
        estimated={one.metric: one for one in estimate(side, card)},
        reference=side.measured,
        usual=side.usual,
    )
    per_month = model.window.per_month
    return judge_worth(
        asked(context, labelled=labelled or card.labelled > 0), worth,
        per_month=budget(model).per_month(per_month), windows_per_month=per_month,
    )  # fmt: skip


def asked(context: VersionContext, *, labelled: bool) -> tuple[Check, ...]:
    """The enabled checks of the performance kinds; the one by default once there are labels."""
    by_default = context.model.settings.get("checks") is None
    return tuple(
        check
        for check in context.checks
        if check.enabled and check.kind in PERFORMANCE_KINDS and (labelled or not by_default)
    )


def with_performance(judged: Judged, found: Found) -> Judged:
    """The judged window with the rows and verdicts of its performance."""
    rows, verdicts = found
    statuses = [verdict.status for verdict in verdicts]
    if judged.data_status is not None:
        statuses.append(judged.data_status)
    return replace(judged, rows=judged.rows + rows, verdicts=judged.verdicts + verdicts, status=worst(statuses))
