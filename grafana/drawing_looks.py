"""Colours, thresholds and what single series or cells have of their own."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models import dashboard as sdk

from grafana.board import Cell, Panel, Scale, Style

Override = tuple[sdk.MatcherConfig, list[sdk.DynamicConfigValue]]
EMPTY_CELL = "–"


def color_of(mode: str) -> build.FieldColor:
    """By thresholds, or one colour a series."""
    return build.FieldColor().mode(sdk.FieldColorModeId(mode))


def thresholds_of(scale: Scale) -> build.ThresholdsConfig:
    """The steps of the scale; a scale of words steps from word to word."""
    steps = scale.steps or tuple((value or None, color) for value, _, color in scale.words)
    return build.ThresholdsConfig().mode(sdk.ThresholdsMode.ABSOLUTE).steps(
        [sdk.Threshold(value=value, color=color) for value, color in steps]
    )  # fmt: skip


def mappings_of(scale: Scale) -> list[sdk.ValueMapping]:
    """Words for whole values, in their colours."""
    if not scale.words:
        return []
    results = {
        str(value): sdk.ValueMappingResult(text=text, color=color, index=place)
        for place, (value, text, color) in enumerate(scale.words)
    }
    return [sdk.ValueMap(options=results)]


def overrides_of(panel: Panel) -> list[Override]:
    """Of series by their styles, of a table's columns by their cells."""
    return [_style(style) for style in panel.styles] + [_cell(cell) for cell in panel.cells]


def _style(style: Style) -> Override:
    found: dict[str, object] = {}
    if style.color is not None:
        found["color"] = {"mode": "fixed", "fixedColor": style.color}
    if style.dashed:
        found["custom.lineStyle"] = {"fill": "dash", "dash": [8, 6]}
    if style.hidden_line:
        found |= {"custom.lineWidth": 0, "custom.hideFrom": {"legend": True, "tooltip": False, "viz": False}}
    if style.fill_to is not None:
        found |= {"custom.fillBelowTo": style.fill_to, "custom.fillOpacity": 20}
    if style.right:
        found["custom.axisPlacement"] = "right"
    matcher = "byRegexp" if style.series.startswith("/") else "byName"
    return sdk.MatcherConfig(id_val=matcher, options=style.series), _properties(found)


def _cell(cell: Cell) -> Override:
    found: dict[str, object] = {"unit": cell.unit, "noValue": EMPTY_CELL}
    if cell.decimals is not None:
        found["decimals"] = cell.decimals
    if cell.width is not None:
        found["custom.width"] = cell.width
    if cell.scale is not None:
        found["thresholds"] = thresholds_of(cell.scale).build()
        found["mappings"] = mappings_of(cell.scale)
        found["color"] = {"mode": "thresholds"}
        found["custom.cellOptions"] = {"type": "color-text"}
    if cell.link is not None:
        found["links"] = [{"title": cell.link_title, "url": cell.link}]
    return sdk.MatcherConfig(id_val="byName", options=cell.title), _properties(found)


def _properties(found: dict[str, object]) -> list[sdk.DynamicConfigValue]:
    return [sdk.DynamicConfigValue(id_val=id, value=value) for id, value in found.items()]
