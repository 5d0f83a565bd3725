"""What a reference says of performance, from its rows: classes and cells first, then counts, then what they suggest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.alert.worth import Usual
from monitor.columns.conform import conform
from monitor.evaluate.joined import Reading, card_of
from monitor.evaluate.losses import Losses, LossSample, fit
from monitor.evaluate.outcome_rows import LABEL, PREDICTION, has_outcomes, outcome_rows
from monitor.evaluate.performance_side import Business, PerformanceSide, fitting
from monitor.evaluate.slices import instants_of
from monitor.model.entities import Model, Task
from monitor.model.schema import Column, Schema
from monitor.model.window import WindowSpec
from monitor.performance.calibrator import calibrate
from monitor.performance.fall import between_variance
from monitor.performance.measure import measure
from monitor.performance.outline import Floats, Integers, Outline, OutlineTask, score_cells
from monitor.performance.scorecard import Scorecard, empty, merge

Batches = Callable[[], Iterable[pa.RecordBatch]]
MOST_CLASSES = 1_000
SAMPLE_ROWS = 200_000  # of the scores that cells are made from
_LEAST_WINDOWS = 8  # to tell how much a metric varies between windows
_MOST_WINDOWS = 2_000
_POSITIVES = ("1", "true", "yes", "y", "positive")  # what the positive class of two is called, where nobody said


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceWorth:
    """What the reference is worth to know of performance, or why it says nothing (``problem``, for people)."""

    side: PerformanceSide | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked of a reference; with ``spec`` also how its metrics vary between its own windows."""

    task: Task
    schema: Schema
    positive: str | None = None
    threshold: float = 0.5
    spec: WindowSpec | None = None
    business: Business | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedOutcomes:
    """Outcomes (``outcome_rows``) with int64[n] microseconds of each; before all time for one without a time.

    ``features`` are the rows they are of, where their loss is to be learned from those.
    """

    instants_us: Integers
    rows: pa.Table
    features: pa.RecordBatch | None = None


@dataclass(slots=True)
class _Found:
    """What one look at the rows tells: the classes there are, a sample of each score column, the labels' mean."""

    classes: set[str] = field(default_factory=set)
    scores: dict[str, list[Floats]] = field(default_factory=dict)
    rows: int = 0
    labels: int = 0
    label_sum: float = 0.0


def reference_worth(
    batches: Batches, *, schema: Schema, model: Model, positive: str | None, threshold: float, timed: bool
) -> ReferenceWorth:
    """The reference's side of performance; a problem where its rows cannot say it, neither where nothing was asked."""
    if not has_outcomes(schema, task=model.task):
        return ReferenceWorth()
    wanted = Wanted(
        task=model.task, schema=schema, positive=positive, threshold=threshold, spec=model.window if timed else None,
        business=model.settings.get("business_value"),
    )  # fmt: skip

    def outcomes() -> Iterator[TimedOutcomes]:
        return (timed_outcomes(conform(batch, schema), schema=schema, task=model.task) for batch in batches())

    return worth_of(outcomes, wanted)


def timed_outcomes(rows: pa.RecordBatch, *, schema: Schema, task: Task) -> TimedOutcomes:
    """The outcomes of conformed rows, without their ids: a reference is joined with nothing."""
    kept = outcome_rows(rows, keys=np.zeros(rows.num_rows, np.uint64), schema=schema, task=task)
    features = rows if task == "regression" else None
    return TimedOutcomes(instants_us=instants_of(rows), rows=pa.Table.from_batches([kept]), features=features)


def worth_of(outcomes: Callable[[], Iterable[TimedOutcomes]], wanted: Wanted) -> ReferenceWorth:
    """What outcomes, gone through twice, say of performance."""
    found = _look(part.rows for part in outcomes())
    reading, problem = _reading(found, wanted)
    if reading is None:
        return ReferenceWorth(problem=problem)
    halves, cards = _count(outcomes(), reading=reading, spec=wanted.spec)
    business = fitting(wanted.business, classes=reading.outline.classes)
    return ReferenceWorth(
        side=PerformanceSide(
            reading=reading,
            card=merge(*halves),
            calibrations=tuple(
                calibrate(halves[0].by_label[k][:, : len(c)], held_out=halves[1].by_label[k][:, : len(c)], centers=c)
                for k, c in enumerate(reading.outline.centers)
            ),
            usual=_usual(cards, outline=reading.outline, business=business),
            losses=_losses(outcomes(), wanted) if wanted.task == "regression" else None,
            business=business,
        )
    )


def _losses(outcomes: Iterable[TimedOutcomes], wanted: Wanted) -> Losses | None:
    """A model of the loss on the reference's second half."""
    sample = LossSample(schema=wanted.schema)
    for part in outcomes:
        if part.features is not None:
            sample.add(part.features)
    return fit(sample)


def _look(tables: Iterable[pa.Table]) -> _Found:
    found = _Found()
    for table in tables:
        for name in (LABEL, PREDICTION):
            if name in table.schema.names:
                _look_at(table.column(name), found=found, label=name == LABEL)
        for name in table.schema.names:
            if name.partition(":")[0] == "score" and found.rows < SAMPLE_ROWS:
                values = table.column(name).drop_null().to_numpy()
                found.scores.setdefault(name, []).append(values[: SAMPLE_ROWS - found.rows])
        found.rows += table.num_rows
    return found


