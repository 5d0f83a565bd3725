"""A worker that is stopped past its lease and woken: what it finishes then is refused, for another has done it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.faults.replicas.control import QUICK, until
from tests.faults.replicas.fleet import HOURS, effects, runs_of

ONE_THREAD = replace(QUICK, workers=1)  # so that nothing else of the process stands still in a transaction


def wake_too_late(world, replica, **told):
    """The stopped worker, woken after another has done what it had claimed; and what that other one had made."""
    world.post(range(HOURS))
    leader = replica(world.url, rhythm=ONE_THREAD, pause="window claimed", stops=True, **told).start().paused()
    replica(world.url).start()
    world.done_in(within_seconds=90)
    made = effects(world.store)
    leader.wake()
    return leader, made


@pytest.mark.alone
@pytest.mark.parametrize("world", ["postgresql"], indirect=True)
def test_what_a_woken_worker_finishes_after_its_lease_is_refused(world, replica):
    leader, made = wake_too_late(world, replica)
    until(
        lambda: leader.metric("driftline_step_runs_total", step="evaluate", outcome="lost") == 1, within_seconds=20
    )  # fmt: skip
    assert effects(world.store) == made
    world.judge("stopped past its lease, then woken", rounds=1)


@pytest.mark.whole
@pytest.mark.alone
@pytest.mark.parametrize("world", ["postgresql"], indirect=True)
def test_without_the_fence_a_woken_worker_would_write_over_the_results(world, replica):
    leader, _ = wake_too_late(world, replica, without=("fence",))
    until(
        lambda: leader.metric("driftline_step_runs_total", step="evaluate", outcome="done") >= 1, within_seconds=20
    )  # fmt: skip
    with pytest.raises(AssertionError):
        world.same_as_by_one()


@pytest.mark.alone
@pytest.mark.parametrize("world", ["postgresql"], indirect=True)
@pytest.mark.parametrize("job", ["fold", "window"])
def test_a_worker_stopped_inside_a_transaction_holds_up_its_own_version_only(job, world, replica):
    """PostgreSQL keeps its locks for a minute, then ends it; until then the others go on."""
    world.post(range(HOURS))
    leader = replica(world.url, rhythm=ONE_THREAD, pause=f"{job} not committed", stops=True).start().paused()
    named = {"fold": "fold", "window": "evaluate"}[job]
    [held] = [run.subject for run in runs_of(world.store, job=named) if run.state == "running"][:1]
    replica(world.url).start()
    others = [str(version.id) for version in world.fleet.versions if str(version.id) != held]
    until(lambda: judged(world, others) == len(others) * HOURS, within_seconds=30)
    assert judged(world, [held]) == 0
    leader.wake()
    seconds = world.done_in(within_seconds=30)
    world.judge(f"stopped before the commit of a {job}", rounds=1, recovery_seconds=seconds)


def judged(world, subjects):
    return sum(run.state == "done" and run.subject in subjects for run in runs_of(world.store, job="evaluate"))
