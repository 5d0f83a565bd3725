"""A token's meter: exact within a minute, whoever asks at once, and whatever the wall clock does."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import pytest
from prometheus_client import CollectorRegistry, Counter

from monitor.ingest.quota import MINUTE_SECONDS, Meter
from monitor.model.errors import InvalidInput, QuotaExceeded, TooLarge
from monitor.model.quota import Quota, quota_of


class Seconds:
    def __init__(self):
        self.now = 1_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def seconds():
    return Seconds()


@pytest.fixture
def refused():
    return Counter("refused", "of the test", ["token", "quota"], registry=CollectorRegistry())


@pytest.fixture
def meter(seconds, refused):
    return Meter(Quota(records=10, requests=3), name="etl", seconds=seconds, refused=refused)


def test_as_many_records_as_the_quota_pass_and_one_more_is_told_when_to_come_again(meter, seconds):
    meter.take_records(7)
    seconds.now += 20.5
    meter.take_records(3)
    with pytest.raises(QuotaExceeded, match="10 records a minute, and 10 are used") as late:
        meter.take_records(1)
    assert late.value.retry_after_seconds == math.ceil(MINUTE_SECONDS - 20.5)
    seconds.now += late.value.retry_after_seconds
    meter.take_records(10)


def test_a_request_that_does_not_fit_takes_nothing(meter):
    meter.take_records(7)
    with pytest.raises(QuotaExceeded):
        meter.take_records(4)
    meter.take_records(3)


def test_a_request_over_the_whole_quota_is_told_to_be_smaller_and_not_to_wait(meter, refused):
    meter.take_records(10)
    with pytest.raises(TooLarge, match="11 records: the token's quota is 10 a minute"):
        meter.take_records(11)
    assert refused.labels("etl", "records")._value.get() == 1


def test_what_was_not_stored_is_given_back_within_its_minute_only(meter, seconds):
    minute = meter.take_records(10)
    meter.give_back(10, minute=minute)
    minute = meter.take_records(10)
    seconds.now += MINUTE_SECONDS
    meter.take_records(10)
    meter.give_back(10, minute=minute)
    with pytest.raises(QuotaExceeded):
        meter.take_records(1)


def test_requests_are_counted_apart_from_records(meter, refused):
    for _ in range(3):
        meter.count_request()
    for _ in range(2):
        with pytest.raises(QuotaExceeded, match="3 requests a minute"):
            meter.count_request()
    meter.take_records(10)
    assert refused.labels("etl", "requests")._value.get() == 2


def test_a_minute_begins_with_the_first_that_is_counted(meter, seconds):
    seconds.now += 5 * MINUTE_SECONDS + 59
    meter.take_records(10)
    seconds.now += 2  # by a wall clock's minutes the next one
    with pytest.raises(QuotaExceeded):
        meter.expect_records()


def test_many_threads_at_once_are_let_in_exactly_as_often_as_the_quota_says(seconds, refused):
    meter = Meter(Quota(records=500), name="etl", seconds=seconds, refused=refused)

    def let_in(_):
        try:
            meter.take_records(1)
        except QuotaExceeded:
            return 0
        return 1

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(let_in, range(2_000))) == 500


def test_without_a_bound_nothing_is_refused(seconds, refused):
    meter = Meter(Quota(requests=1), name="etl", seconds=seconds, refused=refused)
    meter.expect_records()
    meter.give_back(5, minute=meter.take_records(10**9))


@pytest.mark.parametrize(
    "shape", [{}, [], 5, {"record": 5}, {"records": 0}, {"records": True}, {"records": "5"}, {"requests": 10**13}]
)
def test_a_quota_that_makes_no_sense_is_refused(shape):
    with pytest.raises(InvalidInput, match="quota"):
        quota_of(shape)


def test_a_misspelt_bound_is_told_the_nearest():
    with pytest.raises(InvalidInput, match="did you mean 'records'"):
        quota_of({"record": 5})
