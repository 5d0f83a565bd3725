"""Room for the connections of a process: asked of the server at the start and by ``driftline doctor``."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
import sqlalchemy as sa

from monitor.app import _close, create_app
from monitor.model.errors import Unavailable
from monitor.settings import Settings
from monitor.store import open_store, pool, postgres, sqlite
from monitor.store.batches import insert_batches, payloads
from monitor.store.connections import MOST, crowding, room
from tests.faults.cluster import until
from tests.store.test_log_batches import batch


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


def sessions_of(store, *, count):
    """The server's processes behind that many connections, taken at once."""
    with ExitStack() as stack:
        taken = [stack.enter_context(store.read()) for _ in range(count)]
        return {conn.exec_driver_sql("SELECT pg_backend_pid()").scalar() for conn in taken}


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_connections_that_nobody_takes_end(store, store_url, monkeypatch):
    monkeypatch.setattr(pool, "IDLE_SECONDS", 1.0)
    watching = sa.create_engine(store_url, isolation_level="AUTOCOMMIT", poolclass=sa.pool.NullPool)

    def there(sessions):
        with watching.connect() as conn:
            seen = conn.exec_driver_sql("SELECT pid FROM pg_stat_activity WHERE datname = current_database()")
            return sessions & set(seen.scalars())

    first = sessions_of(store, count=5)
    store.end_idle()
    assert there(first) == first  # none is idle for long
    time.sleep(0.6)
    [kept] = sessions_of(store, count=1)
    time.sleep(0.6)
    store.end_idle()
    until(lambda: there(first) == {kept}, within_seconds=10, what="sessions that end")
    assert sessions_of(store, count=1) == {kept}
    assert len(sessions_of(store, count=5)) == 5
    watching.dispose()


def test_a_pool_has_room_for_as_many_as_before_when_idle_ones_have_ended(store, monkeypatch):
    monkeypatch.setattr(pool, "IDLE_SECONDS", 0.0)
    most = {"sqlite": sqlite.READERS + sqlite.MORE_READERS, "postgresql": postgres.POOL_SIZE + postgres.POOL_OVERFLOW}
    monkeypatch.setattr(store._reader.pool, "_timeout", 0.1)
    for _ in range(3):
        with ExitStack() as stack:
            for _ in range(most[store.dialect]):
                stack.enter_context(store.read())
            with pytest.raises(Unavailable, match="all connections"), store.read():
                pass
        store.end_idle()
        assert store._reader.pool.checkedin() == {"sqlite": sqlite.READERS, "postgresql": 0}[store.dialect]


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_a_server_on_sqlite_has_its_descriptors_from_the_start(store, store_url):
    def opened():
        files = (os.path.realpath(link) for link in Path("/proc/self/fd").iterdir())
        return sum(Path(file).name.startswith("driftline.db") for file in files)

    before = opened()
    store.open_readers()
    at_the_start = opened()
    assert at_the_start > before
    for count in (1, 5, sqlite.READERS):
        with ExitStack() as stack:
            for _ in range(count):
                conn = stack.enter_context(store.read())
                assert conn.exec_driver_sql("SELECT count(*) FROM meta").scalar() > 0
            assert opened() == at_the_start
        store.end_idle()
        assert opened() == at_the_start


def test_connections_are_taken_while_idle_ones_end(store, monkeypatch):
    monkeypatch.setattr(pool, "IDLE_SECONDS", 0.001)
    ended = threading.Event()

    def end():
        while not ended.is_set():
            store.end_idle()

    def read():
        for _ in range(200):
            with store.read() as conn:
                assert conn.exec_driver_sql("SELECT 1").scalar() == 1

    with ThreadPoolExecutor(5) as threads:
        trimming = threads.submit(end)
        try:
            for done in [threads.submit(read) for _ in range(4)]:
                done.result(timeout=60)
        finally:
            ended.set()
        trimming.result(timeout=10)


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_payloads_are_asked_for_in_binary(store, version_id):
    formats = []
    sa.event.listen(
        store._writer, "after_cursor_execute",
        lambda conn, cursor, *_: formats.append({cursor.pgresult.fformat(n) for n in range(cursor.pgresult.nfields)}),
    )  # fmt: skip
    with store.write() as conn:
        [id] = insert_batches(conn, [batch(version_id, payload=bytes(range(256)))])
        formats.clear()
        assert payloads(conn, ids=[id]) == {id: (bytes(range(256)), "ipc")}
        assert conn.execute(sa.text("SELECT relkind FROM pg_class LIMIT 1")).scalar() in "rvitS"
    assert formats == [{1}, {0}]
