"""*Fleet*: every model at a glance, the worst first; readable at a thousand models."""

from __future__ import annotations

from grafana import choices
from grafana.board import Board, Cell, Panel, Query, Section, Style
from grafana.metrics import added, shared
from grafana.states import COVERAGE, CRITICAL, OK, PLAIN, SHARE_IS_BAD, STALE, STATE, UNDECIDED, WARNING, state

VERSION = "model, version"
TEAM = 'team=~"$team",state!="retired"'
STATES = state(by=VERSION)
SHOWN = 20  # rows of a panel that has one a version
TO_MODEL = choices.to_board("model", model="${__data.fields.Model}", version="${__data.fields.Version}")


def in_team(expr: str) -> str:
    """Those of the expression's versions that belong to the chosen teams."""
    return f"({expr}) and on ({VERSION}) {shared('driftline_model_info', by=VERSION, where=TEAM)}"


def of_version(family: str, *, where: str = "") -> str:
    """One number a version of the chosen teams."""
    return in_team(shared(family, by=VERSION, where=where))


def how_many(value: int) -> str:
    """How many versions of the chosen teams are in that state; 0 where none is."""
    return f"count({in_team(f'{STATES} == {value}')}) or vector(0)"


def counted_by_state() -> str:
    """How many versions are in each state, 0 too, in one query: the states of a thousand versions are dear."""
    counted = f'count_values("state", {in_team(STATES)})'
    for value, text, _ in STATE.words:
        counted = f'label_replace({counted}, "state", "{text}", "state", "{value}")'
    none = [f'label_replace(vector(0), "state", "{text}", "", "")' for _, text, _ in STATE.words]
    return " or ".join([counted, *none])


def furthest(expr: str, ranked: str, *, best: str = "topk") -> str:
    """The series of the ``SHOWN`` versions that are first at the end of the range."""
    return f"{in_team(expr)} and on ({VERSION}) {best}({SHOWN}, {in_team(ranked)})"


COUNTS = tuple(
    Query(expr=how_many(value), legend=legend)
    for value, legend in (
        (CRITICAL, "critical"), (WARNING, "warning"), (STALE, "stale"), (UNDECIDED, "undecided"), (OK, "ok"),
    )
)  # fmt: skip
COLORED = tuple(Style(series=text, color=color) for _, text, color in STATE.words)
NAMED = "{{model}} {{version}}"
INFO = shared("driftline_model_info", by=f"{VERSION}, team, task, state", where=TEAM)
WORST_CHECK = f"topk by ({VERSION}) (1, {in_team(state(by=f'{VERSION}, check') + f' >= {WARNING}')})"
UNDECIDED_CHECKS = f"count by ({VERSION}) ({shared('driftline_check_unknown', by=f'{VERSION}, check')} == 1)"
AGE = f"time() - {shared('driftline_window_end_timestamp_seconds', by=VERSION)}"

RECORDS = ("driftline_records_total", 'result="stored"')
STORED = added(RECORDS[0], by="model", where=RECORDS[1])
STORED_AT_END = added(RECORDS[0], by="model", where=RECORDS[1], at_end=True)
COVERED = of_version("driftline_label_coverage_ratio", where='segment=""')
TO_LABELLED = choices.to_board("model", model="${__field.labels.model}", version="${__field.labels.version}")

