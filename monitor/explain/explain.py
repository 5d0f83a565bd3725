"""The explanation of one check in one window, from its result rows, its counts and those of the windows before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from monitor.alert.cells import SHARES, TESTS, Counts, Floats
from monitor.alert.evidence import NATS
from monitor.explain.changepoint import change_point
from monitor.explain.deciding import Decided, decided_rows, shares_of_evidence
from monitor.explain.direction import Direction, find_direction
from monitor.explain.explanation import ColumnStory, Explanation, Since
from monitor.explain.facts import Fact, facts_of
from monitor.explain.rarity import Rarity, rarity_of
from monitor.explain.sentence import (
    column_text,
    columns_text,
    head_text,
    since_text,
    sure_text,
    window_text,
)
from monitor.explain.sides import Sides, cell_scores, group_scores, share_scores
from monitor.explain.whole import whole_story
from monitor.model.results import ResultRow, Status
from monitor.model.window import WindowSpec

MOST_COLUMNS = 20
_CLOSEST = 3  # columns told of a check that does not fail


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is explained: a check's verdict on a window, the check's ``results``, and what is left of the counts.

    ``sides`` None: the window's counts and its reference are in no common layout any more, or gone. ``sums`` are the
    sides of the last s windows together, for the longer scales that decided; ``own`` the judged counts of the window
    alone and ``before`` those of the windows before it, (start, counts), oldest first; ``units`` of columns by name;
    ``column`` asks for that one alone; ``reason`` says why nothing was decided; ``segment`` is where, if not in all
    traffic.
    """

    check: str
    kind: str
    status: Status
    results: tuple[ResultRow, ...]
    rows: int
    window: WindowSpec
    start_us: int
    sides: Sides | None = None
    sums: Mapping[int, Sides] = field(default_factory=dict)
    own: Counts | None = None
    before: Sequence[tuple[int, Counts]] = ()
    units: Mapping[str, str] = field(default_factory=dict)
    budget: str | None = None
    column: str | None = None
    reason: str | None = None
    segment: str = ""


def explain(case: Case) -> Explanation:
    """Why the check came out as it did: which columns, which way, since when, how rare; in numbers and in words."""
    every = decided_rows(case.results)
    failing = [one for one in every if one.fails]
    told = failing or every[:_CLOSEST]
    if case.column is not None:
        told = [one for one in every if one.row.column == case.column]
    shares = shares_of_evidence(failing)
    columns = tuple(_story(case, decided=one, share=shares.get(one.row.column)) for one in told[:MOST_COLUMNS])
    columns = columns or whole_story(case.results, kind=case.kind)
    calibration = None if case.sides is None else case.sides.calibration
    learned = any(one.surprise is not None for one in told)
    found = Explanation(
        check=case.check, kind=case.kind, status=case.status, reason=case.reason, rows=case.rows,
        failing=len(failing), decided=len(every), columns=columns, rarity=_rarity(case, decided=told),
        budget=case.budget if learned else None,
        calibration=calibration.state if calibration is not None and learned else None, sentence="",
    )  # fmt: skip
    return replace(found, sentence=_sentence(case, found=found, failing=failing))


def _sentence(case: Case, *, found: Explanation, failing: Sequence[Decided]) -> str:
    names = [one.row.column for one in failing]
    taught = None if case.sides is None or found.calibration is None else case.sides.calibration
    factor = max((row.method.get("extrapolated", 1.0) for row in case.results), default=1.0)
    told = [
        head_text(
            check=case.check, status=case.status, window=window_text(case.start_us, window=case.window),
            rows=case.rows, failing=found.failing, decided=found.decided, reason=case.reason, segment=case.segment,
        ),
        *columns_text(found.columns, names=names if case.column is None else ()),
        *sure_text(
            rarity=found.rarity, budget=found.budget, calibration=taught, factor=factor,
            broken=any(one.broken for one in failing), segment=case.segment,
        ),
    ]  # fmt: skip
    return " ".join(f"{sentence}." for sentence in told)


