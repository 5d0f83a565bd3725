import logging
import os
import sqlite3
import subprocess
import sys
import threading
import time

import pytest
import sqlalchemy as sa

from monitor.model.entities import Model
from monitor.model.errors import ConfigurationError, Unavailable
from monitor.store import models, open_store, postgres, sqlite, tables
from monitor.store.engine import _parse


def names(store):
    with store.read() as conn:
        return [m.name for m in models.list_models(conn)]


def add(store, name):
    with store.write() as conn:
        models.insert_model(conn, Model(name=name))


def test_a_fresh_store_has_every_migration_and_takes_writes(store):
    store.check_writable()
    assert store.schema_current()


def test_what_a_write_leaves_is_read_by_another_store(store, store_url, tmp_path):
    add(store, "churn")
    other = open_store(store_url, data_dir=tmp_path)
    assert names(other) == ["churn"]
    other.close()


def test_an_error_inside_a_write_leaves_nothing(store):
    def write_and_stop():
        with store.write() as conn:
            models.insert_model(conn, Model(name="churn"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_stop()
    assert names(store) == []


def test_a_read_cannot_write_and_the_next_write_can(store):
    with pytest.raises(Unavailable, match="read-only"), store.read() as conn:
        models.insert_model(conn, Model(name="churn"))
    add(store, "fraud")
    assert names(store) == ["fraud"]


def test_a_read_sees_one_snapshot_while_others_commit(store):
    with store.read() as conn:
        before = models.list_models(conn)
        thread = threading.Thread(target=add, args=(store, "churn"))
        thread.start()
        thread.join(10)
        assert not thread.is_alive()
        assert models.list_models(conn) == before == []
    assert names(store) == ["churn"]


def test_reads_do_not_wait_for_a_write(store):
    add(store, "churn")
    with store.write() as conn:
        models.insert_model(conn, Model(name="fraud"))
        seen = []
        thread = threading.Thread(target=lambda: seen.extend(names(store)))
        thread.start()
        thread.join(5)
        assert seen == ["churn"]


def test_two_writers_take_turns_and_lose_nothing(store):
    counter = sa.select(tables.meta.c.value).where(tables.meta.c.key == "n")

    def count_up():
        for _ in range(25):
            with store.write() as conn:
                value = int(conn.execute(counter.with_for_update()).scalar_one())
                conn.execute(sa.update(tables.meta).where(tables.meta.c.key == "n").values(value=str(value + 1)))

    with store.write() as conn:
        conn.execute(sa.insert(tables.meta).values(key="n", value="0"))
    threads = [threading.Thread(target=count_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.read() as conn:
        assert conn.execute(counter).scalar_one() == "100"


def test_a_write_inside_a_write_is_a_mistake_that_says_so(tmp_path):
    store = open_store("", data_dir=tmp_path, migrate=True)
    with pytest.raises(RuntimeError, match="pass the open connection on"), store.write(), store.write():
        pass
    store.close()


def test_the_secret_is_sixteen_bytes_that_stay(store, store_url, tmp_path):
    other = open_store(store_url, data_dir=tmp_path)
    assert len(store.secret) == 16
    assert other.secret == store.secret
    other.close()


def test_a_forked_child_must_open_its_own_store(store):
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            names(store)
        except ConfigurationError as error:
            os.write(write_end, error.detail.encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(write_end)
    assert b"open it after the fork" in os.read(read_end, 1000)
    os.close(read_end)
    assert names(store) == []


def test_a_database_without_tables_is_not_ready_and_says_what_to_run(empty_url, tmp_path):
    store = open_store(empty_url, data_dir=tmp_path)
    assert not store.schema_current()
    with pytest.raises(Unavailable, match="driftline migrate"):
        names(store)
    store.close()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://u:p@h/d", "postgresql+psycopg://u:***@h/d"),
        ("postgres://u@h/d", "postgresql+psycopg://u@h/d"),
        ("sqlite:////tmp/x.db", "sqlite:////tmp/x.db"),
    ],
)
def test_a_url_as_people_write_it_is_understood(url, expected, tmp_path):
    assert _parse(url, data_dir=tmp_path).render_as_string() == expected


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://h/d", "nonsense", "postgresql://h:port/d"])
def test_a_url_that_cannot_be_used_is_refused_with_what_is_expected(url, tmp_path):
    with pytest.raises(ConfigurationError, match="expected"):
        open_store(url, data_dir=tmp_path)


def test_without_a_url_the_database_is_a_file_in_the_data_directory(tmp_path):
    open_store("", data_dir=tmp_path / "new", migrate=True).close()
    assert (tmp_path / "new" / "driftline.db").exists()


# SQLite


def test_the_bundled_library_has_the_fix_and_runs_in_wal_with_every_commit_flushed(tmp_path):
    store = open_store("", data_dir=tmp_path, migrate=True)
    with store.write() as conn:
        assert conn.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert conn.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert conn.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
        version = conn.exec_driver_sql("SELECT sqlite_version()").scalar_one()
    assert sqlite.wal_is_safe(tuple(int(part) for part in version.split(".")))
    store.close()


@pytest.fixture
def old_library(monkeypatch):
    """The standard library's module, said to be of a version that loses commits in WAL mode."""
    monkeypatch.setattr(sqlite, "library", lambda: sqlite3)
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 40, 1))
    monkeypatch.setattr(sqlite3, "sqlite_version", "3.40.1")
    monkeypatch.setattr(sqlite, "_told", set())


@pytest.mark.usefixtures("old_library")
def test_a_library_without_the_fix_uses_the_rollback_journal_and_says_so_once(tmp_path, caplog):
    for _ in range(2):
        store = open_store("", data_dir=tmp_path, migrate=True)
        with store.write() as conn:
            assert conn.exec_driver_sql("PRAGMA journal_mode").scalar() == "delete"
        store.close()
    assert [r.levelno for r in caplog.records if "rollback journal" in r.message] == [logging.WARNING]


@pytest.mark.usefixtures("old_library")
def test_a_file_left_in_wal_mode_is_brought_back_by_a_library_without_the_fix(tmp_path):
    connection = sqlite3.connect(tmp_path / "driftline.db")
    assert connection.execute("PRAGMA journal_mode=wal").fetchone() == ("wal",)
    connection.close()
    store = open_store("", data_dir=tmp_path, migrate=True)
    with store.write() as conn:
        assert conn.exec_driver_sql("PRAGMA journal_mode").scalar() == "delete"
    store.close()


def test_another_process_that_holds_the_lock_makes_a_bounded_wait(tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.3)
    store = open_store("", data_dir=tmp_path, migrate=True)
    code = (
        "import sys, importlib; m = importlib.import_module(sys.argv[2])\n"
        "c = m.connect(sys.argv[1], isolation_level=None); c.execute('BEGIN EXCLUSIVE')\n"
        "print('held', flush=True); sys.stdin.readline()"
    )
    arguments = [sys.executable, "-c", code, str(tmp_path / "driftline.db"), sqlite.library().__name__]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        started = time.monotonic()
        with pytest.raises(Unavailable, match="locked"):
            add(store, "churn")
        assert 0.2 < time.monotonic() - started < 3
        other.communicate("\n")
    add(store, "churn")
    assert names(store) == ["churn"]
    store.close()


def test_a_writer_that_hangs_makes_the_others_wait_no_longer_than_stated(tmp_path, monkeypatch):
    monkeypatch.setattr("monitor.store.engine.WRITE_WAIT_SECONDS", 0.2)
    store = open_store("", data_dir=tmp_path, migrate=True)
    errors = []

    def wait():
        try:
            store.check_writable()
        except Unavailable as error:
            errors.append(error)

    with store.write():
        thread = threading.Thread(target=wait)
        thread.start()
        thread.join(5)
    assert [error.detail for error in errors] == ["the database is busy with another write"]
    store.close()


def test_a_full_disk_is_unavailable_and_heals_by_itself(tmp_path):
    store = open_store("", data_dir=tmp_path, migrate=True)
    with store._writer.connect() as conn:
        pages = conn.exec_driver_sql("PRAGMA page_count").scalar_one()
        conn.exec_driver_sql(f"PRAGMA max_page_count={pages + 2}")
    much = [{"key": str(key), "value": "x" * 4000} for key in range(100)]
    with pytest.raises(Unavailable, match="full") as caught, store.write() as conn:
        conn.execute(sa.insert(tables.meta), much)
    assert caught.value.retry_after_seconds == 10
    with store._writer.connect() as conn:
        conn.exec_driver_sql("PRAGMA max_page_count=1000000")
    store.check_writable()
    with store.read() as conn:
        assert conn.execute(sa.select(tables.meta.c.key).where(tables.meta.c.key == "0")).all() == []
    store.close()


@pytest.mark.parametrize("content", [b"no database " * 1000, b"SQLite format 3\0" + b"\xff" * 8000])
def test_a_damaged_file_is_refused_with_the_remedy(content, tmp_path):
    (tmp_path / "driftline.db").write_bytes(content)
    with pytest.raises(ConfigurationError, match="restore a backup"):
        open_store("", data_dir=tmp_path)


def test_a_path_that_cannot_be_a_database_is_refused(tmp_path):
    (tmp_path / "driftline.db").mkdir()
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        open_store("", data_dir=tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="directory"):
        open_store(f"sqlite:///{tmp_path}/file/x.db", data_dir=tmp_path)


# PostgreSQL

on_postgresql = pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)


