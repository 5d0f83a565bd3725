"""Windows against pandas' calendar, an independent implementation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.model.errors import InvalidInput, NotAvailableYet
from monitor.model.time import HOUR_US, to_us
from monitor.model.window import CALENDAR, FIXED_US, KNOWN, WindowSpec

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]
instants = st.integers(min_value=0, max_value=to_us(pd.Timestamp("2199-12-01", tz="UTC").to_pydatetime()))


@given(instant=instants, length=st.sampled_from(KNOWN), zone=st.sampled_from(ZONES))
def test_every_instant_lies_in_its_window_and_windows_follow_one_another(instant, length, zone):
    spec = WindowSpec(length=length, timezone=zone)
    start = spec.start_of(instant)
    end = spec.end_of(start)
    assert start <= instant < end
    assert spec.start_of(start) == start
    assert spec.start_of(end) == end
    assert spec.start_of(end - 1) == start
    assert spec.ordinal(end) == spec.ordinal(start) + 1


@given(instant=instants, zone=st.sampled_from(ZONES))
def test_days_weeks_and_months_start_where_pandas_says(instant, zone):
    local = pd.Timestamp(instant, unit="us", tz="UTC").tz_convert(zone).tz_localize(None)
    days = {
        "1d": local.normalize(),
        "7d": local.normalize() - pd.Timedelta(days=local.weekday()),
        "1mo": local.normalize().replace(day=1),
    }
    for length, midnight in days.items():
        expected = midnight.tz_localize(zone, ambiguous=True, nonexistent="shift_forward")
        start = WindowSpec(length=length, timezone=zone).start_of(instant)
        assert pd.Timestamp(start, unit="us", tz="UTC") == expected.tz_convert("UTC")


@given(st.lists(instants, min_size=1, max_size=50), st.sampled_from(KNOWN), st.sampled_from(ZONES))
def test_many_instants_give_what_each_gives_alone(values, length, zone):
    spec = WindowSpec(length=length, timezone=zone)
    many = spec.starts_of(np.array(values, dtype=np.int64))
    assert many.tolist() == [spec.start_of(v) for v in values]


def test_days_of_23_and_25_hours_happen():
    spec = WindowSpec(length="1d", timezone="Europe/Berlin")
    spring = spec.start_of(to_us(pd.Timestamp("2026-03-29T12:00Z").to_pydatetime()))
    autumn = spec.start_of(to_us(pd.Timestamp("2026-10-25T12:00Z").to_pydatetime()))
    assert (spec.end_of(spring) - spring) // HOUR_US == 23
    assert (spec.end_of(autumn) - autumn) // HOUR_US == 25


def test_a_month_holds_720_hours_and_30_days():
    assert WindowSpec(length="1h").per_month == 720
    assert WindowSpec(length="1d").per_month == 30
    assert {length: WindowSpec(length=length).nominal_us > 0 for length in (*FIXED_US, *CALENDAR)} == dict.fromkeys(
        KNOWN, True
    )


@pytest.mark.parametrize(
    ("length", "zone", "error", "words"),
    [
        ("90m", "UTC", InvalidInput, "expected one of 1m, 5m"),
        ("1d", "Mars/Olympus", InvalidInput, "IANA name"),
        ("1d", "../../etc/passwd", InvalidInput, "IANA name"),
        ("batch", "UTC", NotAvailableYet, "not available yet"),
    ],
)
def test_an_unknown_window_says_what_is_expected(length, zone, error, words):
    with pytest.raises(error, match=words):
        WindowSpec(length=length, timezone=zone)
