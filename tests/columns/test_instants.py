"""Timestamps: the vectorised reading equals the reading of one value, whatever the form."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.columns.instants import MISSING, OUT_OF_RANGE, READABLE, UNREADABLE, instant_of, parse_instants
from monitor.columns.text import json_text
from monitor.model.time import to_us

NOON = 1_772_366_400_000_000  # 2026-03-01T12:00:00Z


@pytest.mark.parametrize(
    ("sent", "us"),
    [
        ("2026-03-01T12:00:00Z", NOON),
        ("2026-03-01 12:00:00", NOON),
        ("2026-03-01t12:00:00z", NOON),
        ("2026-03-01T13:30:00+01:30", NOON),
        ("2026-03-01T12:00:00.5Z", NOON + 500_000),
        ("2026-03-01T12:00:00.123456789Z", NOON + 123_456),
        (NOON // 1_000_000, NOON),
        (NOON // 1_000, NOON),
        (NOON, NOON),
        (NOON * 1_000 + 999, NOON),
        (NOON / 1_000_000 + 0.25, NOON + 250_000),
        (str(NOON // 1_000), NOON),
        (float(NOON // 1_000), NOON),
        ("1970-01-01T00:00:00Z", 0),
    ],
)
def test_every_form_of_the_contract_is_read(sent, us):
    assert instant_of(sent)[:2] == (us, READABLE)


@pytest.mark.parametrize(
    ("sent", "state"),
    [
        ("yesterday", UNREADABLE), ("", UNREADABLE), (True, UNREADABLE), ([1], UNREADABLE), (0, UNREADABLE),
        (123_456_789_012, UNREADABLE), (float("nan"), UNREADABLE), (1e300, UNREADABLE),
        ("2026-02-30T00:00:00Z", UNREADABLE),
        ("1969-12-31T23:59:59Z", OUT_OF_RANGE), ("2200-01-01T00:00:00Z", OUT_OF_RANGE), (-NOON, OUT_OF_RANGE),
        (9_999_999_999, OUT_OF_RANGE), ("0001-01-01T00:00:00+14:00", OUT_OF_RANGE), (None, MISSING),
    ],
)  # fmt: skip
def test_what_is_no_instant_says_why(sent, state):
    assert instant_of(sent)[1] == state


def test_a_time_without_zone_is_utc_and_counted():
    assert instant_of("2026-03-01 12:00:00")[2]
    assert parse_instants(pa.array(["2026-03-01T12:00:00", None, "2026-03-01"])).naive == 2
    assert parse_instants(pa.array([0, None], pa.timestamp("ms"))).naive == 1


zones = st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30)), timezone(-timedelta(hours=8))])
moments = st.datetimes(datetime(1971, 1, 1), datetime(2199, 1, 1), timezones=zones)  # noqa: DTZ001 -- bounds
odd = st.one_of(
    moments.map(lambda m: m.isoformat()), moments.map(lambda m: m.isoformat(" ")), st.just("x"), st.just(""), st.none(),
    st.integers(0, 10**19 - 1).map(str), st.floats(1e9, 5e9).map(repr),
)  # fmt: skip


@given(st.lists(odd, max_size=8))
def test_a_column_of_texts_reads_as_its_values_do(values):
    read = parse_instants(pa.array(values, pa.string()))
    one = [instant_of(v) for v in values]
    assert read.state.tolist() == [state for _, state, _ in one]
    assert [u for u, s in zip(read.us.tolist(), read.state, strict=True) if s == READABLE] == [
        u for u, s, _ in one if s == READABLE
    ]


@given(st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.integers(10**9, 10**13)), max_size=8))
def test_a_column_of_integers_reads_as_its_values_do(values):
    read = parse_instants(pa.array(values, pa.int64()))
    assert read.state.tolist() == [instant_of(v)[1] for v in values]


@given(st.lists(st.one_of(st.floats(), st.floats(1e9, 4e9), st.integers(10**12, 10**13).map(float)), max_size=8))
def test_a_column_of_floats_reads_as_its_values_do(values):
    read = parse_instants(pa.array(values, pa.float64()))
    one = [instant_of(v) for v in values]
    assert [(u if s == READABLE else None, s) for u, s in zip(read.us.tolist(), read.state.tolist(), strict=True)] == [
        (u if s == READABLE else None, s) for u, s, _ in one
    ]


@given(st.lists(moments, min_size=1, max_size=6), st.sampled_from(["s", "ms", "us", "ns"]))
def test_arrow_timestamps_read_as_pandas_reads_them(values, unit):
    array = pa.array(values, pa.timestamp("us", "UTC")).cast(pa.timestamp(unit, "UTC"), safe=False)
    expected = pd.DatetimeIndex(array.to_pandas()).as_unit("us").asi8.tolist()
    assert parse_instants(array).us.tolist() == expected


@given(st.lists(st.one_of(st.none(), st.booleans(), st.integers(), moments.map(to_us)), max_size=6))
def test_a_mixed_column_reads_as_its_values_do(values):
    texts = pa.array([None if v is None else json_text(v) for v in values], pa.string())
    assert parse_instants(texts, form="json").state.tolist() == [instant_of(v)[1] for v in values]
