"""A panel as Grafana's type of it, kind by kind."""

from __future__ import annotations

from collections.abc import Callable
from string import ascii_uppercase
from typing import Any

from grafana_foundation_sdk.builders import bargauge, common, stat, statetimeline, statushistory, table, timeseries
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.cog import builder as cog
from grafana_foundation_sdk.models import common as sdk_common
from grafana_foundation_sdk.models import dashboard as sdk
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from grafana.board import Panel, Query
from grafana.drawing_looks import color_of, mappings_of, overrides_of, thresholds_of
from grafana.drawing_source import SOURCE

# Builders of the SDK share their methods by name and not by type.
Builder = Any
HISTORY_POINTS = 100  # a status history with more than a point a pixel shows an error instead


def panel_of(panel: Panel, *, id: int, place: sdk.GridPos) -> sdk.Panel:
    """The panel, at its place."""
    made = _KINDS[panel.kind](panel)
    made.id(id).grid_pos(place).title(panel.title).description(panel.description).datasource(SOURCE)
    made.unit(panel.unit).no_value(panel.no_data)
    for number, value in ((made.decimals, panel.decimals), (made.min, panel.minimum), (made.max, panel.maximum)):
        if value is not None:
            number(value)
    if panel.scale is not None:
        made.thresholds(thresholds_of(panel.scale)).mappings(mappings_of(panel.scale))
        made.color_scheme(color_of("thresholds"))
    else:
        made.color_scheme(color_of("palette-classic"))
    for name, query in zip(ascii_uppercase, panel.queries, strict=False):
        made.with_target(_query(query, panel=panel, name=name))
    for matcher, properties in overrides_of(panel):
        made.with_override(matcher, properties)
    found: sdk.Panel = made.build()
    if panel.points is not None:
        found.max_data_points = panel.points
    if panel.link is not None and found.field_config is not None:
        links: list[Any] = [{"title": panel.link_title, "url": panel.link}]  # the SDK's type is of dashboards' links
        found.field_config.defaults.links = links
    return found


def _query(query: Query, *, panel: Panel, name: str) -> Dataquery:
    made = Dataquery().expr(query.expr).ref_id(name).datasource(SOURCE)
    if query.legend:
        made.legend_format(query.legend)
    if panel.kind == "table":
        return made.instant().format(PromQueryFormat.TABLE)
    return made.instant() if query.instant or panel.kind == "stat" else made.range()


def _newest() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"]).values(False)


def _stat(panel: Panel) -> Builder:
    named = sdk_common.BigValueTextMode.VALUE_AND_NAME if panel.value_and_name else sdk_common.BigValueTextMode.VALUE
    return (
        stat.Panel().graph_mode(sdk_common.BigValueGraphMode.NONE).color_mode(sdk_common.BigValueColorMode.VALUE)
        .text_mode(named).reduce_options(_newest())
    )  # fmt: skip


def _bars(panel: Panel) -> Builder:
    return (
        bargauge.Panel().orientation(sdk_common.VizOrientation.HORIZONTAL).reduce_options(_newest())
        .display_mode(sdk_common.BarGaugeDisplayMode.BASIC).name_placement(sdk_common.BarGaugeNamePlacement.LEFT)
    )  # fmt: skip


def _timeline(panel: Panel) -> Builder:
    return (
        statetimeline.Panel().merge_values(True).show_value(sdk_common.VisibilityMode.NEVER).row_height(0.85)
        .per_page(20).fill_opacity(85).legend(_legend())
    )  # fmt: skip


def _history(panel: Panel) -> Builder:
    return (
        statushistory.Panel().show_value(sdk_common.VisibilityMode.NEVER).row_height(0.9).col_width(1).per_page(40)
        .fill_opacity(85).legend(_legend()).max_data_points(HISTORY_POINTS)
    )  # fmt: skip


def _timeseries(panel: Panel) -> Builder:
    made = (
        timeseries.Panel().line_width(1).fill_opacity(30 if panel.stacked else 0).span_nulls(False)
        .show_points(sdk_common.VisibilityMode.AUTO).legend(_legend())
        .tooltip(
            common.VizTooltipOptions().mode(sdk_common.TooltipDisplayMode.MULTI)
            .sort(sdk_common.SortOrder.DESCENDING)
        )
    )  # fmt: skip
    if panel.stacked:
        made.stacking(common.StackingConfig().mode(sdk_common.StackingMode.NORMAL).group("A"))
    return made


def _legend() -> common.VizLegendOptions:
    return (
        common.VizLegendOptions().display_mode(sdk_common.LegendDisplayMode.LIST)
        .placement(sdk_common.LegendPlacement.BOTTOM).show_legend(True)
    )  # fmt: skip


def _table(panel: Panel) -> Builder:
    sources = [cell.source for cell in panel.cells]
    organized = {
        "indexByName": {source: place for place, source in enumerate(sources)},
        "renameByName": {cell.source: cell.title for cell in panel.cells},
        "excludeByName": {},
    }
    transformations: list[tuple[str, object]] = [
        ("merge", {}),
        ("filterFieldsByName", {"include": {"names": sources}}),
        ("organize", organized),
    ]
    sorting: list[cog.Builder[sdk_common.TableSortByFieldState]] = [
        common.TableSortByFieldState().display_name(title).desc(True) for title in panel.worst_first
    ]
    return (
        table.Panel().filterable(True).cell_height(sdk_common.TableCellHeight.SM).show_header(True)
        .footer(common.TableFooterOptions().enable_pagination(True)).sort_by(sorting)
        .transformations([sdk.DataTransformerConfig(id_val=id, options=options) for id, options in transformations])
    )  # fmt: skip


_KINDS: dict[str, Callable[[Panel], Builder]] = {
    "stat": _stat, "bars": _bars, "timeline": _timeline, "history": _history, "timeseries": _timeseries,
    "table": _table,
}  # fmt: skip
