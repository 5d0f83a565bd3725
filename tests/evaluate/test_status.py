"""Where a version stands, on both databases: what it waits for, and how far its calibration is."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.columns.roles import Roles
from monitor.evaluate.context import Contexts
from monitor.evaluate.reference import set_reference
from monitor.evaluate.status import version_status
from tests.evaluate.traffic import hour_of_rows, make_world, set_usual_reference


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
