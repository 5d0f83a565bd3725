"""Panels that are text: tables, tiles and bars as HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from html import escape
from typing import Any

from grafana.pictures.asking import Series
from grafana.pictures.looks import COLORS, name_of, number, properties, step_color, word

Answers = Sequence[tuple[Mapping[str, Any], list[Series]]]  # each target with its series
ROW_PIXELS = 30


def merged(answers: Answers) -> list[dict[str, Any]]:
    """Rows by model and version, or by column: the transformation *merge* of instant answers."""
    rows: dict[tuple[str, ...], dict[str, Any]] = {}
    for target, found in answers:
        for labels, samples in found:
            key = tuple(labels.get(name, "") for name in ("model", "version", "column"))
            rows.setdefault(key, {}).update(labels | {f"Value #{target['refId']}": samples[-1][1]})
    return list(rows.values())


def table(panel: Mapping[str, Any], answers: Answers, *, height: int) -> str:
    """The rows that fit, in the panel's order."""
    organized = next(t["options"] for t in panel["transformations"] if t["id"] == "organize")
    places = organized["indexByName"]
    titles = {source: organized["renameByName"][source] for source in sorted(places, key=places.__getitem__)}
    sources = {title: source for source, title in titles.items()}
    rows = merged(answers)
    for sort in reversed(panel["options"]["sortBy"]):
        source = sources[sort["displayName"]]
        rows = sorted(rows, key=partial(_placed, source=source), reverse=sort["desc"])
    shown = rows[: (height - 110) // ROW_PIXELS]
    head = "".join(f"<th>{escape(title)}</th>" for title in titles.values())
    body = "".join(
        "<tr>" + "".join(_cell(panel, title, row.get(source)) for source, title in titles.items()) + "</tr>"
        for row in shown
    )
    return f"<table><tr>{head}</tr>{body}</table><div class=pages>1 – {len(shown)} of {len(rows)} rows</div>"


def _placed(row: Mapping[str, Any], *, source: str) -> float:
    return float(row.get(source, "-inf"))


def _cell(panel: Mapping[str, Any], title: str, value: Any) -> str:
    own = properties(panel, title)
    if value is None or value == "":
        return f"<td>{own['noValue']}</td>"
    if isinstance(value, str):
        return f'<td class="{"link" if "links" in own else ""}">{escape(value)}</td>'
    text, color = _text(value, own)
    return f'<td style="color:{color}">{escape(text)}</td>'


def _text(value: float, own: Mapping[str, Any]) -> tuple[str, str]:
    mapped = word(value, own.get("mappings", ()))
    if mapped is not None:
        return mapped
    steps = own.get("thresholds", {}).get("steps")
    color = step_color(value, steps) if steps else COLORS["text"]
    return number(value, unit=own["unit"], decimals=own.get("decimals")), color


def tiles(panel: Mapping[str, Any], answers: Answers) -> str:
    """The newest value of each query, large."""
    defaults = panel["fieldConfig"]["defaults"]
    made = []
    for target, found in answers:
        for labels, samples in found:
            name = name_of(labels, target.get("legendFormat", ""))
            text, color = _text(samples[-1][1], defaults)
            color = COLORS[properties(panel, name).get("color", {}).get("fixedColor", "")] if (
                "color" in properties(panel, name)
            ) else color  # fmt: skip
            label = f"<span>{escape(name)}</span>" if panel["options"]["textMode"] == "value_and_name" else ""
            made.append(f'<div style="color:{color}">{label}<b>{escape(text)}</b></div>')
    return f"<div class=tiles>{''.join(made)}</div>" if made else nothing(panel)


def bars(panel: Mapping[str, Any], answers: Answers, *, height: int) -> str:
    """A bar for each series, in the order of the answer, as many as fit."""
    defaults = panel["fieldConfig"]["defaults"]
    found = [
        (name_of(labels, target["legendFormat"]), samples[-1][1])
        for target, some in answers
        for labels, samples in some
    ]
    if not found:
        return nothing(panel)
    most = defaults.get("max") or max(value for _, value in found) or 1.0
    shown = found[: (height - 50) // 26]
    made = []
    for name, value in shown:
        color = step_color(value, defaults["thresholds"]["steps"])
        text = number(value, unit=defaults["unit"], decimals=defaults.get("decimals"))
        width = max(0.5, min(100.0, 100.0 * value / most))
        made.append(
            f"<div class=bar><span>{escape(name)}</span><i><u style='width:{width:.1f}%;background:{color}'></u></i>"
            f"<b style='color:{color}'>{escape(text)}</b></div>"
        )
    return "".join(made)


def nothing(panel: Mapping[str, Any]) -> str:
    """What the panel says where there is nothing to draw."""
    return f"<div class=nothing>{escape(panel['fieldConfig']['defaults']['noValue'])}</div>"
