"""A Prometheus to ask: instants, ranges, the values of labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

Series = tuple[dict[str, str], list[tuple[float, float]]]  # labels, (seconds, value) in order of time


class QueryFailed(Exception):
    """Prometheus did not answer a query; the message has both."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prometheus:
    """Its HTTP API, as Grafana uses it; ``start``, ``end`` and ``step`` (seconds) are the time range shown."""

    url: str
    start: float
    end: float
    step: float

    def instant(self, expr: str) -> list[Series]:
        """Every series at the end of the range."""
        found = self._ask("query", query=expr, time=self.end)["result"]
        return [(one["metric"], [_sample(one["value"])]) for one in found]

    def range(self, expr: str, *, step: float | None = None) -> list[Series]:
        """Every series over the range."""
        found = self._ask("query_range", query=expr, start=self.start, end=self.end, step=step or self.step)["result"]
        return [(one["metric"], [_sample(pair) for pair in one["values"]]) for one in found]

    def label_values(self, selector: str, *, label: str) -> list[str]:
        """The values that the label has in series of the selector within the range, sorted."""
        return sorted(self._ask(f"label/{label}/values", **{"match[]": selector, "start": self.start, "end": self.end}))

    def _ask(self, call: str, **parameters: Any) -> Any:
        answer = httpx.get(f"{self.url}/api/v1/{call}", params=parameters, timeout=60)
        if answer.status_code != 200:
            raise QueryFailed(f"{call} {parameters}: {answer.status_code} {answer.text[:500]}")
        return answer.json()["data"]


def _sample(pair: list[Any]) -> tuple[float, float]:
    return float(pair[0]), float(pair[1])