def _look_at(column: pa.ChunkedArray, *, found: _Found, label: bool) -> None:
    if pa.types.is_floating(column.type):
        if label:
            found.labels += len(column) - column.null_count
            found.label_sum += pc.sum(column).as_py() or 0.0
    elif len(found.classes) <= MOST_CLASSES:
        texts = column.unique().to_pylist()
        found.classes.update(text for text in texts if text is not None)
        found.labels += (len(column) - column.null_count) if label else 0


def _reading(found: _Found, wanted: Wanted) -> tuple[Reading | None, str | None]:
    """How outcomes are read, or what stands in the way."""
    if wanted.task == "regression":
        center = found.label_sum / found.labels if found.labels else 0.0
        return Reading(outline=Outline(task="regression", center=center), scores=()), None
    scores = [c for c in wanted.schema.columns if c.role == "score" and c.stored_name in found.scores]
    classes = sorted(found.classes | {c.class_ for c in scores if c.class_ is not None})
    if len(classes) > MOST_CLASSES:
        return None, f"{len(classes)} classes and more: performance is computed for at most {MOST_CLASSES}"
    if wanted.task == "binary_classification":
        return _binary(classes, scores=scores, found=found, positive=wanted.positive, threshold=wanted.threshold)
    if len(classes) < 2:
        return None, "fewer than two classes among labels, predictions and scores: name the columns that hold them"
    scored = [c for c in scores if c.class_ is not None]
    cells = [_cells(found.scores[c.stored_name]) for c in scored]
    outline = Outline(
        task="multiclass_classification", classes=tuple(classes), edges=tuple(e for e, _ in cells),
        centers=tuple(c for _, c in cells), scored=tuple(classes.index(c.class_ or "") for c in scored),
    )  # fmt: skip
    promised = outline.coarsened().supposing([np.concatenate(found.scores[c.stored_name]) for c in scored])
    return Reading(outline=promised, scores=tuple(c.stored_name for c in scored)), None


def _binary(
    classes: list[str], *, scores: list[Column], found: _Found, positive: str | None, threshold: float
) -> tuple[Reading | None, str | None]:
    known = positive if positive is not None else next((c for c in classes if c.lower() in _POSITIVES), None)
    if known is None or (known not in classes and len(classes) > 1):
        return None, f"which of {', '.join(classes[:5]) or 'no classes'} is the positive one? Say positive="
    others = [c for c in classes if c != known]
    if len(others) > 1:
        return None, f"{len(classes)} classes ({', '.join(classes[:5])}) for a binary model: expected two"
    both = tuple(sorted((known, *(others or [f"not {known}"]))))
    own = next((c for c in scores if c.class_ in (None, known)), None)
    other = next((c for c in scores if c.class_ in others), None) if own is None else None
    score = own or other
    task: OutlineTask = "binary_classification"
    outline = Outline(task=task, classes=both, positive=known, threshold=threshold)
    if score is None:
        return Reading(outline=outline, scores=()), None
    values = np.concatenate(found.scores[score.stored_name])
    edges, centers = score_cells(1.0 - values if other is not None else values)
    outline = replace(outline, edges=(edges,), centers=(centers,), scored=(both.index(known),))
    return Reading(outline=outline, scores=(score.stored_name,), complement=other is not None), None


def _cells(values: list[Floats]) -> tuple[Floats, Floats]:
    return score_cells(np.concatenate(values))


def _count(
    outcomes: Iterable[TimedOutcomes], *, reading: Reading, spec: WindowSpec | None
) -> tuple[tuple[Scorecard, Scorecard], list[Scorecard]]:
    """The scorecards of the even and of the odd rows, and those of the reference's own windows."""
    halves = [empty(reading.outline), empty(reading.outline)]
    windows: dict[int, Scorecard] = {}
    done = 0
    for part in outcomes:
        odd = (np.arange(part.rows.num_rows) + done) % 2 == 1
        done += part.rows.num_rows
        for half, mask in enumerate((~odd, odd)):
            halves[half] = merge(halves[half], card_of(part.rows.filter(pa.array(mask)), reading=reading))
        if spec is not None and len(windows) <= _MOST_WINDOWS:
            for start_us, rows in by_start(part, spec=spec):
                card = card_of(rows, reading=reading)
                windows[start_us] = merge(windows[start_us], card) if start_us in windows else card
    return (halves[0], halves[1]), list(windows.values())


def by_start(part: TimedOutcomes, *, spec: WindowSpec) -> Iterator[tuple[int, pa.Table]]:
    """The outcomes of each window by its start; those without a time are in none."""
    timed = np.flatnonzero(part.instants_us >= 0)
    if not len(timed):
        return
    starts = spec.starts_of(part.instants_us[timed])
    order = np.argsort(starts, kind="stable")
    distinct, first = np.unique(starts[order], return_index=True)
    for start_us, places in zip(distinct.tolist(), np.split(timed[order], first[1:]), strict=True):
        yield start_us, part.rows.take(pa.array(places))


def _usual(cards: list[Scorecard], *, outline: Outline, business: Business | None) -> dict[str, Usual]:
    """By metric, how much it varies between windows beyond what sampling brings."""
    found: dict[str, list[tuple[float, float]]] = {}
    for card in cards:
        for one in measure(outline, card, business=business):
            if one.value is not None and one.se:
                found.setdefault(one.metric, []).append((one.value, one.se))
    usual: dict[str, Usual] = {}
    for metric, pairs in found.items():
        variance = between_variance([value for value, _ in pairs], ses=[se for _, se in pairs])
        if variance is not None and len(pairs) >= _LEAST_WINDOWS:
            usual[metric] = Usual(variance=variance, windows=len(pairs))
    return usual
