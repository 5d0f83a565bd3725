"""Panels of what a model is worth: realised of labels, estimated without them, and the labels themselves."""

from __future__ import annotations

from grafana.board import Panel, Query, Style
from grafana.choices import SEGMENT
from grafana.metrics import added, shared

CHOSEN = f'{SEGMENT},metric="$metric"'
COLORS = {"realised": "green", "estimated": "blue"}


def performance_panels() -> tuple[Panel, ...]:
    """Realised and estimated with their intervals, the labelled share, and what became of labels."""
    return (
        Panel(
            kind="timeseries", title="$metric, realised and estimated", width=14, unit="none", decimals=3,
            description="Realised: of the newest window whose labels were due. Estimated: of the newest window, "
            "without labels, which assumes no concept drift. Bands: 95 % intervals. Dashed: the reference.",
            no_data="No performance is exported: the reference has no labels or scores, or no window was judged yet.",
            queries=(*_curves("realised"), *_curves("estimated"), Query(
                expr=shared("driftline_performance_reference", where=CHOSEN), legend="reference",
            )),
            styles=(*_styles("realised"), *_styles("estimated"), Style(series="reference", color="text", dashed=True)),
        ),
        Panel(
            kind="timeseries", title="Labelled share", width=5, unit="percentunit", minimum=0, maximum=1,
            description="Records that have a label, of the newest window whose labels were due.",
            no_data="No window's labels were due.",
            queries=(Query(expr=shared("driftline_label_coverage_ratio", where=SEGMENT), legend="labelled"),),
        ),
        Panel(
            kind="timeseries", title="Labels", width=5, unit="short", minimum=0,
            description="Waiting: stored and not yet looked for. Unmatched: looked for, and in no record so far. "
            "Received: a second, on the right.",
            no_data="The model has no labels.", styles=(Style(series="received", right=True),),
            queries=(
                Query(expr=shared("driftline_labels_waiting", where='model="$model"'), legend="waiting"),
                Query(expr=shared("driftline_labels_unmatched", where='model="$model"'), legend="unmatched"),
                Query(
                    expr=added("driftline_labels_total", where='model="$model",result="stored"'), legend="received"
                ),
            ),
        ),
    )  # fmt: skip


def _curves(kind: str) -> tuple[Query, ...]:
    where = f'{CHOSEN},kind="{kind}"'
    return tuple(
        Query(expr=shared(family, where=where), legend=f"{kind}{bound}")
        for family, bound in (
            ("driftline_performance", ""), ("driftline_performance_lower", " lower"),
            ("driftline_performance_upper", " upper"),
        )
    )  # fmt: skip


def _styles(kind: str) -> tuple[Style, ...]:
    color = COLORS[kind]
    return (
        Style(series=kind, color=color),
        Style(series=f"{kind} lower", color=color, hidden_line=True),
        Style(series=f"{kind} upper", color=color, hidden_line=True, fill_to=f"{kind} lower"),
    )