def _story(case: Case, *, decided: Decided, share: float | None) -> ColumnStory:
    row = decided.row
    sides = case.sums.get(decided.windows, case.sides)
    position = None if sides is None else sides.layout.positions.get(row.column)
    unit = case.units.get(row.column, "")
    direction: Direction | None = None
    facts: tuple[Fact, ...] = ()
    since: Since | None = None
    if sides is not None and position is not None:
        direction, facts = _moved(sides, column=position, decided=decided, unit=unit)
        if share is not None:
            since = _since(case, sides=sides, column=position, direction=direction)
    text = None if since is None else since_text(since, judged_us=case.start_us, window=case.window)
    words = column_text(
        direction, facts, since=text, windows=decided.windows, length_us=case.window.nominal_us, unit=unit
    )
    return ColumnStory(
        column=row.column, status=row.status, metric=row.metric, value=row.value, threshold=row.threshold,
        share=share, test=decided.test, windows=decided.windows, direction=direction, facts=facts, since=since,
        words=words,
    )  # fmt: skip


def _moved(sides: Sides, *, column: int, decided: Decided, unit: str) -> tuple[Direction, tuple[Fact, ...]]:
    """The direction of a column and what is to be said of it."""
    test = decided.test
    if test == "columns":
        gone = int(sides.current.missing[column]) == sides.current.rows
        behind = Direction(kind="missing" if gone else "invalid", change="more")
        return Direction(kind="gone" if gone else "invalid", change="more"), facts_of(
            sides, column=column, direction=behind
        )
    direction = find_direction(sides, column=column, test=test)
    strays = test == "psi" and decided.threshold is not None and _strays(sides, column=column, decided=decided)
    return direction, facts_of(sides, column=column, direction=direction, unit=unit, strays=strays)


def _strays(sides: Sides, *, column: int, decided: Decided) -> bool:
    """Whether the values outside the range alone would have failed the column."""
    log_p = float(sides.evidence.log_p[TESTS.index("out_of_range"), column])
    return decided.threshold is not None and log_p / NATS > decided.threshold


def _since(case: Case, *, sides: Sides, column: int, direction: Direction) -> Since | None:
    """Since when the column goes that way; None with too few windows to tell."""
    if case.sides is None:
        return None
    windows = [*(counts for _, counts in case.before), case.own or case.sides.now]
    starts = [*(start for start, _ in case.before), case.start_us]
    change = change_point(_scores(sides, windows, column=column, direction=direction))
    if change is None:
        return None
    return Since(
        start_us=starts[change.first], earliest_us=starts[change.earliest], latest_us=starts[change.latest],
        windows=len(windows), before_all=change.before_all,
    )  # fmt: skip


def _scores(sides: Sides, windows: Sequence[Counts], *, column: int, direction: Direction) -> Floats:
    """The scores of windows float64[W] along a direction."""
    test = {"gone": "missing"}.get(direction.kind, direction.kind)
    if test in SHARES:
        return share_scores(sides, windows, column=column, test=test)
    if direction.kind in ("location", "spread"):
        scores: Floats = cell_scores(sides, windows, column=column)[-2 if direction.kind == "location" else -1]
        return scores
    if direction.cell < 0:
        return np.full(len(windows), np.nan)
    groups = sides.groups(column, cell=direction.cell, pooled=direction.kind == "range")
    return group_scores(sides, windows, column=column, groups=groups)


def _rarity(case: Case, *, decided: Sequence[Decided]) -> Rarity | None:
    """How rare the most surprising of the columns is; None where no statistics decided."""
    surprises = [one.surprise for one in decided if one.surprise is not None]
    if case.sides is None or not surprises:
        return None
    return rarity_of(max(surprises) * NATS, calibration=case.sides.calibration)
