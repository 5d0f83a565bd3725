"""The choices that dashboards share, and the links that keep them."""

from __future__ import annotations

from grafana.board import Annotation, Variable
from grafana.metrics import shared

MODEL = 'model="$model",version="$version"'
SEGMENT = MODEL + ',segment=~"$segment"'
COLUMN = SEGMENT + ',column="$column"'
ALL_TRAFFIC = "()"  # a regular expression that only the empty segment matches

model = Variable(
    name="model", label="Model", query='label_values(driftline_model_info{state!="retired"}, model)',
    description="Every model that has a version which is not retired",
)  # fmt: skip
version = Variable(
    name="version", label="Version", newest_first=True,
    query='label_values(driftline_model_info{model="$model",state!="retired"}, version)',
    description="Its versions, the newest name first",
)  # fmt: skip
# Prometheus has no label whose value is empty, so all traffic would not be among the label's values: text and value
# are made by the query. `\Q…\E` quotes a segment's name for the regular expression that the panels match it by.
segment = Variable(
    name="segment", label="Segment", text="all traffic", value=ALL_TRAFFIC,
    query="query_result(label_replace(label_replace(label_replace(label_replace("
    f"{shared('driftline_check_failing', by='segment', where=MODEL)}, "
    '"value", "\\\\Q$1\\\\E", "segment", "(.+)"), "text", "$1", "segment", "(.+)"), '
    f'"value", "{ALL_TRAFFIC}", "segment", ""), "text", "all traffic", "segment", ""))',
    regex='/text="(?<text>[^"]+)|value="(?<value>[^"]+)/g',
    description="All traffic, or one of the model's segments",
)  # fmt: skip
column = Variable(
    name="column", label="Column", query=f"label_values(driftline_column_status{{{SEGMENT}}}, column)",
    description="The columns on the page of metrics: DRIFTLINE_EXPORT_COLUMNS says how many those are",
)  # fmt: skip
metric = Variable(
    name="metric", label="Performance metric", query=f"label_values(driftline_performance{{{MODEL}}}, metric)",
    text="roc_auc", value="roc_auc", description="What performance is drawn by",
)  # fmt: skip
team = Variable(
    name="team", label="Team", query='label_values(driftline_model_info{state!="retired"}, team)',
    everything=".*", description="Whose models are shown; models without a team are among all",
)  # fmt: skip


def turned(*, by: str, where: str, name: str, color: str, failing: bool) -> Annotation:
    """Marks where a check began to fail, or ended; ``last_over_time`` bridges a restart or a failed scrape."""
    now, before = (1, 0) if failing else (0, 1)
    then = f"last_over_time(driftline_check_failing{{{where}}}[2m] offset $__interval)"
    return Annotation(
        name=name, color=color, tags="check,severity",
        expr=f"{shared('driftline_check_failing', by=by, where=where)} == {now} and max by ({by}) ({then}) == {before}",
        title="{{check}} fails" if failing else "{{check}} is ok again", text="severity {{severity}}",
    )  # fmt: skip


def transitions(*, by: str, where: str) -> tuple[Annotation, Annotation]:
    """Both marks."""
    return (
        turned(by=by, where=where, name="Began to fail", color="red", failing=True),
        turned(by=by, where=where, name="Ended", color="green", failing=False),
    )


def to_board(name: str, **values: str) -> str:
    """The address of another dashboard, with the time range, the data source and these variables."""
    chosen = "".join(f"&var-{variable}={value}" for variable, value in values.items())
    return f"/d/driftline-{name}?${{__url_time_range}}&${{datasource:queryparam}}{chosen}"
