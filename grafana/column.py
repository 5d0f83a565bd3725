"""*Column*: one column of a version: how far it has moved, what is wrong with its values, here and elsewhere."""

from __future__ import annotations

from grafana import choices
from grafana.board import Board, Panel, Query, Section, Style
from grafana.choices import COLUMN as OF
from grafana.drift import QUALITY
from grafana.metrics import shared
from grafana.states import COLUMN_STATUS, OF_THRESHOLD

NOTHING = "This column is not exported: the version is stale, or DRIFTLINE_EXPORT_COLUMNS leaves the column out."
SURPRISE = f'{OF},metric="surprise"'
EVERY_SEGMENT = choices.MODEL + ',column="$column",metric="surprise"'
EVERY_VERSION = 'model="$model",segment=~"$segment",column="$column",metric="surprise"'


def of_threshold(*, by: str, where: str) -> str:
    """Surprise as a share of its threshold."""
    score = shared("driftline_drift_score", by=by, where=where)
    return f"{score} / {shared('driftline_drift_threshold', by=by, where=where)}"


BY_SEGMENT = (
    f'label_replace({of_threshold(by="segment", where=EVERY_SEGMENT)}, "segment", "all traffic", "segment", "")'
)


def quality_panel(metric: str) -> Panel:
    """The column's share of such values."""
    title, what = QUALITY[metric]
    return Panel(
        kind="timeseries", title=title, width=6, unit="percentunit", minimum=0,
        description=f"Share of rows: {what}. Of the newest judged window.",
        no_data="This share is not exported for the column: it has none, or is not of that type.",
        queries=(Query(expr=shared("driftline_quality_ratio", where=f'{OF},metric="{metric}"'), legend=title.lower()),),
    )  # fmt: skip


COLUMN = Board(
    uid="driftline-column",
    title="Driftline / Column",
    description="One column: score and threshold, missing, invalid, unseen, out of range",
    variables=(choices.model, choices.version, choices.segment, choices.column),
    links=(("Fleet", "driftline-fleet"), ("Model", "driftline-model"), ("Service", "driftline-service")),
    annotations=choices.transitions(by="check, severity", where=choices.SEGMENT),
    sections=(
        Section(title="Verdicts of $column", height=6, panels=(
            Panel(
                kind="timeline", title="Status by check", width=24, unit="none", scale=COLUMN_STATUS, no_data=NOTHING,
                description="What each check says of the column, window after window.",
                queries=(Query(expr=shared("driftline_column_status", by="check", where=OF), legend="{{check}}"),),
            ),
        )),
        Section(title="Drift", height=9, panels=(
            Panel(
                kind="timeseries", title="Surprise and its threshold", width=14, unit="none", decimals=1, minimum=0,
                description="Surprise decides: the distance from the reference, in units of how the column moves. "
                "The threshold keeps the model's rate of false alarms.",
                no_data=NOTHING, styles=(Style(series="threshold", color="red", dashed=True),),
                queries=(
                    Query(expr=shared("driftline_drift_score", where=SURPRISE), legend="surprise"),
                    Query(expr=shared("driftline_drift_threshold", where=SURPRISE), legend="threshold"),
                ),
            ),
            Panel(
                kind="timeseries", title="PSI and other scores", width=10, unit="none", decimals=3, minimum=0,
                description="psi, which people know, and every metric that a check of the model holds against a fixed "
                "threshold.",
                no_data=NOTHING, styles=(Style(series="/ threshold$/", color="red", dashed=True),),
                queries=(
                    Query(
                        expr=shared("driftline_drift_score", by="metric", where=f'{OF},metric!="surprise"'),
                        legend="{{metric}}",
                    ),
                    Query(
                        expr=shared("driftline_drift_threshold", by="metric", where=f'{OF},metric!="surprise"'),
                        legend="{{metric}} threshold",
                    ),
                ),
            ),
        )),
        Section(title="Data quality", height=8, panels=tuple(quality_panel(metric) for metric in QUALITY)),
        Section(title="Elsewhere", height=9, panels=(
            Panel(
                kind="bars", title="The same column by segment", width=12, unit="percentunit", decimals=0, minimum=0,
                scale=OF_THRESHOLD, no_data=NOTHING,
                description="Surprise as a share of its threshold, the 20 furthest segments.",
                queries=(Query(
                    expr=f"sort_desc(topk(20, {BY_SEGMENT}))",
                    legend="{{segment}}", instant=True,
                ),),
            ),
            Panel(
                kind="timeseries", title="The same column in every version", width=12, unit="percentunit", decimals=0,
                minimum=0, no_data=NOTHING,
                description="Surprise as a share of its threshold: does a new version see the world of the old one?",
                queries=(Query(
                    expr=of_threshold(by="version", where=EVERY_VERSION), legend="version {{version}}",
                ),),
            ),
        )),
    ),
)  # fmt: skip
