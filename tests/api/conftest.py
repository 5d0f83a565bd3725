from __future__ import annotations

import pytest

from monitor.app import create_app
from monitor.jobs.runner import JobRunner
from monitor.jobs.settings import JobSettings
from monitor.model.time import parse_instant
from monitor.settings import Settings
from tests.api.running import client_of

NOW = parse_instant("2026-03-02T12:30:00Z")


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
