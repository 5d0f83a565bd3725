"""The clock of one host jumps by three hours: its worker goes by the database's clock, and ticks on."""

from __future__ import annotations

import time

import pytest

from tests.faults.replicas.control import until
from tests.faults.replicas.fleet import HOURS, effects

THREE_HOURS_US = 3 * 3_600_000_000


def jump(world, replica, tmp_path, *, by_us, **told):
    """A worker whose clock jumps while hours wait: those closed by now, and one that is not over yet."""
    clock = tmp_path / "clock"
    clock.write_text("0")
    world.post(range(6))
    jumping = replica(world.url, clock=clock, **told).start()
    world.done_in(within_seconds=30)
    clock.write_text(str(by_us))
    world.post(range(6, HOURS))
    world.post([HOURS + 1])  # this very hour
    return jumping


@pytest.mark.alone
@pytest.mark.parametrize(
    "world",
    [pytest.param("sqlite", marks=pytest.mark.whole), "postgresql"],
    indirect=True,
    ids=["sqlite", "postgresql"],
)
@pytest.mark.parametrize("by_us", [THREE_HOURS_US, -THREE_HOURS_US], ids=["ahead", "back"])
def test_a_worker_whose_clock_jumps_judges_what_is_due_and_nothing_else(by_us, world, replica, tmp_path):
    jumping = jump(world, replica, tmp_path, by_us=by_us)
    until(lambda: judged(world) >= len(world.by_one["results"]), within_seconds=30)
    time.sleep(2)  # ten ticks, in which nothing more may happen
    world.judge(f"clock three hours {'ahead' if by_us > 0 else 'back'}", rounds=1)
    assert jumping.ready()[0] == 200


@pytest.mark.whole
@pytest.mark.alone
def test_by_its_own_clock_a_worker_ahead_would_judge_an_hour_that_is_not_over(world, replica, tmp_path):
    jump(world, replica, tmp_path, by_us=THREE_HOURS_US, without=("shared clock",))
    until(lambda: judged(world) > len(world.by_one["results"]), within_seconds=30)


@pytest.mark.whole
@pytest.mark.alone
@pytest.mark.parametrize("guard", ["shared clock", "watch"])
def test_by_its_own_clock_a_worker_behind_would_stand_still(guard, world, replica, tmp_path):
    jump(world, replica, tmp_path, by_us=-THREE_HOURS_US, without=(guard,))
    time.sleep(5)
    assert judged(world) < len(world.by_one["results"])


def judged(world):
    return len(effects(world.store)["results"])
