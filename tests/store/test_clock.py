"""The clock that all processes share."""

from __future__ import annotations

import time

from monitor.store.clock import SharedClock

HOUR_US = 3_600_000_000


def true_us():
    return time.time_ns() // 1_000


def test_it_is_the_databases_time_whatever_the_hosts_clock_says(store, caplog):
    for off_us in (3 * HOUR_US, -3 * HOUR_US):
        clock = SharedClock(store, wall_us=lambda off_us=off_us: true_us() + off_us)
        assert abs(clock() - true_us() - off_us) < 1_000_000
        clock.agree()
        assert abs(clock() - true_us()) < 1_000_000
    told = [record.message for record in caplog.records if "clock is" in record.message]
    assert told == [
        "this host's clock is 10800 s off the database's, which counts",
        "this host's clock is -10800 s off the database's, which counts",
    ]


def test_it_goes_on_by_itself_and_says_once_how_far_the_hosts_clock_is_off(store, caplog):
    off_us, skews = 0, []
    clock = SharedClock(store, wall_us=lambda: true_us() + off_us, skewed=skews.append)
    clock.agree()
    before, began = clock(), time.monotonic()
    off_us = HOUR_US  # set meanwhile: nobody asks it
    time.sleep(0.2)
    assert abs((clock() - before) / 1e6 - (time.monotonic() - began)) < 0.05
    for _ in range(3):
        clock.agree()
    assert [round(skew, -2) for skew in skews] == [0.0, 3600.0, 3600.0, 3600.0]
    assert len([record for record in caplog.records if "3600 s off" in record.message]) == 1
