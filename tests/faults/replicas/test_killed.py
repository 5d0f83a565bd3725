"""The leader is killed at each point of its work: another takes over, and every occurrence takes effect once."""

from __future__ import annotations

import pytest

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
    world.post(range(HOURS))
    leader = replica(world.url, pause=point).start().paused()
    replica(world.url).start()
    leader.kill()
    seconds = world.done_in(within_seconds=30)
    world.judge(f"killed, {point}", rounds=1, recovery_seconds=seconds)
    taken_over = [run for job in ("fold", "evaluate") for run in runs_of(world.store, job=job) if run.attempt > 1]
    assert taken_over, "the kill left nothing to take over"
