"""A board as the JSON that Grafana provisions, through the types that Grafana's own schemas generate."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as sdk

from grafana.board import Annotation, Board, Variable
from grafana.drawing_panels import panel_of
from grafana.drawing_source import SOURCE, SOURCE_UID

GRID_WIDTH = 24
_DESCENDING, _ASCENDING = sdk.VariableSort.NATURAL_DESC, sdk.VariableSort.ALPHABETICAL_CASE_INSENSITIVE_ASC


def to_json(board: Board) -> str:
    """The board as text: keys sorted, ids in the order of the panels, so that a change is a small difference."""
    return JSONEncoder(sort_keys=True, indent=2, ensure_ascii=False).encode(_dashboard(board)) + "\n"


def _dashboard(board: Board) -> sdk.Dashboard:
    made = (
        build.Dashboard(board.title)
        .uid(board.uid)
        .description(board.description)
        .tags(["driftline"])
        .time(board.since, "now")
        .refresh(board.refresh)
        .timezone("browser")
        .tooltip(sdk.DashboardCursorSync.CROSSHAIR)
        .editable()
        .links([_link(title, uid) for title, uid in board.links])
        .annotations([_annotation(one) for one in board.annotations])
    )
    made.with_variable(_source_variable())
    for variable in board.variables:
        made.with_variable(_variable(variable))
    found = made.build()
    found.panels = _placed(board)
    for shown in [*(found.links or ()), *_annotations(found)]:
        shown.placement = None  # the builders would hide them in a menu
    return found


def _annotations(dashboard: sdk.Dashboard) -> list[sdk.AnnotationQuery]:
    return list(dashboard.annotations.list_val or ()) if dashboard.annotations is not None else []


def _placed(board: Board) -> list[sdk.Panel | sdk.RowPanel]:
    """Rows and panels with their ids and places: left to right, wrapped at the grid's width."""
    placed: list[sdk.Panel | sdk.RowPanel] = []
    top = 0
    for section in board.sections:
        place = sdk.GridPos(h=1, w=GRID_WIDTH, x=0, y=top)
        placed.append(build.Row(section.title).id(len(placed) + 1).grid_pos(place).build())
        top, left = top + 1, 0
        for panel in section.panels:
            if left + panel.width > GRID_WIDTH:
                top, left = top + section.height, 0
            place = sdk.GridPos(h=section.height, w=panel.width, x=left, y=top)
            placed.append(panel_of(panel, id=len(placed) + 1, place=place))
            left += panel.width
        top += section.height
    return placed


def _link(title: str, uid: str) -> build.DashboardLink:
    """To another dashboard, with what is chosen here."""
    return (
        build.DashboardLink(title).type(sdk.DashboardLinkType.LINK).url(f"/d/{uid}").icon("dashboard")
        .include_vars(True).keep_time(True)
    )  # fmt: skip


def _source_variable() -> build.DatasourceVariable:
    provisioned = sdk.VariableOption(selected=True, text="Driftline", value=SOURCE_UID)
    return build.DatasourceVariable("datasource").label("Data source").type("prometheus").current(provisioned)


def _variable(variable: Variable) -> build.QueryVariable:
    made = (
        build.QueryVariable(variable.name)
        .label(variable.label)
        .description(variable.description)
        .datasource(SOURCE)
        .query({"query": variable.query, "refId": f"variable-{variable.name}"})
        .definition(variable.query)
        .regex(variable.regex)
        .refresh(sdk.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(_DESCENDING if variable.newest_first else _ASCENDING)
    )
    if variable.everything is not None:
        every = sdk.VariableOption(selected=True, text=["All"], value=["$__all"])
        made.include_all(True).all_value(variable.everything).multi(True).current(every)
    elif variable.value:
        made.current(sdk.VariableOption(selected=True, text=variable.text, value=variable.value))
    return made


def _annotation(annotation: Annotation) -> build.AnnotationQuery:
    target = Dataquery().expr(annotation.expr).ref_id("Anno").interval("1m").range()
    return (
        build.AnnotationQuery().name(annotation.name).datasource(SOURCE).enable(True).icon_color(annotation.color)
        .target(target).expr(annotation.expr).step("1m").title_format(annotation.title)
        .text_format(annotation.text).tag_keys(annotation.tags)
    )  # fmt: skip
