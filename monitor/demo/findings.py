"""What the service found, read back from its API and counted by month and column. Pure but for ``read``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import httpx

from monitor.demo.calendar import TIMEZONE, Calendar

Month = tuple[int, int]  # (year, month) of the flights' own calendar


@dataclass(frozen=True, slots=True, kw_only=True)
class Auc:
    """A month's ROC AUC: the means over its days, each weighed by its rows; ``coverage`` the labelled share."""

    estimated: float | None
    realised: float | None
    coverage: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Days in alarm by check, column and month of 2013. ``judged`` counts the days with a drift verdict by month.

    ``auc`` is what the model was worth, estimated and realised, by month; ``reference_auc`` on the reference.
    """

    days: Mapping[Month, int]
    judged: Mapping[Month, int]
    in_alarm: Mapping[tuple[str, str], Mapping[Month, int]]  # (check, column): days by month
    columns: tuple[str, ...]
    auc: Mapping[Month, Auc] = field(default_factory=dict)
    reference_auc: float | None = None

    @property
    def quiet(self) -> tuple[str, ...]:
        """Columns that no check ever found in alarm."""
        loud = {column for _, column in self.in_alarm}
        return tuple(column for column in self.columns if column not in loud)


def findings_of(rows: Iterable[Mapping[str, Any]], *, calendar: Calendar) -> Findings:
    """Result rows (API 1) of daily windows, counted in the flights' own months."""
    rows = list(rows)
    days: dict[Month, set[date]] = {}
    judged: dict[Month, set[date]] = {}
    alarms: dict[tuple[str, str], dict[Month, set[date]]] = {}
    columns: dict[str, None] = {}
    for row in rows:
        day = calendar.original(day_of(row["window_start"]))
        month = day.year, day.month
        days.setdefault(month, set()).add(day)
        if row["column"]:
            columns.setdefault(row["column"])
        elif row["kind"] == "drift" and row["status"] != "unknown":
            judged.setdefault(month, set()).add(day)
        if row["status"] == "alert":
            alarms.setdefault((row["check"], row["column"]), {}).setdefault(month, set()).add(day)
    return Findings(
        days={month: len(found) for month, found in sorted(days.items())},
        judged={month: len(found) for month, found in sorted(judged.items())},
        in_alarm={key: {m: len(found) for m, found in sorted(by.items())} for key, by in sorted(alarms.items())},
        columns=tuple(columns),
        auc=_auc(rows, calendar=calendar),
        reference_auc=next(
            (row["method"]["reference"] for row in rows if _is_auc(row) and "reference" in row["method"]), None
        ),
    )


def _is_auc(row: Mapping[str, Any]) -> bool:
    return row["metric"] == "roc_auc" and row["kind"] in ("performance", "estimate") and row["value"] is not None


def _auc(rows: Iterable[Mapping[str, Any]], *, calendar: Calendar) -> dict[Month, Auc]:
    """By month, the AUC without and with labels."""
    sums: dict[Month, dict[str, list[tuple[float, int]]]] = {}
    for row in rows:
        if not _is_auc(row) and row["metric"] != "label_coverage":
            continue
        day = calendar.original(day_of(row["window_start"]))
        kind = "coverage" if row["metric"] == "label_coverage" else row["kind"]
        sums.setdefault((day.year, day.month), {}).setdefault(kind, []).append((row["value"], row["rows"]))
    return {
        month: Auc(
            estimated=_mean(by.get("estimate")), realised=_mean(by.get("performance")),
            coverage=_mean(by.get("coverage")) or 0.0,
        )
        for month, by in sorted(sums.items())
    }  # fmt: skip


def _mean(weighed: list[tuple[float, int]] | None) -> float | None:
    """The mean of values with weights; None without any."""
    total = sum(rows for _, rows in weighed or ())
    return sum(value * rows for value, rows in weighed or ()) / total if total else None


def day_of(window_start: str) -> date:
    """The day in New York of a window's start (RFC 3339).

    >>> day_of("2026-06-15T04:00:00Z").isoformat()
    '2026-06-15'
    """
    return datetime.fromisoformat(window_start).astimezone(ZoneInfo(TIMEZONE)).date()


def read(client: httpx.Client, path: str, **query: str) -> list[dict[str, Any]]:
    """Every item of a list route, page after page."""
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        pages = query | {"limit": "10000"} | ({"cursor": cursor} if cursor else {})
        page = client.get(path, params=pages).raise_for_status().json()
        found += page["results"]
        cursor = page["next"]
        if cursor is None:
            return found


def windows_by_state(windows: Iterable[Mapping[str, Any]]) -> Counter[str]:
    """How many windows are in each state."""
    return Counter(window["state"] for window in windows)