TABLE = Panel(
    kind="table", title="Versions, the worst first", width=24, unit="short", worst_first=("State", "Columns failing"),
    description="One row a version that is not retired. State is the worst of its checks (critical and warning are "
    "severities of alert rules), then stale (no records for stale_after), then undecided. Worst check is one of those "
    "that fail at that severity. A click on the model opens it.",
    no_data="No version is exported: no model exists yet, or Prometheus does not scrape Driftline.",
    queries=(
        Query(expr=f"{STATES} * on ({VERSION}) group_left (team, task, state) {INFO}", instant=True),
        Query(expr=WORST_CHECK, instant=True),
        Query(expr=of_version("driftline_check_columns_failing"), instant=True),
        Query(expr=of_version("driftline_columns_drifted_ratio", where='segment=""'), instant=True),
        Query(expr=of_version("driftline_window_rows", where='segment=""'), instant=True),
        Query(expr=in_team(AGE), instant=True),
        Query(expr=COVERED, instant=True),
        Query(expr=in_team(UNDECIDED_CHECKS), instant=True),
    ),
    cells=(
        Cell(source="model", title="Model", link=TO_MODEL, link_title="Open the model"),
        Cell(source="version", title="Version", width=110),
        Cell(source="team", title="Team", width=130),
        Cell(source="Value #A", title="State", scale=STATE, width=110),
        Cell(source="check", title="Worst check", width=150),
        Cell(source="Value #C", title="Columns failing", unit="short", width=140),
        Cell(source="Value #D", title="Share drifted", unit="percentunit", scale=SHARE_IS_BAD, width=120),
        Cell(source="Value #E", title="Rows of the window", unit="short", width=150),
        Cell(source="Value #F", title="Window ended before", unit="s", decimals=1, width=160),
        Cell(source="Value #G", title="Labels", unit="percentunit", scale=COVERAGE, width=90),
        Cell(source="Value #H", title="Undecided checks", unit="short", width=140),
        Cell(source="state", title="Traffic", width=90),
    ),
)  # fmt: skip

FLEET = Board(
    uid="driftline-fleet",
    title="Driftline / Fleet",
    description="Every model that Driftline watches, the worst first",
    variables=(choices.team,),
    links=(("Service", "driftline-service"),),
    annotations=choices.transitions(by="model, version, check, severity", where='severity="critical"'),
    sections=(
        Section(title="Now", height=4, panels=(
            Panel(
                kind="stat", title="Versions by state", width=24, unit="short", decimals=0, queries=COUNTS, scale=PLAIN,
                value_and_name=True, styles=COLORED,
                description="How many versions are in each state; one counts once, at its worst.",
                no_data="Prometheus has no series of Driftline.",
            ),
        )),
        Section(title="Versions", height=12, panels=(TABLE,)),
        Section(title="Over time", height=10, panels=(
            Panel(
                kind="history", title=f"State of the {SHOWN} worst versions", width=16, unit="none", scale=STATE,
                description="The versions that are worst at the end of the time range, and how they got there.",
                no_data="No version is exported.",
                queries=(Query(expr=furthest(STATES, state(by=VERSION, at_end=True)), legend=NAMED),),
                link=TO_LABELLED, link_title="Open the model",
            ),
            Panel(
                kind="timeseries", title="Versions by state", width=8, unit="short", decimals=0, stacked=True,
                description="All versions, each counted at its worst.", no_data="No version is exported.",
                queries=(Query(expr=counted_by_state(), legend="{{state}}"),), styles=COLORED, points=100,
            ),
        )),
        Section(title="Volume, freshness, coverage", height=9, panels=(
            Panel(
                kind="timeseries", title="Records stored a second, the 10 busiest models", width=8, unit="cps",
                description="Records acknowledged by all processes, of those that get most at the end of the time.",
                no_data="No record was stored in this time.",
                queries=(Query(expr=f"{STORED} and on (model) topk(10, {STORED_AT_END})", legend="{{model}}"),),
            ),
            Panel(
                kind="bars", title=f"Newest judged window, the {SHOWN} oldest", width=8, unit="s", decimals=1,
                description="How long ago the newest judged window of a version ended. It is judged after its end "
                "and the model's lateness; a day is normal for daily windows.",
                no_data="No window has been judged yet.", minimum=0, scale=PLAIN,
                queries=(Query(expr=f"sort_desc(topk({SHOWN}, {in_team(AGE)}))", legend=NAMED, instant=True),),
                link=TO_LABELLED, link_title="Open the model",
            ),
            Panel(
                kind="bars", title=f"Labelled share, the {SHOWN} lowest", width=8, unit="percentunit", scale=COVERAGE,
                description="Records that have a label, of the newest window whose labels were due.",
                no_data="No model has labels that were due.", minimum=0, maximum=1,
                queries=(Query(
                    expr=f"sort(bottomk({SHOWN}, {COVERED}))", legend=NAMED, instant=True,
                ),),
                link=TO_LABELLED, link_title="Open the model",
            ),
        )),
    ),
)  # fmt: skip
