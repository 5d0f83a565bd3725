"""The database restarts while jobs run, asked to be quick about it or not: work goes on, and each takes effect once."""

from __future__ import annotations

import pytest

from tests.faults.replicas.fleet import HOURS
from tests.faults.report import WHOLE

ROUNDS = 5 if WHOLE else 1


@pytest.mark.alone
@pytest.mark.timeout(600)
@pytest.mark.parametrize("world", ["postgresql"], indirect=True)
@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_jobs_go_on_when_the_database_has_restarted(mode, world, replica, restart_postgresql):
    workers = [replica(world.url, lingers=0.1).start() for _ in range(2)]
    share = HOURS // (2 * ROUNDS)
    for round_number in range(ROUNDS):
        world.post(range(2 * share * round_number, 2 * share * round_number + share))
        world.until_some_judged(within_seconds=30)
        restart_postgresql(mode)
        world.post(range(2 * share * round_number + share, 2 * share * (round_number + 1)))
    world.post(range(2 * share * ROUNDS, HOURS))
    seconds = world.done_in(within_seconds=60)
    world.judge(f"database restarted, {mode}", rounds=ROUNDS, recovery_seconds=seconds)
    logs = "".join(worker.log.read_text() for worker in workers)
    assert "wait for the database" in logs or "waits for the database" in logs, "no work met the restart"
