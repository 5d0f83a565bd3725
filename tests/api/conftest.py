from __future__ import annotations

import numpy as np
import pytest

from monitor.app import create_app
from monitor.jobs.runner import JobRunner
from monitor.jobs.settings import JobSettings
from monitor.model.time import HOUR_US, MINUTE_US, parse_instant
from monitor.settings import Settings
from tests.api.running import client_of
from tests.api.tables import ARROW, PARQUET, arrow_of, hour, parquet_of

HOURS = 40  # of the reference of ``judged``
NOW = parse_instant("2026-03-02T12:30:00Z")


VERSION = "/api/v1/models/churn/versions/42"


class Clock:
    """The service's clock, moved by the test."""

    def __init__(self):
        self.now_us = NOW

    def __call__(self) -> int:
        return self.now_us


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def settings(store_url, tmp_path):
    return Settings(database_url=store_url, data_dir=tmp_path)


@pytest.fixture
def application(settings, clock):
    """The application without jobs, once on each database."""
    return create_app(settings, jobs=False, now_us=clock)


@pytest.fixture
def client(application):
    """A client of a real server of it."""
    with client_of(application) as client:
        yield client


@pytest.fixture
def tick(application, clock):
    """Does at once everything that is due by the test's clock."""
    services = application.state.services
    runner = JobRunner(
        services.store,
        services.telemetry,
        now_us=clock,
        settings=JobSettings(fold_interval_us=0, gather_us=0, workers=1),
    )
    return runner.tick


@pytest.fixture
def churn(client):
    """The client, with a model ``churn`` that has a version ``42``."""
    assert client.put("/api/v1/models/churn", json={"task": "binary_classification"}).status_code == 201
    assert client.put("/api/v1/models/churn/versions/42", json={}).status_code == 201
    return client


@pytest.fixture
def judged(churn, clock, tick):
    """A version with a reference of 40 hours and three judged hours behind them, the last one drifted."""
    rng = np.random.default_rng(5)
    begin = clock.now_us - clock.now_us % HOUR_US
    churn.starts = [begin + k * HOUR_US for k in range(3)]
    reference = parquet_of(*(hour(rng, start_us=begin - k * HOUR_US, rows=120) for k in range(HOURS, 0, -1)))
    roles = {"timestamp": "at", "score": "score"}
    assert churn.put(VERSION + "/reference", content=reference, headers=PARQUET, params=roles).status_code == 201
    for position, start_us in enumerate(churn.starts):
        clock.now_us = start_us + 59 * MINUTE_US
        traffic = arrow_of(hour(rng, start_us=start_us, rows=120, shift=40.0 if position == 2 else 0.0))
        sent = churn.post(VERSION + "/predictions", content=traffic, headers=ARROW, params={"timestamp": "at"})
        assert sent.json()["stored"] == 120, sent.text[:300]
    clock.now_us = churn.starts[-1] + HOUR_US + 6 * MINUTE_US
    tick()
    return churn


@pytest.fixture
def more_hours(judged, clock, tick):
    """Posts and judges one more hour: a healthy one, or a drifted one."""
    rng = np.random.default_rng(6)

    def judge(*, drifted):
        judged.starts.append(start_us := judged.starts[-1] + HOUR_US)
        clock.now_us = start_us + 59 * MINUTE_US
        traffic = arrow_of(hour(rng, start_us=start_us, rows=120, shift=40.0 if drifted else 0.0))
        judged.post(VERSION + "/predictions", content=traffic, headers=ARROW, params={"timestamp": "at"})
        clock.now_us = start_us + HOUR_US + 6 * MINUTE_US
        tick()

    return judge


@pytest.fixture
def with_a_threshold(churn):
    """The model's only check is drift above a fixed psi, which needs no history; asked for before ``judged``."""
    check = {"name": "drift", "kind": "drift", "metric": "psi", "columns": ["age"], "threshold": {"alert": 0.5}}
    assert churn.put("/api/v1/models/churn", json={"checks": [check]}).status_code == 200


@pytest.fixture
def alarmed(with_a_threshold, judged):
    """As ``judged``, and ``al_1`` fires: the last hour is in alarm."""
    shown = judged.get("/api/v1/alerts").json()["results"]
    assert [(alert["id"], alert["status"], alert["state"]) for alert in shown] == [("al_1", "alert", "firing")]
    return judged


@pytest.fixture(scope="module")
def embedded(tmp_path_factory):
    """A client of a server on SQLite that a module's tests share, with a model ``churn`` and its version ``42``.

    For what never reaches the database: everything else runs on both.
    """
    settings = Settings(data_dir=tmp_path_factory.mktemp("embedded"))
    with client_of(create_app(settings, jobs=False)) as client:
        client.put("/api/v1/models/churn", json={})
        client.put("/api/v1/models/churn/versions/42", json={})
        yield client
