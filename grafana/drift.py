"""Panels of drift and data quality over the columns of a version: never one a column, always the furthest few."""

from __future__ import annotations

from grafana.board import Panel, Query, Style
from grafana.choices import SEGMENT
from grafana.metrics import shared
from grafana.states import OF_THRESHOLD

SURPRISE = f'{SEGMENT},column!="",metric="surprise"'
GRID, LINES = 40, 5  # columns of the grid, and of a panel with lines
QUALITY = {
    "missing": ("Missing", "rows without the value, or null"),
    "invalid": ("Invalid", "values that do not fit the column's type"),
    "unseen": ("Unseen", "categories that the reference does not have"),
    "out_of_range": ("Out of range", "numbers outside the reference's minimum and maximum"),
}


def ratio(*, at_end: bool = False) -> str:
    """Surprise as a share of its threshold, by column: 1 is an alert."""
    score = shared("driftline_drift_score", by="column", where=SURPRISE, at_end=at_end)
    threshold = shared("driftline_drift_threshold", by="column", where=SURPRISE, at_end=at_end)
    return f"{score} / on (column) {threshold}"


RATIO = ratio()


def furthest(expr: str, count: int, *, by: str | None = None) -> str:
    """The series of the columns that are first by ``by`` (their share of the threshold) at the end of the range."""
    return f"{expr} and on (column) topk({count}, {by or ratio(at_end=True)})"


def drift_panels() -> tuple[Panel, ...]:
    """Columns against time, the furthest columns with their thresholds, and the model as a whole."""
    score = shared("driftline_drift_score", by="column", where=SURPRISE)
    threshold = shared("driftline_drift_threshold", by="column", where=SURPRISE)
    whole = f'{SEGMENT},column="",metric="surprise"'
    nothing = "No drift is exported: the version is stale, has no reference, or no window has been judged yet."
    return (
        Panel(
            kind="history", title=f"Drift over columns and time, the {GRID} furthest", width=12, unit="percentunit",
            decimals=0, scale=OF_THRESHOLD, no_data=nothing,
            description="Surprise as a share of the column's threshold; from 100 % on the column is in alert. Columns "
            "are those that are furthest at the end of the time range.",
            queries=(Query(expr=furthest(RATIO, GRID), legend="{{column}}"),),
        ),
        Panel(
            kind="timeseries", title=f"The {LINES} furthest columns and their thresholds", width=7, unit="none",
            decimals=1, minimum=0, no_data=nothing, styles=(Style(series="/ threshold$/", color="red", dashed=True),),
            description="Surprise says how far a column is from the reference, in units of how it usually moves.",
            queries=(
                Query(expr=furthest(score, LINES), legend="{{column}}"),
                Query(expr=furthest(threshold, LINES), legend="{{column}} threshold"),
            ),
        ),
        Panel(
            kind="timeseries", title="The model as a whole", width=5, unit="none", decimals=1,
            styles=(Style(series="threshold", color="red", dashed=True),), no_data=nothing,
            description="All columns together: many small movements at once show here before any column is in alert.",
            queries=(
                Query(expr=shared("driftline_drift_score", where=whole), legend="surprise"),
                Query(expr=shared("driftline_drift_threshold", where=whole), legend="threshold"),
            ),
        ),
    )  # fmt: skip


def quality_panel(metric: str, *, width: int) -> Panel:
    """The columns with the largest share of such values."""
    title, what = QUALITY[metric]
    where = f'{SEGMENT},column!="",metric="{metric}"'
    now = shared("driftline_quality_ratio", by="column", where=where)
    last = shared("driftline_quality_ratio", by="column", where=where, at_end=True)
    return Panel(
        kind="timeseries", title=f"{title}, the {LINES} most", width=width, unit="percentunit", minimum=0,
        description=f"Share of rows: {what}. Of the newest judged window.",
        no_data="No column is exported with this share.",
        queries=(Query(expr=furthest(now, LINES, by=last), legend="{{column}}"),),
    )  # fmt: skip
