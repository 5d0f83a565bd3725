"""Baselines: what may be said, and which windows a rule means, held against a calendar walked by hand."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitor.model.baseline import FIELDS, KINDS, Baseline, fit, parse_baseline
from monitor.model.calendar import held_against, places
from monitor.model.errors import InvalidInput
from monitor.model.time import HOUR_US, from_us, parse_instant
from monitor.model.window import WindowSpec

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia")
SPRING = parse_instant("2026-03-29T00:00:00Z")  # in Berlin 02:00 does not come that day
AUTUMN = parse_instant("2026-10-25T00:00:00Z")  # and on that one twice


def walked(start_us, *, spec, days, count, gap):
    """Windows that hold, on the days before, the wall-clock time of this one's middle: every window looked at."""
    zone = ZoneInfo(spec.timezone)
    middle = from_us((start_us + spec.end_of(start_us)) // 2).astimezone(zone).replace(tzinfo=None)
    wanted = [middle - timedelta(days=days * step) for step in range(gap + 1, gap + count + 1)]
    found = dict.fromkeys(wanted)
    at_us = spec.start_of(start_us - (days * (gap + count) + 3) * 24 * HOUR_US)
    minute = timedelta(minutes=1)
    while at_us < start_us:
        end_us = spec.end_of(at_us)
        instants = [from_us(at_us) + minute * k for k in range((end_us - at_us) // 60_000_000)]
        walls = {instant.astimezone(zone).replace(tzinfo=None) for instant in instants}
        for wall in walls & set(wanted):
            if found[wall] is None:  # of an hour that comes twice the first
                found[wall] = at_us
        at_us = end_us
    return tuple(found[wall] for wall in wanted if found[wall] is not None)


@settings(max_examples=40, deadline=None)
@given(
    hour=st.integers(0, 24 * 365 * 2), zone=st.sampled_from(ZONES), length=st.sampled_from(["30m", "1h", "3h", "6h"]),
    kind=st.sampled_from(["same_hour", "same_hour_of_week"]), count=st.integers(1, 4), gap=st.integers(0, 2),
)  # fmt: skip
@example(hour=0, zone="UTC", length="1h", kind="same_hour", count=1, gap=0)
def test_the_same_hour_is_the_window_that_holds_the_same_wall_clock_time(hour, zone, length, kind, count, gap):
    spec = WindowSpec(length=length, timezone=zone)
    start = spec.start_of(parse_instant("2025-01-01T00:00:00Z") + hour * HOUR_US)
    days = 1 if kind == "same_hour" else 7
    chosen = places(Baseline(kind=kind, windows=count, gap=gap), start_us=start, spec=spec)
    assert chosen == walked(start, spec=spec, days=days, count=count, gap=gap)


@pytest.mark.parametrize("around", [SPRING, AUTUMN])
@pytest.mark.parametrize("length", ["1h", "6h"])
def test_clock_changes_are_walked_over_hour_by_hour(around, length):
    spec = WindowSpec(length=length, timezone="Europe/Berlin")
    for step in range(-6, 54, 6 if length == "6h" else 1):
        start = spec.start_of(around + step * HOUR_US)
        chosen = places(Baseline(kind="same_hour", windows=3), start_us=start, spec=spec)
        assert chosen == walked(start, spec=spec, days=1, count=3, gap=0)


def test_an_hour_that_did_not_come_is_left_out_and_one_that_came_twice_is_the_first():
    spec = WindowSpec(length="1h", timezone="Europe/Berlin")
    day = Baseline(kind="same_hour", windows=1)
    assert places(day, start_us=parse_instant("2026-03-30T00:00:00Z"), spec=spec) == ()  # 02:00 on the day after
    second = parse_instant("2026-10-26T01:00:00Z")  # 02:00 the day after the 02:00 that came twice
    assert places(day, start_us=second, spec=spec) == (parse_instant("2026-10-25T00:00:00Z"),)


@settings(max_examples=60, deadline=None)
@given(
    day=st.integers(0, 800), zone=st.sampled_from(ZONES), windows=st.integers(1, 5), gap=st.integers(0, 2)
)  # fmt: skip
def test_the_same_day_of_the_week_is_that_date_whatever_the_clock(day, zone, windows, gap):
    spec, tz = WindowSpec(length="1d", timezone=zone), ZoneInfo(zone)
    start = spec.start_of(parse_instant("2025-01-01T12:00:00Z") + day * 24 * HOUR_US)
    own = from_us(start).astimezone(tz).date()
    chosen = places(Baseline(kind="same_day_of_week", windows=windows, gap=gap), start_us=start, spec=spec)
    weeks = range(gap + 1, gap + windows + 1)
    dates = [from_us(at).astimezone(tz).date() for at in chosen]
    assert dates == [own - timedelta(days=7 * week) for week in weeks]
    assert all(spec.start_of(at) == at for at in chosen)


@settings(max_examples=60, deadline=None)
@given(
    hour=st.integers(0, 24 * 365 * 2), zone=st.sampled_from(ZONES), windows=st.integers(1, 4), gap=st.integers(0, 2),
    rule=st.sampled_from([("same_hour", "1h"), ("same_hour", "6h"), ("same_hour", "30m"), ("rolling", "1h"),
                          ("rolling", "1mo"), ("previous", "1d"), ("same_hour_of_week", "3h"),
                          ("same_day_of_week", "1d")]),
)  # fmt: skip
def test_whoever_is_held_against_a_window_is_told_when_it_changes(hour, zone, windows, gap, rule):
    kind, length = rule
    spec = WindowSpec(length=length, timezone=zone)
    baseline = Baseline(kind=kind) if kind == "previous" else Baseline(kind=kind, windows=windows, gap=gap)
    start = spec.start_of(parse_instant("2025-01-01T00:00:00Z") + hour * HOUR_US)
    for there in places(baseline, start_us=start, spec=spec):
        assert start in held_against(baseline, start_us=there, spec=spec)
    for later in held_against(baseline, start_us=start, spec=spec):
        assert start in places(baseline, start_us=later, spec=spec)


def test_windows_before_are_counted_along_the_calendar():
    month = WindowSpec(length="1mo", timezone="Europe/Berlin")
    start = month.start_of(parse_instant("2026-04-15T00:00:00Z"))
    chosen = places(Baseline(kind="rolling", windows=2, gap=1), start_us=start, spec=month)
    zone = ZoneInfo("Europe/Berlin")
    assert [from_us(at).astimezone(zone) for at in chosen] == [
        datetime(2026, 2, 1, tzinfo=zone), datetime(2026, 1, 1, tzinfo=zone)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("shape", "part"),
    [
        ("rolling", "expected an object"),
        ({}, "kind"),
        ({"kind": "same_our"}, "did you mean 'same_hour'"),
        ({"kind": "rolling", "window": 3}, "did you mean 'windows'"),
        ({"kind": "previous", "windows": 3}, "takes nothing else"),
        ({"kind": "rolling", "windows": 0}, "from 1 to 720"),
        ({"kind": "rolling", "windows": 3, "min_windows": 4}, "from 1 to 3"),
        ({"kind": "rolling", "windows": True}, "whole number"),
        ({"kind": "rolling", "gap": -1}, "from 0"),
        ({"kind": "rolling", "skip": "alerts"}, "did you mean 'alert'"),
    ],
)
def test_what_is_wrong_is_said_with_what_is_expected(shape, part):
    with pytest.raises(InvalidInput, match=part):
        parse_baseline(shape)


def test_what_is_not_said_is_filled_in_and_shapes_that_mean_the_same_have_one_text():
    assert parse_baseline({"kind": "rolling"}).to_json() == {
        "kind": "rolling", "windows": 28, "gap": 1, "min_windows": 7, "skip": "alert"
    }  # fmt: skip
    assert parse_baseline({"windows": 28, "kind": "rolling"}).text == parse_baseline({"kind": "rolling"}).text
    assert parse_baseline({"kind": "same_hour", "windows": 3}).min_windows == 3
    assert set(FIELDS) == set(KINDS)


@pytest.mark.parametrize(
    ("kind", "length", "instead"),
    [
        ("same_hour", "1d", "same_day_of_week"),
        ("same_hour_of_week", "7d", "rolling"),
        ("same_day_of_week", "1h", "same_hour_of_week"),
        ("same_day_of_week", "7d", "rolling"),
    ],
)
def test_a_rule_that_windows_of_that_length_cannot_follow_names_the_one_that_they_can(kind, length, instead):
    with pytest.raises(InvalidInput, match=instead):
        fit(Baseline(kind=kind), spec=WindowSpec(length=length))
