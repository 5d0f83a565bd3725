"""What the model is worth on both sides: performance where there are labels, estimated where there are none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from monitor.alert.bench import Judgement
from monitor.alert.worth import Worth, judge_worth
from monitor.columns.categories import without_codes
from monitor.evaluate.estimating import estimate
from monitor.evaluate.joined import card_of
from monitor.evaluate.losses import with_losses
from monitor.evaluate.performance_reference import TimedOutcomes, Wanted, by_start, timed_outcomes, worth_of
from monitor.evaluate.performance_side import PerformanceSide
from monitor.model.checks import PERFORMANCE_KINDS, Check
from monitor.model.entities import Task
from monitor.model.schema import Schema
from monitor.model.thresholds import FalseAlarms
from monitor.model.window import WindowSpec
from monitor.performance.measure import measure
from monitor.performance.scorecard import Scorecard, empty, merge

WHOLE = None  # the key of the scorecard of all rows
MOST_CLASSES = 20  # whole numbers of more values than that, without a score, are measurements and no classes


@dataclass(slots=True)
class Outcomes:
    """The rows of a side with what performance needs of them, as they go by."""

    schema: Schema
    held: list[pa.RecordBatch] = field(default_factory=list)

    @property
    def wanted(self) -> bool:
        """Whether the schema names a prediction or a score at all."""
        return self.schema.role("prediction") is not None or self.schema.role("score") is not None

    def passing(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The batches as they are; what is needed of them is kept."""
        for batch in batches:
            if self.wanted:
                self.held.append(self._needed(batch))
            yield batch

    def _needed(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        label = self.schema.role("label")
        if label is not None and label.type == "numeric":  # the loss may have to be learned from the features
            return without_codes(batch)
        roles = {c.stored_name for c in self.schema.columns if c.role in ("prediction", "score", "label")}
        names = [name for name in batch.schema.names if name in ("id", "timestamp") or name in roles]
        return without_codes(batch.select(names))


def reference_side(
    outcomes: Outcomes, *, positive: str | None, spec: WindowSpec | None
) -> tuple[PerformanceSide | None, str | None]:
    """The reference's side of performance, or what stands in the way of it, in words."""
    task = task_of(outcomes, positive=positive)
    if task == "none":
        return None, None
    wanted = Wanted(task=task, schema=outcomes.schema, positive=positive, spec=spec)

    def parts() -> Iterator[TimedOutcomes]:
        return (timed_outcomes(batch, schema=outcomes.schema, task=task) for batch in outcomes.held)

    found = worth_of(parts, wanted)
    return found.side, found.problem


def task_of(outcomes: Outcomes, *, positive: str | None) -> Task:
    """What the model does, told by its label (else its prediction), its scores and the positive class."""
    schema = outcomes.schema
    scores = [c for c in schema.columns if c.role == "score"]
    told = schema.role("label") or schema.role("prediction")
    if not outcomes.held or not outcomes.wanted:
        return "none"
    if positive is not None or told is None:
        return "binary_classification" if positive is not None or len(scores) < 3 else "multiclass_classification"
    if len(scores) > 2:
        return "multiclass_classification"
    values = pa.chunked_array([batch.column(told.stored_name) for batch in outcomes.held]).drop_null().unique()
    if len(values) <= 2:
        return "binary_classification"
    if told.type == "numeric" and not scores and (len(values) > MOST_CLASSES or not _whole(values)):
        return "regression"
    return "multiclass_classification"


def _whole(values: pa.Array) -> bool:
    numbers = values.to_numpy(zero_copy_only=False)
    return bool((numbers == np.floor(numbers)).all())


def current_cards(outcomes: Outcomes, *, side: PerformanceSide, spec: WindowSpec | None) -> dict[int | None, Scorecard]:
    """The scorecards of the current side by window, or of all of it under ``WHOLE``."""
    task: Task = side.outline.task
    cards: dict[int | None, Scorecard] = {}
    for batch in outcomes.held:
        part = timed_outcomes(batch, schema=outcomes.schema, task=task)
        part = TimedOutcomes(instants_us=part.instants_us, rows=with_losses(part.rows, batch, losses=side.losses))
        cut = [(WHOLE, part.rows)] if spec is None else by_start(part, spec=spec)
        for start_us, rows in cut:
            card = card_of(rows, reading=side.reading)
            cards[start_us] = merge(cards[start_us], card) if start_us in cards else card
    return cards


def judge_performance(
    judgement: Judgement,
    *,
    side: PerformanceSide,
    card: Scorecard | None,
    checks: Sequence[Check],
    asked: bool,
    false_alarms: FalseAlarms,
    spec: WindowSpec | None,
) -> Judgement:
    """The judgement with the rows and verdicts of performance.

    A check that nobody ``asked`` for is one only where there are labels.
    """
    card = card or empty(side.outline)
    worth = Worth(
        task=side.outline.task, rows=card.rows, labelled=card.labelled, assumed=0, due=True, min_coverage=0.0,
        reference_rows=side.card.rows, reference=side.measured, usual=side.usual,
        realised={one.metric: one for one in measure(side.outline, card)},
        estimated={one.metric: one for one in estimate(side, card)},
    )  # fmt: skip
    chosen = [c for c in checks if c.enabled and c.kind in PERFORMANCE_KINDS and (asked or card.labelled)]
    per_run = false_alarms.per_run(None if spec is None else spec.per_month)
    rows, verdicts = judge_worth(chosen, worth, per_month=per_run, windows_per_month=1.0)
    return replace(judgement, rows=judgement.rows + rows, verdicts=judgement.verdicts + verdicts)
