"""Parts of the step ``retention``: one that always fails is late, however often the others succeed."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from monitor.evaluate.aging import Aged
from monitor.evaluate.context import Contexts
from monitor.jobs import retention
from monitor.jobs import upkeep as module
from monitor.jobs.retention import Ages
from monitor.jobs.settings import JobSettings
from monitor.jobs.upkeep import Upkeep
from monitor.model.errors import Unavailable
from monitor.model.retention import Retention
from monitor.model.time import HOUR_US, MINUTE_US
from monitor.telemetry import Telemetry
from tests.evaluate.traffic import make_world


def test_a_part_that_fails_is_not_hidden_by_those_that_succeed(store, monkeypatch):
    telemetry, now_us = Telemetry(), 1_800_000_000 * 1_000_000
    upkeep = Upkeep(store, telemetry=telemetry, settings=JobSettings())

    def shown(name, **labels):
        return telemetry.registry.get_sample_value(name, {"step": "retention", **labels}) or 0

    def seen():
        return shown("driftline_step_runs_total", outcome="done"), shown(
            "driftline_step_last_success_timestamp_seconds"
        )

    def fails(*_, **__):
        raise Unavailable("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(module, "purge_drills", fails)
        with pytest.raises(Unavailable):
            upkeep.tidy(now_us=now_us)
        upkeep.tidy(now_us=now_us + MINUTE_US - 1)
        assert seen() == (2, 0), "the other parts do not wait for it, and do not say that all is well"
        with pytest.raises(Unavailable):
            upkeep.tidy(now_us=now_us + HOUR_US)
        upkeep.tidy(now_us=now_us + HOUR_US + MINUTE_US - 1)
        assert seen() == (4, 0)
    upkeep.tidy(now_us=now_us + 2 * HOUR_US)
    assert seen()[1] > 0


def test_a_part_that_found_the_database_away_is_tried_again_after_a_minute(store, monkeypatch):
    upkeep, now_us = Upkeep(store, telemetry=Telemetry(), settings=JobSettings()), 1_800_000_000 * 1_000_000
    tried, away = [], True

    def purge(_, *, before_us):
        tried.append(before_us + module.NOTIFICATIONS_KEPT_US - now_us)
        if away:
            raise Unavailable("the database is away")

    monkeypatch.setattr(module, "purge_drills", purge)
    for after_us in (0, MINUTE_US, 2 * MINUTE_US):
        with pytest.raises(Unavailable):
            upkeep.tidy(now_us=now_us + after_us)
        for later_us in (1, MINUTE_US - 1):
            upkeep.tidy(now_us=now_us + after_us + later_us)  # the others have their turn, and it is not asked again
    away = False
    for minutes in range(3, 64):
        upkeep.tidy(now_us=now_us + minutes * MINUTE_US)
    assert [at_us // MINUTE_US for at_us in tried] == [0, 1, 2, 3, 63]


@pytest.fixture
def turns(store, monkeypatch):
    """(retention of five versions, the versions it came to); each takes 20 of a turn's 30 seconds."""
    versions = [make_world(store, name=f"m{number}").version.id for number in range(5)]
    came, seconds = [], [0.0]

    def slowly(*_, version_id, **__):
        came.append(versions.index(version_id))
        seconds[0] += 20.0
        return Aged(windows=0, rows=0)

    monkeypatch.setattr(retention, "age", slowly)
    monkeypatch.setattr(retention, "time", SimpleNamespace(monotonic=lambda: seconds[0]))
    return Ages(store, contexts=Contexts(), retention=Retention()), came


def test_a_turn_goes_on_where_the_last_one_ended(turns):
    ages, came = turns
    whole = [ages.run(now_us=0) for _ in range(3)]
    assert came[:5] == [0, 1, 2, 3, 4], "none has a second turn before all have had their first"
    assert whole == [False, False, False]
    while not ages.run(now_us=0):
        assert len(came) < 30, "it has an end"


def test_what_finds_the_database_away_is_tried_again_behind_the_others(turns, monkeypatch):
    ages, came = turns
    slowly, away = retention.age, [True]

    def sometimes(*_, version_id, **__):
        if away and away.pop():
            raise Unavailable("a lock in the database is held by somebody else")
        return slowly(version_id=version_id)

    monkeypatch.setattr(retention, "age", sometimes)
    with pytest.raises(Unavailable):
        ages.run(now_us=0)
    for _ in range(3):
        ages.run(now_us=0)
    assert came[:5] == [1, 2, 3, 4, 0]
