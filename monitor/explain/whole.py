"""Checks of the whole model: how many rows came, what the model was worth."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.explain.amounts import count_text, number_text, value_pair
from monitor.explain.direction import Direction
from monitor.explain.explanation import ColumnStory
from monitor.explain.facts import Fact
from monitor.model.checks import PERFORMANCE_KINDS
from monitor.model.results import ResultRow


def whole_story(rows: Sequence[ResultRow], *, kind: str) -> tuple[ColumnStory, ...]:
    """The story of a check without columns; empty where its row has no number."""
    row = next((row for row in rows if not row.column and row.value is not None), None)
    if row is None or row.value is None:
        return ()
    if kind == "volume":
        direction, fact = _volume(row, value=row.value)
    elif kind in PERFORMANCE_KINDS:
        direction, fact = _worth(row, value=row.value)
    else:
        return ()
    return (
        ColumnStory(
            column="", status=row.status, metric=row.metric, value=row.value, threshold=row.threshold, share=None,
            test=row.metric, windows=1, direction=direction, facts=(fact,), since=None, words=fact.words,
        ),
    )  # fmt: skip


def _volume(row: ResultRow, *, value: float) -> tuple[Direction, Fact]:
    """How many rows there were, of how many there had to be."""
    fewer = row.threshold is None or value <= row.threshold
    needed = "" if row.threshold is None else f", the bound is {number_text(row.threshold, digits=6)}"
    fact = Fact(measure="rows", reference=None, current=value, words=count_text(round(value), "row") + needed)
    return Direction(kind="rows", change="fewer" if fewer else "more"), fact


def _worth(row: ResultRow, *, value: float) -> tuple[Direction, Fact]:
    """The metric with its interval, on the reference, and its threshold."""
    before = row.method.get("reference")
    reference = float(before) if isinstance(before, int | float) else None
    told = [value_pair(value if reference is None else reference, value)[1]]
    if row.lower is not None and row.upper is not None:
        told[0] += f" ({' to '.join(value_pair(row.lower, row.upper))} with 95 %)"
    if reference is not None:
        told.append(f"{value_pair(reference, value)[0]} on the reference")
    elif "of" in row.method:
        told.append(str(row.method["of"]))
    if row.threshold is not None:
        told.append(f"the threshold is {value_pair(row.threshold, value)[0]}")
    lower = row.method.get("bad") == "below" if reference is None else value < reference
    estimated = "estimated " if row.kind == "estimate" else ""
    fact = Fact(
        measure=row.metric, reference=reference, current=value, words=f"{estimated}`{row.metric}` is {', '.join(told)}"
    )
    return Direction(kind="performance", change="lower" if lower else "higher"), fact
