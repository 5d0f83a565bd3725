"""A dashboard as one HTML page: its panels at their places in the grid, drawn from the answers to their queries."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from plotly.offline import get_plotlyjs

from grafana.pictures.asking import Prometheus
from grafana.pictures.curves import lines, states
from grafana.pictures.tables import Answers, bars, nothing, table, tiles
from grafana.pictures.variables import Choice, fill

WIDTH, CELL, GAP, TOP = 1600, 30, 8, 96  # pixels; the grid has 24 columns
_STYLE = """
body { margin: 0; background: #111217; color: #ccccdc; font: 13px Inter, "DejaVu Sans", sans-serif; }
header { position: absolute; left: 16px; top: 14px; font-size: 17px; }
nav { position: absolute; left: 16px; top: 52px; } nav span { margin-right: 14px; }
nav b { background: #181b1f; border: 1px solid #34363c; padding: 4px 9px; font-weight: normal; margin-left: 4px; }
section { position: absolute; background: #181b1f; border: 1px solid #25272c; border-radius: 2px; overflow: hidden;
  box-sizing: border-box; }
h2 { font-size: 13px; font-weight: 500; margin: 8px 10px 4px; white-space: nowrap; }
.row { position: absolute; font-size: 15px; left: 16px; }
.body { position: absolute; left: 4px; right: 4px; top: 32px; bottom: 4px; }
.nothing { color: #8e8e99; text-align: center; padding: 40px 30px; }
table { width: 100%; border-collapse: collapse; } th, td { text-align: left; padding: 0 8px; height: 29px;
  border-bottom: 1px solid #25272c; white-space: nowrap; } th { color: #6e9fff; font-weight: 500; }
td.link { color: #6e9fff; } .pages { position: absolute; right: 10px; bottom: 6px; color: #8e8e99; }
.tiles { display: flex; height: 100%; align-items: center; justify-content: space-around; }
.tiles b { font-size: 34px; font-weight: 500; } .tiles span { font-size: 20px; margin-right: 12px; }
.bar { display: flex; align-items: center; height: 24px; margin: 2px 6px; } .bar span { width: 110px; }
.bar i { flex: 1; background: #22252b; height: 18px; } .bar u { display: block; height: 100%; }
.bar b { width: 90px; text-align: right; font-weight: 500; }
"""


def html(board: Mapping[str, Any], *, prometheus: Prometheus, values: Mapping[str, Choice]) -> tuple[str, int]:
    """The page and its height in pixels."""
    parts = [_header(board, values)]
    marks = sorted(
        (at, annotation["iconColor"])
        for annotation in board["annotations"]["list"]
        for _, samples in prometheus.range(fill(annotation["target"]["expr"], values))
        for at, _ in samples
    )
    height = 0
    for panel in board["panels"]:
        place = panel["gridPos"]
        height = max(height, TOP + (place["y"] + place["h"]) * (CELL + GAP))
        if panel["type"] == "row":
            top = TOP + place["y"] * (CELL + GAP) + 8
            parts.append(
                f'<div class=row style="top:{top}px">⌄ {escape(fill(panel["title"], values, shown=True))}</div>'
            )
        else:
            parts.append(_panel(panel, prometheus=prometheus, values=values, marks=marks))
    head = f"<meta charset=utf-8><style>{_STYLE}</style><script>{get_plotlyjs()}</script>"
    return f"<!doctype html><head>{head}</head><body>{''.join(parts)}</body>", height + GAP


def _header(board: Mapping[str, Any], values: Mapping[str, Choice]) -> str:
    chosen = "".join(
        f"<span>{escape(variable['label'])}<b>{escape(values[variable['name']].text)}</b></span>"
        for variable in board["templating"]["list"]
        if variable["name"] in values
    )
    return f"<header>{escape(board['title'])}</header><nav>{chosen}</nav>"


def _panel(
    panel: Mapping[str, Any], *, prometheus: Prometheus, values: Mapping[str, Choice], marks: list[tuple[float, str]]
) -> str:
    place = panel["gridPos"]
    unit = (WIDTH - GAP) / 24
    left, top = GAP + place["x"] * unit, TOP + place["y"] * (CELL + GAP)
    width, height = round(place["w"] * unit - GAP), place["h"] * (CELL + GAP) - GAP
    box = f"left:{left:.0f}px;top:{top}px;width:{width}px;height:{height}px"
    title = escape(fill(panel["title"], values, shown=True))
    body = _body(panel, _answers(panel, prometheus, values), prometheus=prometheus, marks=marks, height=height)
    return f'<section style="{box}"><h2>{title}</h2><div class=body>{body}</div></section>'


def _answers(panel: Mapping[str, Any], prometheus: Prometheus, values: Mapping[str, Choice]) -> Answers:
    """What Prometheus says to each of the panel's queries, at the panel's number of points."""
    points = panel.get("maxDataPoints")
    step = None if points is None else max(prometheus.step, (prometheus.end - prometheus.start) / points)
    return [
        (
            target,
            prometheus.instant(fill(target["expr"], values))
            if target["instant"]
            else prometheus.range(fill(target["expr"], values), step=step),
        )
        for target in panel["targets"]
    ]


def _body(
    panel: Mapping[str, Any], answers: Answers, *, prometheus: Prometheus, marks: list[tuple[float, str]], height: int
) -> str:
    if not any(found for _, found in answers):
        return nothing(panel)
    span = prometheus.start, prometheus.end
    match panel["type"]:
        case "stat":
            return tiles(panel, answers)
        case "bargauge":
            return bars(panel, answers, height=height)
        case "table":
            return table(panel, answers, height=height)
        case "timeseries":
            figure = lines(panel, answers, span=span, marks=marks)
        case _:
            figure = states(panel, answers, span=span)
    figure.update_layout(height=height - 40)
    return str(figure.to_html(full_html=False, include_plotlyjs=False, config={"staticPlot": True}))
