"""Panels over time: lines, state timelines and status histories, as figures of plotly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import plotly.graph_objects as go

from grafana.pictures.asking import Series
from grafana.pictures.looks import COLORS, PALETTE, name_of, properties, step_color, word
from grafana.pictures.tables import Answers

GRID, TEXT = "rgba(204,204,220,0.08)", "#ccccdc"
TICKS = {"percentunit": "~%", "s": "~s", "short": "~s", "bytes": "~s", "cps": ".3~g", "reqps": ".3~g", "none": ".3~g"}
Marks = Sequence[tuple[float, str]]  # (seconds, colour)


def named(answers: Answers) -> list[tuple[str, Series]]:
    """Every series with its name."""
    return [
        (name_of(series[0], target.get("legendFormat", "")), series) for target, found in answers for series in found
    ]


def lines(panel: Mapping[str, Any], answers: Answers, *, span: tuple[float, float], marks: Marks) -> go.Figure:
    """Lines, stacked where the panel says so, bands where a series is filled down to another."""
    defaults = panel["fieldConfig"]["defaults"]
    stacked = defaults["custom"].get("stacking", {}).get("mode") == "normal"
    figure = _figure(span)
    series = named(answers)
    palette = dict(zip((name for name, _ in series), PALETTE * (len(series) // len(PALETTE) + 1), strict=False))
    for name, (_, samples) in _bands_last(panel, series):
        own = properties(panel, name)
        color = COLORS[own["color"]["fixedColor"]] if "color" in own else palette[name]
        times, values = _broken(samples)
        figure.add_scatter(
            x=times, y=values, name=name, mode="lines", stackgroup="one" if stacked else None,
            showlegend="custom.hideFrom" not in own, fill="tonexty" if "custom.fillBelowTo" in own else None,
            fillcolor=_faint(color), yaxis="y2" if "custom.axisPlacement" in own else "y",
            line={
                "color": color, "width": own.get("custom.lineWidth", 1.5),
                "dash": "dash" if "custom.lineStyle" in own else "solid",
            },
        )  # fmt: skip
    for at, color in marks:
        figure.add_vline(x=_time(at), line={"color": COLORS[color], "width": 1, "dash": "dot"}, opacity=0.8)
    low, high = defaults.get("min"), defaults.get("max")
    figure.update_yaxes(tickformat=TICKS[defaults["unit"]], gridcolor=GRID, zeroline=False)
    figure.update_layout(
        yaxis={"range": [low, high] if high is not None else None, "rangemode": "tozero" if low == 0 else "normal"},
        yaxis2={"overlaying": "y", "side": "right", "showgrid": False, "rangemode": "tozero", "tickformat": ".3~g"},
    )
    return figure


def states(panel: Mapping[str, Any], answers: Answers, *, span: tuple[float, float]) -> go.Figure:
    """One row a series, one coloured cell a step."""
    defaults = panel["fieldConfig"]["defaults"]
    figure = _figure(span)
    series = sorted(named(answers), key=lambda one: one[0], reverse=True)
    times = sorted({at for _, (_, samples) in series for at, _ in samples})
    colors: list[str] = []
    grid = []
    for _, (_, samples) in series:
        known = dict(samples)
        row: list[int | None] = []
        for at in times:
            if at not in known:
                row.append(None)
                continue
            mapped = word(known[at], defaults.get("mappings", ()))
            color = mapped[1] if mapped else step_color(known[at], defaults["thresholds"]["steps"])
            if color not in colors:
                colors.append(color)
            row.append(colors.index(color))
        grid.append(row)
    last = max(1, len(colors) - 1)
    scale = [[n / last, color] for n, color in enumerate(colors)] if len(colors) > 1 else [[0, c] for c in colors] * 2
    figure.add_heatmap(
        x=[_time(at) for at in times], y=[name or " " for name, _ in series], z=grid, zmin=0, zmax=last,
        colorscale=[[0, scale[0][1]], [1, scale[-1][1]]] if len(colors) < 2 else scale, showscale=False,
        ygap=2, xgap=1 if panel["type"] == "status-history" else 0,
    )  # fmt: skip
    figure.update_yaxes(showgrid=False, automargin=True, tickfont={"size": 11})
    return figure


def _bands_last(panel: Mapping[str, Any], series: list[tuple[str, Series]]) -> list[tuple[str, Series]]:
    """In the order of drawing: what is filled comes right behind what it is filled down to."""
    fills = {
        properties(panel, name)["custom.fillBelowTo"]: name
        for name, _ in series if "custom.fillBelowTo" in properties(panel, name)
    }  # fmt: skip
    known = dict(series)
    ordered = [pair for lower, upper in fills.items() if lower in known for pair in
               ((lower, known[lower]), (upper, known[upper]))]  # fmt: skip
    drawn = {name for name, _ in ordered}
    return ordered + [pair for pair in series if pair[0] not in drawn]


def _broken(samples: Sequence[tuple[float, float]]) -> tuple[list[datetime | None], list[float | None]]:
    """The samples with a gap where several steps are missing: lines do not bridge what nobody saw."""
    step = min((b[0] - a[0] for a, b in pairwise(samples)), default=0.0)
    times: list[datetime | None] = []
    values: list[float | None] = []
    for n, (at, value) in enumerate(samples):
        if n and at - samples[n - 1][0] > 1.5 * step:
            times.append(_time(at - step / 2))
            values.append(None)
        times.append(_time(at))
        values.append(None if value != value else value)
    return times, values


def _figure(span: tuple[float, float]) -> go.Figure:
    figure = go.Figure()
    figure.update_layout(
        paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)", font={"color": TEXT, "size": 11},
        margin={"l": 8, "r": 12, "t": 6, "b": 4}, showlegend=True,
        legend={"orientation": "h", "y": -0.16, "x": 0, "font": {"size": 11}},
        xaxis={"range": [_time(span[0]), _time(span[1])], "gridcolor": GRID, "tickformat": "%m/%d"},
    )  # fmt: skip
    figure.update_yaxes(automargin=True)
    return figure


def _faint(color: str) -> str:
    red, green, blue = (int(color[n : n + 2], 16) for n in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.2)"


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
