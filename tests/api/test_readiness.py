"""``driftline_ready`` says what ``/readyz`` would, also where nobody asks."""

from __future__ import annotations

import threading
import time

import httpx
import pytest
import sqlalchemy as sa

from monitor.api import looks
from monitor.api.looks import Looks
from monitor.api.readiness import ReadinessWatch
from monitor.app import create_app, create_worker
from monitor.settings import Settings
from monitor.store import open_store
from monitor.store.migrations import REVISIONS
from tests.api.running import running
from tests.faults.cluster import until
from tests.faults.relay import Relay


def shown(url: str) -> float:
    (value,) = [
        line.split()[1] for line in httpx.get(f"{url}/metrics").text.splitlines() if line.startswith("driftline_ready ")
    ]
    return float(value)


def schema_of(store, *, revision: str) -> str:
    """Says that the database is at that revision; the one that it was at."""
    with store.write() as conn:
        before = conn.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one()
        conn.execute(sa.text("UPDATE alembic_version SET version_num = :new"), {"new": revision})
    return before


def test_it_is_1_without_anybodys_asking_and_0_while_there_is_a_reason(tmp_path, store_url):
    for make in (create_app, create_worker):
        application = make(Settings(data_dir=tmp_path, database_url=store_url))
        services = application.state.services
        with running(application) as url:
            until(lambda url=url: shown(url) == 1, within_seconds=20, what="a look by itself")
            watch = ReadinessWatch(services, every_seconds=0.05)
            watch.start()
            current = schema_of(services.store, revision=REVISIONS[0])
            until(lambda url=url: shown(url) == 0, within_seconds=20, what="an old schema noticed")
            schema_of(services.store, revision=current)
            until(lambda url=url: shown(url) == 1, within_seconds=20, what="the schema current again")
            watch.close()


def test_who_asks_readyz_sees_the_same_and_saves_the_process_its_own_look(tmp_path):
    application = create_app(Settings(data_dir=tmp_path))
    services = application.state.services
    with running(application) as url:
        until(lambda: shown(url) == 1, within_seconds=20, what="a look by itself")
        current = schema_of(services.store, revision=REVISIONS[0])
        assert httpx.get(f"{url}/readyz").status_code == 503
        assert shown(url) == 0
        looked = services.telemetry.looked_ready
        watch = ReadinessWatch(services, every_seconds=600)
        watch.start()
        watch.close()
        assert services.telemetry.looked_ready == looked
        schema_of(services.store, revision=current)


def test_while_records_are_stored_it_costs_no_commit_of_its_own(tmp_path):
    application = create_app(Settings(data_dir=tmp_path))
    services = application.state.services
    with running(application) as url, httpx.Client(base_url=f"{url}/api/v1/models", timeout=30) as client:
        until(lambda: shown(url) == 1, within_seconds=20, what="a look by itself")
        client.put("/m", json={}).raise_for_status()
        client.put("/m/versions/1", json={}).raise_for_status()
        client.post("/m/versions/1/predictions", json={"records": [{"features": {"x": 1}}]}).raise_for_status()
        looked = services.telemetry.looked_ready
        services.telemetry.looked_ready = looked - 600  # long ago: it would be time
        watch = ReadinessWatch(services, every_seconds=120)
        watch.start()
        watch.close()
        assert services.telemetry.looked_ready == looked - 600
        services.telemetry.was_ready = False  # not ready is looked at again, whatever is stored
        watch = ReadinessWatch(services, every_seconds=120)
        watch.start()
        until(lambda: services.telemetry.looked_ready > looked, within_seconds=20, what="a look")
        watch.close()


def test_a_look_at_a_database_that_takes_what_is_asked_and_never_answers_has_an_end(
    postgresql_server, postgresql_reused, tmp_path
):
    with Relay(postgresql_server) as relay:
        store = open_store(relay.url(postgresql_reused), data_dir=tmp_path)
        asked = Looks()

        def ask():
            return [] if store.schema_current() else ["old"]

        assert asked.find(ask) == []
        relay.stall()
        began = time.monotonic()
        assert asked.find(ask) == ["the database has not answered for 4 s"]
        assert time.monotonic() - began < looks.LOOK_SECONDS + 3
        relay.resume()
        assert asked.find(ask) == []
        store.close()


def test_looks_that_do_not_end_are_few_and_the_next_ones_are_answered_at_once(monkeypatch):
    monkeypatch.setattr(looks, "LOOK_SECONDS", 0.2)
    asked, release, begun = Looks(), threading.Event(), []

    def ask():
        begun.append(1)
        release.wait(60)
        return []

    found = [asked.find(ask) for _ in range(looks.MOST_AT_ONCE + 20)]
    assert all(reason.startswith("the database has not answered for") for (reason,) in found)
    assert len(begun) == looks.MOST_AT_ONCE
    release.set()
    until(lambda: asked.find(lambda: ["new"]) == ["new"], within_seconds=20, what="looks again")


def test_what_a_look_raises_is_raised():
    def fail():
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        Looks().find(fail)
