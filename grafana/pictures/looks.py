"""Colours, numbers and names as Grafana shows them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

COLORS = {
    "green": "#73BF69", "yellow": "#FADE2A", "orange": "#FF9830", "red": "#F2495C", "blue": "#5794F2",
    "purple": "#B877D9", "text": "#ccccdc",
}  # fmt: skip
PALETTE = ("#73BF69", "#F2CC0C", "#8AB8FF", "#FF780A", "#F2495C", "#5794F2", "#B877D9", "#705DA0", "#37872D", "#C0D8FF")
_LARGE = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K"))
_BYTES = ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))
_LONG = ((86_400, "days"), (3_600, "hours"), (60, "mins"))
_SUFFIX = {"cps": " c/s", "reqps": " req/s"}


def number(value: float, *, unit: str, decimals: int | None = None) -> str:
    """The value with its unit.

    >>> number(0.125, unit="percentunit"), number(90, unit="s"), number(21500, unit="short")
    ('12.5%', '1.5 mins', '21.5 K')
    """
    if unit == "percentunit":
        return f"{_rounded(value * 100, decimals if decimals is not None else 1)}%"
    if unit == "s" and value < 60:
        return f"{_rounded(value, 2)} s" if value >= 1 else f"{_rounded(value * 1000, 1)} ms"
    for table in ({"s": _LONG, "bytes": _BYTES, "short": _LARGE}.get(unit, ()),):
        for size, name in table:
            if abs(value) >= size:
                return f"{_rounded(value / size, decimals if decimals is not None else 1)} {name}"
    return _rounded(value, decimals if decimals is not None else 2) + _SUFFIX.get(unit, "")


def _rounded(value: float, decimals: int) -> str:
    text = f"{value:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def step_color(value: float, steps: Sequence[Mapping[str, Any]]) -> str:
    """The colour of the last step that the value has reached."""
    reached = [step["color"] for step in steps if step.get("value") is None or value >= step["value"]]
    return COLORS[reached[-1]]


def word(value: float, mappings: Sequence[Mapping[str, Any]]) -> tuple[str, str] | None:
    """The text and colour that a value is mapped to."""
    for mapping in mappings:
        found = mapping["options"].get(f"{value:.0f}")
        if found is not None:
            return found["text"], COLORS[found["color"]]
    return None


def name_of(labels: Mapping[str, str], legend: str) -> str:
    """The legend with the labels filled in.

    >>> name_of({"model": "churn"}, "{{model}} {{gone}}")
    'churn '
    """
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda match: labels.get(match[1], ""), legend)


def properties(panel: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What the panel's overrides say of the series or column of that name."""
    found: dict[str, Any] = {}
    for override in panel["fieldConfig"]["overrides"]:
        wanted = override["matcher"]["options"]
        regular = override["matcher"]["id"] == "byRegexp"
        if re.search(wanted.strip("/"), name) if regular else wanted == name:
            found |= {one["id"]: one["value"] for one in override["properties"]}
    return found
