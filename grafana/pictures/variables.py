"""Template variables as Grafana resolves them: options from a query, the choice, its text in a query.

Sources: Grafana's documentation of variables (``label_values``, ``query_result``, named capture groups, the custom all
value) and of the Prometheus data source's interpolation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from grafana.pictures.asking import Prometheus

_LABEL_VALUES = re.compile(r"label_values\((.*),\s*(\w+)\)", re.DOTALL)
_QUERY_RESULT = re.compile(r"query_result\((.*)\)", re.DOTALL)
_NAME = re.compile(r"\$(\w+)|\$\{(\w+)(?::(\w+))?\}")
SCRAPE_SECONDS = 15.0  # timeInterval of the provisioned data source


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What is chosen: the text that is shown, and what queries are filled in with."""

    text: str
    value: str


def choices(
    board: Mapping[str, Any], *, prometheus: Prometheus, wanted: Mapping[str, str] | None = None
) -> dict[str, Choice]:
    """Every variable of the dashboard, in order; ``wanted`` names the texts to choose where not the default."""
    found = built_in(prometheus)
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            found[variable["name"]] = _choice(variable, prometheus, found, (wanted or {}).get(variable["name"]))
    return found


def built_in(prometheus: Prometheus, *, scrape_seconds: float = SCRAPE_SECONDS) -> dict[str, Choice]:
    """``$__interval``, ``$__rate_interval`` and ``$__range`` of the time range."""
    step = max(prometheus.step, scrape_seconds)
    seconds = {
        "__interval": step,
        "__rate_interval": max(step + scrape_seconds, 4 * scrape_seconds),
        "__range": prometheus.end - prometheus.start,
    }
    return {name: Choice(text=f"{value:.0f}s", value=f"{value:.0f}s") for name, value in seconds.items()}


def fill(text: str, values: Mapping[str, Choice], *, shown: bool = False) -> str:
    """The text with every known variable filled in: its value in queries, its text where it is ``shown``.

    >>> fill('m{model="$model"}[$__range] $1', {"model": Choice(text="a", value="a")})
    'm{model="a"}[$__range] $1'
    """

    def one(match: re.Match[str]) -> str:
        choice = values.get(match[1] or match[2])
        if choice is None:
            return match[0]
        return choice.text if shown else escaped(choice.value)

    return _NAME.sub(one, text)


def escaped(value: str) -> str:
    r"""A value inside the quotes of a matcher: Grafana doubles backslashes and escapes quotes.

    >>> escaped(r"\Qa\E")
    '\\\\Qa\\\\E'
    """
    return value.replace("\\", "\\\\").replace('"', '\\"')


def options(variable: Mapping[str, Any], *, prometheus: Prometheus, values: Mapping[str, Choice]) -> list[Choice]:
    """What there is to choose from, in the variable's order."""
    query = fill(variable["query"]["query"], values)
    if match := _LABEL_VALUES.fullmatch(query):
        found = [Choice(text=value, value=value) for value in prometheus.label_values(match[1], label=match[2])]
    elif match := _QUERY_RESULT.fullmatch(query):
        texts = [_as_text(labels) for labels, _ in prometheus.instant(match[1])]
        found = [choice for text in texts if (choice := _captured(variable["regex"], text)) is not None]
    else:
        raise ValueError(f"variable {variable['name']!r} is asked by {query!r}: expected label_values or query_result")
    return sorted(found, key=lambda one: _in_order(one.text), reverse=variable["sort"] == _NATURAL_DESCENDING)


_NATURAL_DESCENDING = 8


def _choice(
    variable: Mapping[str, Any], prometheus: Prometheus, values: Mapping[str, Choice], wanted: str | None
) -> Choice:
    """What is wanted; else the default while it is among the options; else the first."""
    if variable.get("includeAll") and wanted is None:
        return Choice(text="All", value=variable["allValue"])
    found = options(variable, prometheus=prometheus, values=values)
    if not found:
        raise ValueError(f"variable {variable['name']!r} has no options: {variable['query']['query']}")
    name = wanted if wanted is not None else variable.get("current", {}).get("text")
    chosen = [one for one in found if one.text == name]
    if wanted is not None and not chosen:
        raise ValueError(f"variable {variable['name']!r} has no option {wanted!r}: {[one.text for one in found]}")
    return (chosen or found)[0]


def _as_text(labels: Mapping[str, str]) -> str:
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels.items()) + "}"


def _captured(regex: str, text: str) -> Choice | None:
    """Text and value from the named groups of a regular expression between slashes."""
    pattern = re.sub(r"\(\?<(\w+)>", r"(?P<\1>", regex.strip("/").removesuffix("/g"))
    groups: dict[str, str] = {}
    for match in re.finditer(pattern, text):
        groups |= {name: value for name, value in match.groupdict().items() if value}
    if not groups:
        return None
    value = groups.get("value") or groups["text"]
    return Choice(text=groups.get("text") or value, value=value)


def _in_order(text: str) -> list[tuple[int, str]]:
    """Natural order: numbers by their value."""
    parts = re.split(r"(\d+)", text.casefold())
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]
