"""``driftline_ready`` says what ``/readyz`` would, also where nobody asks."""

from __future__ import annotations

import httpx
import sqlalchemy as sa

from monitor.api.readiness import ReadinessWatch
from monitor.app import create_app, create_worker
from monitor.settings import Settings
from monitor.store.migrations import REVISIONS
from tests.api.running import running
from tests.faults.cluster import until


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
