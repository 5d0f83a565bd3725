"""*Model*: one version of one model: its verdicts, what drifted, what it is worth, what came in."""

from __future__ import annotations

from grafana import choices
from grafana.board import Board, Cell, Panel, Query, Scale, Section
from grafana.choices import MODEL as OF
from grafana.choices import SEGMENT
from grafana.drift import RATIO, drift_panels, quality_panel
from grafana.metrics import added, shared
from grafana.performance import performance_panels
from grafana.states import COLUMN_STATUS, COVERAGE, OF_THRESHOLD, PLAIN, SHARE_IS_BAD, STATE, state

TO_COLUMN = choices.to_board(
    "column", model="${model}", version="${version}", column="${__data.fields.Column:percentencode}"
) + "&${segment:queryparam}"  # fmt: skip
STATUS = (
    f"{shared('driftline_column_status', by='column', where=SEGMENT)} < 3"
    f" or {shared('driftline_column_status', by='column', where=SEGMENT)}"
)


def tile(
    title: str, description: str, expr: str, *,
    unit: str = "short", no_data: str = "none", scale: Scale = PLAIN, decimals: int | None = None,
) -> Panel:  # fmt: skip
    """One number of the version."""
    return Panel(
        kind="stat", title=title, description=description, unit=unit, no_data=no_data, width=4, scale=scale,
        decimals=decimals, queries=(Query(expr=expr),),
    )  # fmt: skip


def share(metric: str) -> Query:
    """A share of rows, by column, now."""
    where = f'{SEGMENT},metric="{metric}"'
    return Query(expr=shared("driftline_quality_ratio", by="column", where=where), instant=True)


def score(family: str, metric: str) -> Query:
    """A score or threshold, by column, now."""
    where = f'{SEGMENT},column!="",metric="{metric}"'
    return Query(expr=shared(f"driftline_drift_{family}", by="column", where=where), instant=True)


NOW = (
    tile(
        "State", "The worst of the version's checks in every segment; stale when no records come.",
        f"max({state(by='model, version', where=OF)})", unit="none", scale=STATE, no_data="not exported",
    ),
    tile(
        "Columns failing", "Columns behind the verdict of the check that has most of them.",
        f"max({shared('driftline_check_columns_failing', by='check', where=SEGMENT)})", no_data="no check decided yet",
    ),
    tile(
        "Share of columns drifted", "Columns whose drift is in alert, of those whose drift was decided.",
        shared("driftline_columns_drifted_ratio", where=SEGMENT), unit="percentunit", scale=SHARE_IS_BAD,
        no_data="stale, or nothing decided",
    ),
    tile(
        "Rows of the window", "Rows of the newest judged window, all traffic.",
        shared("driftline_window_rows", where=OF), no_data="no window judged yet",
    ),
    tile(
        "Window ended before", "How long ago the newest judged window ended.",
        f"time() - {shared('driftline_window_end_timestamp_seconds', where=OF)}", unit="s", decimals=1,
        no_data="no window judged yet",
    ),
    tile(
        "Labelled share", "Of the newest window whose labels were due: records that have a label.",
        shared("driftline_label_coverage_ratio", where=SEGMENT), unit="percentunit", scale=COVERAGE,
        no_data="no labels due",
    ),
)  # fmt: skip

VERDICTS = (
    Panel(
        kind="timeline", title="Verdicts by check", width=24, unit="none", scale=STATE,
        description="ok, or the severity a check fails at. Undecided: the newest window could not be judged, and the "
        "last verdict stays in force for alerts.",
        no_data="No check of this segment has been decided: the version has no reference, or no window has closed.",
        queries=(Query(expr=state(by="check", where=SEGMENT), legend="{{check}}"),),
    ),
)  # fmt: skip

COLUMNS = Panel(
    kind="table", title="Columns, the worst first", width=24, unit="short", worst_first=("Status", "Of its threshold"),
    description="The newest judged window, every exported column (DRIFTLINE_EXPORT_COLUMNS). Status is the worst of "
    "its checks. Surprise decides and is held against the threshold; psi is for reading. A click opens the column.",
    no_data="No column is exported: the version is stale, has no reference, or no window has been judged yet.",
    queries=(
        Query(expr=STATUS, instant=True), Query(expr=RATIO, instant=True), score("score", "surprise"),
        score("threshold", "surprise"), score("score", "psi"), share("missing"), share("invalid"), share("unseen"),
        share("out_of_range"),
    ),
    cells=(
        Cell(source="column", title="Column", link=TO_COLUMN, link_title="Open the column"),
        Cell(source="Value #A", title="Status", scale=COLUMN_STATUS, width=110),
        Cell(source="Value #B", title="Of its threshold", unit="percentunit", decimals=0, scale=OF_THRESHOLD, width=90),
        Cell(source="Value #C", title="Surprise", decimals=1, width=110),
        Cell(source="Value #D", title="Threshold", decimals=1, width=110),
        Cell(source="Value #E", title="PSI", decimals=3, width=110),
        Cell(source="Value #F", title="Missing", unit="percentunit", width=110),
        Cell(source="Value #G", title="Invalid", unit="percentunit", width=110),
        Cell(source="Value #H", title="Unseen", unit="percentunit", width=110),
        Cell(source="Value #I", title="Out of range", unit="percentunit", width=120),
    ),
)  # fmt: skip

VOLUME = (
    Panel(
        kind="timeseries", title="Rows of the newest judged window", width=8, unit="short", minimum=0,
        description="All traffic; each window's rows are shown until the next one is judged.",
        no_data="No window has been judged yet.",
        queries=(Query(expr=shared("driftline_window_rows", where=OF), legend="rows"),),
    ),
    Panel(
        kind="timeseries", title="Records by what became of them", width=8, unit="cps", minimum=0,
        description="Stored, quarantined (kept aside with their reason), duplicate (a replayed request) or rejected, "
        "a second, over all processes.",
        no_data="No records came in this time.",
        queries=(Query(expr=added("driftline_records_total", by="result", where=OF), legend="{{result}}"),),
    ),
    Panel(
        kind="timeseries", title="Late and repeated rows", width=8, unit="cps", minimum=0,
        description="Rows folded after their window had closed (it is computed again), and repeats of an id that were "
        "dropped, a second.",
        no_data="No row was late or repeated in this time.",
        queries=(
            Query(expr=added("driftline_late_rows_total", where=OF), legend="late"),
            Query(expr=added("driftline_records_deduplicated_total", where=OF), legend="repeated"),
        ),
    ),
)  # fmt: skip

MODEL = Board(
    uid="driftline-model",
    title="Driftline / Model",
    description="One version of a model: verdicts, drift, performance, data quality, volume",
    variables=(choices.model, choices.version, choices.segment, choices.metric),
    links=(("Fleet", "driftline-fleet"), ("Column", "driftline-column"), ("Service", "driftline-service")),
    annotations=choices.transitions(by="check, severity", where=SEGMENT),
    sections=(
        Section(title="Now", height=4, panels=NOW),
        Section(title="Verdicts", height=7, panels=VERDICTS),
        Section(title="Drift", height=11, panels=drift_panels()),
        Section(title="Columns", height=11, panels=(COLUMNS,)),
        Section(title="Performance", height=9, panels=performance_panels()),
        Section(title="Data quality", height=8, panels=tuple(quality_panel(m, width=6) for m in
                ("missing", "invalid", "unseen", "out_of_range"))),
        Section(title="Volume", height=8, panels=VOLUME),
    ),
)  # fmt: skip
