"""Where a version stands, on both databases: what it waits for, and how far its calibration is."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.columns.roles import Roles
from monitor.evaluate.context import Contexts
from monitor.evaluate.reference import set_reference
from monitor.evaluate.status import version_status
from monitor.model.time import MINUTE_US
from tests.evaluate.sliced import BY_REGION, DRIFT, EU, hour_of_regions, sliced_world
from tests.evaluate.traffic import START_US, hour_of_rows, make_world, set_usual_reference


@pytest.fixture
def world(store):
    return make_world(store)


def status_of(world):
    with world.store.read() as conn:
        return version_status(conn, contexts=Contexts(), version_id=world.version.id, now_us=world.clock())


def set_daily_reference(world, *, hours):
    """So many hours before the start, in which ages rise by day and fall by night."""
    tables = [
        hour_of_rows(hour, rows=200, seed=500 + hour, name="ref", shift=8 * np.sin(2 * np.pi * hour / 24))
        for hour in range(-hours, 0)
    ]
    set_reference(world.store, version_id=world.version.id, source=lambda: iter(tables), roles=Roles(), now_us=0)


def test_three_days_with_a_daily_cycle_wait_for_the_week_and_say_so(world):
    set_daily_reference(world, hours=72)
    shown = status_of(world)
    calibration = {name: shown["calibration"][name] for name in ("state", "windows", "needed", "from")}
    assert calibration == {"state": "learning", "windows": 72, "needed": 168, "from": "reference"}
    assert shown["next"]["why"].startswith("learning: 72 of 168 healthy windows; ")
    assert "daily cycle and cover less than a week" in shown["next"]["why"]
    world.post(hour_of_rows(0))
    world.tick_after(0)
    assert world.numbers(0)["drift", "age", "surprise"][1:3] == ("unknown", "learning")


def test_three_days_without_a_cycle_are_judged_by(world):
    set_usual_reference(world, hours=72)
    shown = status_of(world)
    assert (shown["calibration"]["state"], shown["calibration"]["needed"]) == ("calibrated", 30)
    assert "learning" not in shown["next"]["why"]


def test_a_history_that_moves_slowly_says_what_it_is_worth_and_that_more_alarms_may_come(world):
    """One level for ten hours, then another: 60 windows are worth six."""
    levels = np.random.default_rng(1).normal(0.0, 20.0, 6)
    tables = [
        hour_of_rows(hour, rows=200, seed=500 + hour, name="ref", shift=levels[hour // 10 + 6])
        for hour in range(-60, 0)
    ]
    set_reference(world.store, version_id=world.version.id, source=lambda: iter(tables), roles=Roles(), now_us=0)
    shown = status_of(world)["calibration"]["memory"]
    assert shown["column"] == "age"
    assert shown["independent"] == pytest.approx(60 / shown["windows"], abs=0.1)
    assert shown["independent"] < 10
    assert shown["why"] == "so few that false alarms may come more often than promised, and last"


def test_a_history_of_independent_windows_has_no_memory_to_tell(world):
    set_usual_reference(world, hours=72)
    shown = status_of(world)["calibration"]["memory"]
    assert shown is None or (shown["windows"] < 2, shown["why"]) == (True, "")


def test_without_a_reference_the_status_says_how_to_set_one(world):
    shown = status_of(world)
    assert (shown["status"], shown["calibration"]) == ("unknown", None)
    assert shown["next"] == {
        "first_verdict_at": None,
        "why": "no_reference: set one with PUT …/reference, or make one of stored rows with POST …/reference?from=&to=",
    }
    assert {check["reason"] for check in shown["checks"]} == {"no_reference", None}
    assert next(check for check in shown["checks"] if check["kind"] == "volume")["reason"] is None


def test_a_reference_without_times_says_how_many_windows_are_waited_for_and_until_when(world):
    set_usual_reference(world, timed=False)
    shown = status_of(world)
    assert shown["next"]["why"] == "learning: 0 of 30 healthy windows; until then only breakage alarms"
    assert shown["next"]["first_verdict_at"] == "2026-03-03T06:05:00Z"  # 30 hours and five minutes of lateness
    for hour in range(3):
        world.post(hour_of_rows(hour))
        world.tick_after(hour)
    shown = status_of(world)
    assert shown["next"]["why"].startswith("learning: 3 of 30 healthy windows")
    assert shown["calibration"]["from"] == "production"
    drift = next(check for check in shown["checks"] if check["name"] == "drift")
    assert (drift["status"], drift["reason"]) == ("unknown", "learning")


def test_the_open_window_counts_rows_whether_folded_or_not(world):
    set_usual_reference(world)
    world.clock.now_us = START_US + 15 * MINUTE_US
    world.post(hour_of_rows(0, rows=40, name="a"))
    world.runner.folder.fold_slice(version_id=world.version.id, now_us=world.clock())
    world.post(hour_of_rows(0, rows=25, name="b"))
    assert status_of(world)["open"] == {"window_start": "2026-03-02T00:00:00Z", "rows": 65, "ends_in": "2700s"}


def test_a_judged_version_names_its_failing_columns_and_waits_for_nothing(world):
    set_usual_reference(world, hours=60)
    assert status_of(world)["next"]["why"] == "the first window is judged 5m after its end"
    world.post(hour_of_rows(0, shift=80.0))
    world.tick_after(0)
    shown = status_of(world)
    drift = next(check for check in shown["checks"] if check["name"] == "drift")
    assert (shown["status"], drift["status"], drift["top"]) == ("alert", "alert", ["age"])
    assert (drift["columns_failing"], drift["rows"]) == (1, 200)
    assert drift["value"] > drift["threshold"]
    assert shown["next"] == {"first_verdict_at": None, "why": ""}


def test_a_check_of_a_segment_that_the_reference_does_not_make_is_shown_as_undecided(store):
    """Nothing of it is in any result, and whoever misspelt a region would believe it watched."""
    there, typo = DRIFT | {"segments": ["", EU]}, DRIFT | {"name": "typo", "segments": ["region=UE"]}
    world = sliced_world(store, checks=[there, typo])
    world.post(hour_of_regions(0))
    world.tick_after(0)
    shown = status_of(world)
    assert {check["name"]: (check["status"], check["reason"]) for check in shown["checks"]} == {
        "drift": ("ok", None), "typo": ("unknown", "no_segment"),
    }  # fmt: skip
    assert shown["status"] == "unknown"


def test_a_check_of_segments_waits_for_a_reference_as_all_do(store):
    checks = [DRIFT | {"segments": [EU]}, {"name": "volume", "kind": "volume"}]
    world = make_world(store, model={"settings": {"segments": BY_REGION, "checks": checks}})
    found = {check["name"]: (check["status"], check["reason"]) for check in status_of(world)["checks"]}
    assert found == {"volume": ("unknown", None), "drift": ("unknown", "no_reference")}