@on_postgresql
def test_every_commit_is_flushed_even_where_the_database_says_otherwise(store_url, tmp_path):
    engine = sa.create_engine(store_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as conn:
        conn.exec_driver_sql(f'ALTER DATABASE "{engine.url.database}" SET synchronous_commit = off')
    engine.dispose()
    store = open_store(store_url, data_dir=tmp_path)
    with store.write() as conn:
        assert conn.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"
    store.close()


@on_postgresql
def test_every_wait_on_postgresql_is_bounded(store):
    with store.read() as conn:
        assert conn.exec_driver_sql("SHOW statement_timeout").scalar() == "30s"
        assert conn.exec_driver_sql("SHOW lock_timeout").scalar() == "10s"
        assert conn.exec_driver_sql("SHOW idle_in_transaction_session_timeout").scalar() == "1min"
        assert conn.exec_driver_sql("SHOW transaction_isolation").scalar() == "repeatable read"
    with store.write() as conn:
        assert conn.exec_driver_sql("SHOW transaction_isolation").scalar() == "read committed"


@on_postgresql
def test_a_table_lock_makes_a_bounded_wait(store_url, tmp_path, monkeypatch):
    monkeypatch.setattr(postgres, "LOCK_SECONDS", 0.2)
    store = open_store(store_url, data_dir=tmp_path)
    engine = sa.create_engine(store_url)
    with engine.connect() as other:
        other.exec_driver_sql("LOCK TABLE model IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(Unavailable, match="lock"):
            add(store, "churn")
    engine.dispose()
    add(store, "churn")
    store.close()


@on_postgresql
def test_a_connection_does_not_keep_the_memory_of_its_largest_message_for_good(store_url, tmp_path, monkeypatch):
    monkeypatch.setattr(postgres, "RECYCLE_SECONDS", 1)
    store = open_store(store_url, data_dir=tmp_path)

    def session():
        with store.read() as conn:
            return conn.exec_driver_sql("SELECT pg_backend_pid()").scalar()

    first = session()
    time.sleep(1.1)
    assert session() != first
    store.close()


@on_postgresql
def test_connections_that_the_server_ends_are_made_anew(store, store_url):
    add(store, "churn")
    engine = sa.create_engine(store_url, isolation_level="AUTOCOMMIT")
    others = "datname = current_database() AND pid <> pg_backend_pid()"
    kill = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"

    def write_while_it_ends():
        with store.write() as conn:
            models.insert_model(conn, Model(name="fraud"))
            other.exec_driver_sql(kill)
            models.insert_model(conn, Model(name="spam"))

    with engine.connect() as other:
        other.exec_driver_sql(kill)
        assert names(store) == ["churn"]
        with pytest.raises(Unavailable):
            write_while_it_ends()
        assert names(store) == ["churn"]
    engine.dispose()


@on_postgresql
def test_a_server_that_is_away_is_unavailable_and_only_migrating_needs_it(store_url, tmp_path):
    away = sa.make_url(store_url).set(database="nobody").render_as_string(hide_password=False)
    store = open_store(away, data_dir=tmp_path)
    with pytest.raises(Unavailable):
        store.check_writable()
    store.close()
    with pytest.raises(Unavailable):
        open_store(away, data_dir=tmp_path, migrate=True)


def writes_after_read_only(store_url, directory):
    """Whether a store writes again, that met its database while it was read-only."""
    store = open_store(store_url, data_dir=directory)
    engine = sa.create_engine(store_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as other:
        other.exec_driver_sql(f'ALTER DATABASE "{engine.url.database}" SET default_transaction_read_only = on')
        other.exec_driver_sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                              "WHERE datname = current_database() AND pid <> pg_backend_pid()")  # fmt: skip
        with store.read() as conn:  # a connection that has read writes no more than a new one
            conn.exec_driver_sql("SELECT 1")
        with pytest.raises(Unavailable, match="read-only"):
            store.check_writable()
        other.exec_driver_sql(f'ALTER DATABASE "{engine.url.database}" RESET default_transaction_read_only')
    engine.dispose()
    try:
        store.check_writable()
    except Unavailable:
        return False
    finally:
        store.close()
    return True


@on_postgresql
def test_connections_to_a_database_that_became_read_only_are_made_anew(store_url, tmp_path):
    assert writes_after_read_only(store_url, tmp_path)


@on_postgresql
def test_without_that_they_would_stay_read_only(store_url, tmp_path, monkeypatch):
    monkeypatch.setattr(postgres, "_leave_read_only", lambda context: None)
    assert not writes_after_read_only(store_url, tmp_path)


def test_the_text_of_an_error_has_no_parameters_for_it_is_logged_and_they_are_what_clients_sent(store):
    with pytest.raises(sa.exc.IntegrityError) as failed, store.write() as conn:
        conn.execute(sa.insert(tables.meta), [{"key": "twice", "value": "planted-value"}] * 2)
    assert "INSERT INTO meta" in str(failed.value)
    assert "planted-value" not in str(failed.value)
