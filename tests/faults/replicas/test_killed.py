"""The leader is killed at each point of its work: another takes over, and every occurrence takes effect once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from monitor.model.time import HOUR_US
from tests.faults.replicas.control import QUICK as RHYTHM
from tests.faults.replicas.fleet import HOURS, runs_of
from tests.faults.replicas.process import PAUSES
from tests.faults.report import WHOLE

QUICK = {"sqlite": ("window not committed",), "postgresql": ("fold claimed", "fold not committed", "window committed")}
POINTS = {"sqlite": PAUSES, "postgresql": PAUSES} if WHOLE else QUICK


@pytest.mark.alone
@pytest.mark.parametrize(
    ("world", "point"), [(kind, point) for kind, points in POINTS.items() for point in points], indirect=["world"]
)
def test_what_a_killed_leader_had_claimed_takes_effect_once(point, world, replica):
    kill_leader(world, replica, point=point)
    seconds = world.done_in(within_seconds=30)
    world.judge(f"killed, {point}", rounds=1, recovery_seconds=seconds)
    taken_over = [run for job in ("fold", "evaluate") for run in runs_of(world.store, job=job) if run.attempt > 1]
    assert taken_over, "the kill left nothing to take over"


def kill_leader(world, replica, *, point, **told):
    """All hours wait, a worker is killed when it comes to that point, and another one is there."""
    world.post(range(HOURS))
    leader = replica(world.url, pause=point, **told).start().paused()
    replica(world.url).start()
    leader.kill()


@pytest.mark.whole
@pytest.mark.alone
@pytest.mark.parametrize("world", ["postgresql"], indirect=True)
@pytest.mark.parametrize("point", ["fold claimed", "window claimed"])
def test_without_an_end_of_leases_nobody_takes_over(point, world, replica):
    kill_leader(world, replica, point=point, rhythm=replace(RHYTHM, lease_us=HOUR_US))
    with pytest.raises(AssertionError, match="batches, windows and runs left"):
        world.done_in(within_seconds=10)


@pytest.mark.whole
@pytest.mark.alone
@pytest.mark.parametrize("world", ["postgresql"], indirect=True)
@pytest.mark.parametrize("point", ["fold not committed", "window not committed"])
def test_without_one_transaction_of_claim_and_results_a_kill_loses_results(point, world, replica):
    kill_leader(world, replica, point=point, without=("one transaction",))
    with pytest.raises(AssertionError):
        ends_as_by_one(world)


def ends_as_by_one(world):
    world.done_in(within_seconds=10)
    world.same_as_by_one()
