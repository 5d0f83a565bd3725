"""Five replicas at their one-second cadence for five minutes, and two for one; one killed every half minute."""

from __future__ import annotations

import time

import httpx
import pytest

from monitor.store import open_store
from tests.faults.replicas.conftest import World
from tests.faults.replicas.control import until
from tests.faults.replicas.fleet import by_one, make_fleet, runs_of
from tests.service import Service

MODELS, EVERY_SECONDS = 30, 5.0
KILLED_EVERY = 6  # hours of traffic
COMMANDS = {
    "two": (("serve", "worker"), 12),
    "five": (("serve", "serve", "worker", "worker", "worker"), 60),
}  # what runs, and for how many hours of traffic
SAID = {"two": "two for a minute", "five": "five for five minutes"}


@pytest.fixture
def soaked(request, tmp_path, postgresql_databases):
    """A fleet on a database of its own, and what one process alone makes of its traffic on a copy."""
    url = postgresql_databases("template0")
    store = open_store(url, data_dir=tmp_path, migrate=True)
    fleet = make_fleet(store, count=MODELS, hours=COMMANDS[request.param][1])
    store.close()
    alone = by_one(postgresql_databases(url.rpartition("/")[2].partition("?")[0]), fleet=fleet, data_dir=tmp_path)
    store = open_store(url, data_dir=tmp_path)
    yield World(url=url, store=store, fleet=fleet, by_one=alone)
    store.close()


def started(commands, *, url, directory):
    services = []
    for number, command in enumerate(commands):
        place = directory / str(number)
        place.mkdir()
        services.append(Service(place, database_url=url, command=command))
    for service in services:
        service.start()
    return services


@pytest.mark.whole
@pytest.mark.alone
@pytest.mark.timeout(1_500)
@pytest.mark.parametrize(
    ("soaked", "count"), [("five", "five"), ("two", "two")], indirect=["soaked"], ids=["five", "two"]
)
def test_replicas_at_their_cadence_do_everything_once(soaked, count, tmp_path):
    commands, hours = COMMANDS[count]
    services, slowest = started(commands, url=soaked.url, directory=tmp_path), 0.0
    try:
        for hour in range(hours):
            began = time.monotonic()
            soaked.post([hour])
            if hour % KILLED_EVERY == KILLED_EVERY - 1:
                killed = services[hour // KILLED_EVERY % len(services)]
                killed.kill()
                slowest = max(slowest, killed.start())
            time.sleep(max(0.0, EVERY_SECONDS - (time.monotonic() - began)))
        soaked.done_in(within_seconds=120)
        soaked.judge(f"{SAID[count]}, one killed every half minute", rounds=hours // KILLED_EVERY,
                     recovery_seconds=slowest)  # fmt: skip
        runs = [run for job in ("fold", "evaluate") for run in runs_of(soaked.store, job=job)]
        assert {run.state for run in runs} == {"done"}
        assert len({run.owner for run in runs}) >= len(services), "not every replica worked"
        for service in services:
            until(lambda s=service: httpx.get(f"{s.url}/readyz").status_code == 200, within_seconds=10)
    finally:
        for service in services:
            service.stop(within_seconds=60)
