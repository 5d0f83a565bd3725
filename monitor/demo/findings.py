"""What the service found, read back from its API and counted by month and column. Pure but for ``read``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import httpx

from monitor.demo.calendar import TIMEZONE, Calendar

Month = tuple[int, int]  # (year, month) of the flights' own calendar


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Days in alarm by check, column and month of 2013. ``judged`` counts the days with a drift verdict by month."""

    days: Mapping[Month, int]
    judged: Mapping[Month, int]
    in_alarm: Mapping[tuple[str, str], Mapping[Month, int]]  # (check, column): days by month
    columns: tuple[str, ...]

    @property
    def quiet(self) -> tuple[str, ...]:
        """Columns that no check ever found in alarm."""
        loud = {column for _, column in self.in_alarm}
        return tuple(column for column in self.columns if column not in loud)


def findings_of(rows: Iterable[Mapping[str, Any]], *, calendar: Calendar) -> Findings:
    """Result rows (API 1) of daily windows, counted in the flights' own months."""
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
    )


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
