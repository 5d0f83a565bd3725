"""A version's windows are judged in their order, whoever has them: the verdict in force is that of the newest."""

from __future__ import annotations

import time

import pytest

from tests.faults.replicas.fleet import HOURS


def overtake(world, replica, **told):
    """Six hours held by one worker, the last two of them drifted; six healthy ones folded by another meanwhile."""
    world.post(range(6))
    leader = replica(world.url, pause="window claimed", **told).start().paused()
    replica(world.url, **told).start()
    world.post(range(6, HOURS))
    world.until_folded(within_seconds=10)
    time.sleep(1)  # five ticks, in which the other could judge what it has folded
    leader.wake()
    world.done_in(within_seconds=30)


@pytest.mark.alone
def test_windows_that_another_replica_holds_are_not_overtaken(world, replica):
    overtake(world, replica)
    world.same_as_by_one()


@pytest.mark.whole
@pytest.mark.alone
def test_windows_overtaken_would_lose_an_alert(world, replica):
    overtake(world, replica, without=("order",))
    with pytest.raises(AssertionError, match="transitions"):
        world.same_as_by_one()
