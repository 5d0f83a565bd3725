"""Five replicas at their one-second cadence for five minutes, one of them killed every half minute."""

from __future__ import annotations

import time

import httpx
import pytest

from monitor.store import open_store
from tests.faults.replicas.conftest import World
from tests.faults.replicas.control import until
from tests.faults.replicas.fleet import by_one, make_fleet, runs_of
from tests.service import Service

MODELS, HOURS, EVERY_SECONDS = 30, 60, 5.0
KILLED_EVERY = 6  # hours of traffic


@pytest.fixture
def soaked(tmp_path, postgresql_databases):
    """A fleet on a database of its own, and what one process alone makes of its traffic on a copy."""
    url = postgresql_databases("template0")
    store = open_store(url, data_dir=tmp_path, migrate=True)
    fleet = make_fleet(store, count=MODELS, hours=HOURS)
    store.close()
    alone = by_one(postgresql_databases(url.rpartition("/")[2].partition("?")[0]), fleet=fleet, data_dir=tmp_path)
    store = open_store(url, data_dir=tmp_path)
    yield World(url=url, store=store, fleet=fleet, by_one=alone)
    store.close()


@pytest.fixture
def five(soaked, tmp_path):
    """``driftline serve`` twice and ``driftline worker`` three times."""
    services = []
    for number, command in enumerate(("serve", "serve", "worker", "worker", "worker")):
        directory = tmp_path / str(number)
        directory.mkdir()
        services.append(Service(directory, database_url=soaked.url, command=command))
    for service in services:
        service.start(within_seconds=120)
    yield services
    for service in services:
        service.stop(within_seconds=60)


@pytest.mark.whole
@pytest.mark.alone
@pytest.mark.timeout(1_500)
def test_five_replicas_for_five_minutes_do_everything_once(soaked, five):
    slowest = 0.0
    for hour in range(HOURS):
        began = time.monotonic()
        soaked.post([hour])
        if hour % KILLED_EVERY == KILLED_EVERY - 1:
            killed = five[hour // KILLED_EVERY % len(five)]
            killed.kill()
            slowest = max(slowest, killed.start(within_seconds=120))
        time.sleep(max(0.0, EVERY_SECONDS - (time.monotonic() - began)))
    soaked.done_in(within_seconds=120)
    soaked.judge("five for five minutes, one killed every half minute", rounds=HOURS // KILLED_EVERY,
                 recovery_seconds=slowest)  # fmt: skip
    runs = [run for job in ("fold", "evaluate") for run in runs_of(soaked.store, job=job)]
    assert {run.state for run in runs} == {"done"}
    assert len({run.owner for run in runs}) >= len(five), "not every replica worked"
    for service in five:
        until(lambda s=service: httpx.get(f"{s.url}/readyz").status_code == 200, within_seconds=10)
