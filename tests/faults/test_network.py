"""A network that keeps everything back, without an end of a connection: not ready soon, and on by itself afterwards."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack

import httpx
import pytest

from monitor.api.looks import LOOK_SECONDS
from tests.faults.cluster import until
from tests.faults.load import make_victim
from tests.faults.relay import Relay
from tests.service import PATIENCE, Service

pytestmark = [pytest.mark.alone, pytest.mark.timeout(300)]
NOTICED_SECONDS = 16.0  # ten since anybody knew, a glance a second, and the look; times PATIENCE
MORE_THAN_THREADS = 45  # the shared ones are 40


@pytest.fixture
def relay(postgresql_server):
    with Relay(postgresql_server) as opened:
        yield opened


@pytest.fixture
def service(relay, postgresql_databases, tmp_path):
    """A running server whose way to its database is the relay."""
    started = Service(tmp_path, database_url=relay.url(postgresql_databases("template0")))
    started.start()
    make_victim(started)
    yield started
    relay.resume()
    started.stop(within_seconds=40)


def shown_ready(service: Service) -> bool:
    page = httpx.get(f"{service.url}/metrics", timeout=5 * PATIENCE).text
    return "driftline_ready 1.0" in page.splitlines()


def test_a_network_that_keeps_everything_back_makes_a_server_not_ready_that_goes_on_by_itself(relay, service):
    until(lambda: shown_ready(service), within_seconds=20, what="ready")
    with ThreadPoolExecutor(MORE_THAN_THREADS) as clients, ExitStack() as ending:
        ending.callback(relay.resume)
        relay.stall()
        until(lambda: not shown_ready(service), within_seconds=NOTICED_SECONDS, what="driftline_ready 0")
        asked = [
            clients.submit(httpx.get, f"{service.url}/api/v1/models", timeout=120) for _ in range(MORE_THAN_THREADS)
        ]
        assert not wait(asked, timeout=2).done, "something came through"
        began = time.monotonic()
        answer = httpx.get(f"{service.url}/readyz", timeout=60)
        assert time.monotonic() - began < (LOOK_SECONDS + 1) * PATIENCE, "as long as the probe of the chart waits"
        assert (answer.status_code, "the database" in answer.json()["detail"]) == (503, True)
        assert httpx.get(f"{service.url}/livez", timeout=5 * PATIENCE).status_code == 200
        relay.resume()
        until(lambda: shown_ready(service), within_seconds=NOTICED_SECONDS, what="ready again")
        assert {answer.result().status_code for answer in asked} <= {200, 503}
    assert httpx.get(f"{service.url}/api/v1/models", timeout=60).status_code == 200
    assert "unexpected error" not in service.log.read_text()
