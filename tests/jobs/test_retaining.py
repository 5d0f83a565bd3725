"""Parts of the step ``retention``: one that always fails is late, however often the others succeed."""

from __future__ import annotations

import pytest

from monitor.jobs import upkeep as module
from monitor.jobs.settings import JobSettings
from monitor.jobs.upkeep import Upkeep
from monitor.model.errors import Unavailable
from monitor.model.time import HOUR_US, MINUTE_US
from monitor.telemetry import Telemetry


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
