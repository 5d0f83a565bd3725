"""Ticks come, whatever somebody sets the clock to."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from itertools import pairwise

from apscheduler.schedulers import base

from monitor.jobs import schedule
from monitor.jobs.schedule import Ticker


def test_a_clock_that_is_set_back_or_ahead_by_three_hours_stops_no_tick(monkeypatch):
    off = timedelta()

    class Shifted(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + off

    monkeypatch.setattr(base, "datetime", Shifted)
    monkeypatch.setattr(schedule, "datetime", Shifted)
    ticks = []
    ticker = Ticker(lambda: ticks.append(time.monotonic()), every_us=200_000)
    ticker.start()
    try:
        for hours in (-3, 0, 3, 0):
            off = timedelta(hours=hours)
            wanted, until = len(ticks) + 3, time.monotonic() + 10
            while len(ticks) < wanted and time.monotonic() < until:
                time.sleep(0.02)
            assert len(ticks) >= wanted, hours
    finally:
        ticker.stop()
    ended = len(ticks)
    time.sleep(0.5)
    assert len(ticks) == ended


def test_processes_that_start_together_do_not_go_on_ticking_together():
    ticks = [[], []]
    tickers = [Ticker(lambda own=own: own.append(time.monotonic()), every_us=50_000) for own in ticks]
    for ticker in tickers:
        ticker.start()
    time.sleep(1.5)
    for ticker in tickers:
        ticker.stop()
    gaps = [{round(b - a, 4) for a, b in pairwise(own)} for own in ticks]
    assert all(len(own) > 10 for own in gaps)
    assert gaps[0] != gaps[1]
