"""What a dashboard is made of, as data: no line here knows Grafana's JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["stat", "table", "timeseries", "timeline", "history", "bars"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Colours of values: ``steps`` from a value on (the first from anywhere), ``words`` of whole values."""

    steps: tuple[tuple[float | None, str], ...] = ()
    words: tuple[tuple[int, str, str], ...] = ()  # (value, text, colour)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A PromQL expression; ``legend`` names its series, ``instant`` asks for the newest value only."""

    expr: str
    legend: str = ""
    instant: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How the series whose name matches ``series`` (a regular expression) are drawn."""

    series: str
    color: str | None = None
    dashed: bool = False
    hidden_line: bool = False
    fill_to: str | None = None  # the series that the area reaches down to
    right: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A column of a table: a label of the queries, or ``Value #A`` of query A, under a title."""

    source: str
    title: str
    unit: str = "none"
    decimals: int | None = None
    scale: Scale | None = None
    width: int | None = None
    link: str | None = None
    link_title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel; ``width`` of 24, ``no_data`` is shown where there is nothing to draw."""

    kind: Kind
    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]
    no_data: str
    width: int = 12
    decimals: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    scale: Scale | None = None
    styles: tuple[Style, ...] = ()
    cells: tuple[Cell, ...] = ()
    worst_first: tuple[str, ...] = ()  # titles of cells to sort by, largest first
    stacked: bool = False
    points: int | None = None  # at most so many a series: for queries that touch a whole fleet
    value_and_name: bool = False
    link: str | None = None
    link_title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Panels under one heading, left to right, all ``height`` rows of Grafana's grid high."""

    title: str
    panels: tuple[Panel, ...]
    height: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A choice at the top of the page, asked again when the time range changes.

    ``regex`` takes text and value out of the answers; ``everything`` is what the choice *All* stands for.
    """

    name: str
    label: str
    query: str
    description: str
    regex: str = ""
    everything: str | None = None
    newest_first: bool = False
    text: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """Marks on the time axis where ``expr`` has a sample."""

    name: str
    expr: str
    title: str
    text: str
    tags: str
    color: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """A dashboard: its identity, its choices, its panels."""

    uid: str
    title: str
    description: str
    variables: tuple[Variable, ...]
    sections: tuple[Section, ...]
    annotations: tuple[Annotation, ...] = ()
    links: tuple[tuple[str, str], ...] = field(default=())  # (title, uid) of other dashboards
    since: str = "now-7d"
    refresh: str = "1m"
