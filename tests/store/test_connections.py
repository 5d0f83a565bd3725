"""Room for the connections of a process: asked of the server at the start and by ``driftline doctor``."""

from __future__ import annotations

import time

import pytest
import sqlalchemy as sa

from monitor.app import _close, create_app
from monitor.settings import Settings
from monitor.store import open_store
from monitor.store.connections import MOST, crowding, room


def warnings_at_start(url, directory, caplog):
    services = create_app(Settings(data_dir=directory, database_url=url), jobs=False).state.services
    try:
        return [r.message for r in caplog.records if r.name == "monitor.app" and r.levelname == "WARNING"]
    finally:
        _close(services)


def limit(url, connections):
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.pool.NullPool)
    with engine.connect() as conn:
        conn.exec_driver_sql(f'ALTER DATABASE "{engine.url.database}" CONNECTION LIMIT {connections}')
    engine.dispose()


def settled(store):
    """How many other connections the server counts when that has not changed for half a second.

    A session that was closed is counted until its process has ended.
    """
    deadline = time.monotonic() + 20
    seen, since = -1, 0.0
    while time.monotonic() < deadline:
        with store.read() as conn:
            used = room(conn)[1]
        if used != seen:
            seen, since = used, time.monotonic()
        elif time.monotonic() - since > 0.5:
            return used
        time.sleep(0.02)
    raise AssertionError(f"the number of connections does not settle: {seen}")


def test_a_server_with_room_is_not_mentioned(empty_url, tmp_path, caplog):
    assert warnings_at_start(empty_url, tmp_path, caplog) == []


@pytest.mark.parametrize("empty_url", ["postgresql"], indirect=True)
def test_a_server_with_fewer_connections_than_a_process_may_take_is_warned_of(empty_url, tmp_path, caplog):
    limit(empty_url, MOST - 1)
    said = warnings_at_start(empty_url, tmp_path, caplog)
    assert len(said) == 1
    assert said[0].startswith(f"PostgreSQL allows this user {MOST - 1} connections")
    assert f"each process of Driftline may take {MOST}. Raise max_connections" in said[0]


@pytest.mark.parametrize("empty_url", ["postgresql"], indirect=True)
def test_connections_that_others_have_are_not_free(empty_url, tmp_path):
    store = open_store(empty_url, data_dir=tmp_path)
    used = settled(store)
    limit(empty_url, MOST + used)
    assert settled(store) == used
    with store.read() as conn:
        assert crowding(conn) is None
    other = sa.create_engine(empty_url, poolclass=sa.pool.NullPool)
    with other.connect() as taken, store.read() as conn:
        assert taken.exec_driver_sql("SELECT 1").scalar_one() == 1
        assert f"{used + 1} are in use" in str(crowding(conn))
    other.dispose()
    store.close()
