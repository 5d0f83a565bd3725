"""An older database is upgraded by processes that are killed at every step, or that all begin at once."""

from __future__ import annotations

import itertools
import threading
import time

import pytest
import sqlalchemy as sa

from monitor.model.errors import Unavailable
from monitor.store import migrate, migrating, open_store
from monitor.store.migrations import REVISIONS
from monitor.verify import verify_store
from tests.faults.report import judge
from tests.faults.upgrading import (
    Upgrade,
    large,
    no_lock_holds_processes_apart,
    statements_commit_by_themselves,
    the_place_is_kept_before_its_run,
)
from tests.schemas.life import V
from tests.schemas.released import Released
from tests.schemas.upgraded import today
from tests.store.backing_up import everything

WINDOWS, RUN = 900, 200  # five runs
FROM_V0009 = REVISIONS[REVISIONS.index("v0010") :]


@pytest.fixture
def second_url(request, empty_url, tmp_path):
    """Another empty database of the same kind."""
    if empty_url.startswith("sqlite"):
        return f"sqlite:///{tmp_path}/second.db"
    return request.getfixturevalue("postgresql_databases")("template0")


def contents(url, data_dir, *, upgrade=False):
    """Everything in a database of today's schema."""
    store = open_store(url, data_dir=data_dir, migrate=upgrade)
    try:
        assert store.schema_current()
        return everything(store)
    finally:
        store.close()


def steps_of(revision, points):
    return {point.rpartition(", ")[2] for point in points if point.startswith(revision)}


def test_a_process_killed_at_any_step_is_gone_on_from_with_everything_there(empty_url, second_url, tmp_path):
    large(empty_url, tmp_path, windows=WINDOWS)
    large(second_url, tmp_path, windows=WINDOWS)
    points = Upgrade(url=empty_url, data_dir=tmp_path, rows=RUN).killed_at_every_point()
    for revision in FROM_V0009:
        assert {"begun", "statement 1", "done", "committed"} <= steps_of(revision, points), revision
    runs = [point for point in points if point.startswith("v0010") and point.endswith("committed")]
    assert len(runs) >= 5, runs
    assert contents(empty_url, tmp_path) == contents(second_url, tmp_path, upgrade=True)


@pytest.mark.whole
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("released", ["v0001", "v0002", "v0009"])
def test_a_process_killed_after_any_statement_is_gone_on_from(released, empty_url, second_url, tmp_path):
    for url in (empty_url, second_url):
        Released(revision=released).load(url)
    upgrade = Upgrade(url=empty_url, data_dir=tmp_path, rows=2, every_statement=True)
    points = upgrade.killed_at_every_point()
    assert len(points) > 50
    assert contents(empty_url, tmp_path) == contents(second_url, tmp_path, upgrade=True)
    store, facts = open_store(empty_url, data_dir=tmp_path), Released(revision=released).facts()
    assert verify_store(store) == []
    with today(store, url=empty_url, data_dir=tmp_path, now_us=facts["now_us"]) as server:
        stored = server.get(V + "/records", limit=10_000)["results"]
    database = "SQLite" if store.dialect == "sqlite" else "PostgreSQL"
    store.close()
    judge(f"kill -9 at any statement of the upgrade from {released}", database=database, rounds=len(points),
          sent=facts["records"], acked=facts["records"], stored=[record["id"] for record in stored])  # fmt: skip


@pytest.mark.parametrize(
    ("mutation", "step"),
    [(statements_commit_by_themselves, "statement 1"), (the_place_is_kept_before_its_run, "committed")],
)
def test_without_the_transaction_it_would_not_be(mutation, step, empty_url, second_url, tmp_path):
    large(empty_url, tmp_path, windows=WINDOWS)
    large(second_url, tmp_path, windows=WINDOWS)
    upgrade = Upgrade(url=empty_url, data_dir=tmp_path, rows=RUN, mutation=mutation, steps=(step,))
    try:
        upgrade.killed_at_every_point()
    except AssertionError:
        return  # one could not go on
    assert contents(empty_url, tmp_path) != contents(second_url, tmp_path, upgrade=True)


def test_processes_that_begin_at_once_apply_each_migration_once(empty_url, second_url, tmp_path):
    large(empty_url, tmp_path, windows=WINDOWS)
    large(second_url, tmp_path, windows=WINDOWS)
    applied = Upgrade(url=empty_url, data_dir=tmp_path, rows=RUN).beside_others(processes=4)
    assert None not in applied
    assert sorted(itertools.chain.from_iterable(applied)) == list(FROM_V0009)
    assert contents(empty_url, tmp_path) == contents(second_url, tmp_path, upgrade=True)


def test_without_the_lock_they_would_get_in_each_others_way(empty_url, tmp_path):
    large(empty_url, tmp_path, windows=WINDOWS)
    upgrade = Upgrade(url=empty_url, data_dir=tmp_path, rows=RUN, mutation=no_lock_holds_processes_apart)
    assert None in upgrade.beside_others(processes=4)


@pytest.fixture
def read_table(postgresql_databases, tmp_path):
    """(the URL of a database of v0009, an engine of it), whose table of windows somebody reads at length."""
    url = postgresql_databases("template0")
    Released(revision="v0009").load(url)
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    with engine.connect() as reader:
        reader.exec_driver_sql('SELECT * FROM "window"').all()  # its lock stays until the end of the transaction
        yield url, reader
    engine.dispose()


def slowest_read(url, *, seconds):
    """What the slowest of an older server's questions took meanwhile."""
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    took, until = [], time.monotonic() + seconds
    with engine.connect() as conn:
        while time.monotonic() < until:
            began = time.monotonic()
            conn.exec_driver_sql('SELECT count(*) FROM "window"').all()
            took.append(time.monotonic() - began)
    engine.dispose()
    return max(took)


@pytest.mark.parametrize(("table_lock_seconds", "held_up"), [(1, False), (20, True)])
def test_a_migration_that_waits_for_a_table_lets_others_in_between(
    table_lock_seconds, held_up, read_table, tmp_path, monkeypatch
):  # fmt: skip
    """With the bound of its wait taken out, whoever comes after it waits as long as it does."""
    url, reader = read_table
    monkeypatch.setattr(migrate, "TABLE_LOCK_SECONDS", table_lock_seconds)
    store = open_store(url, data_dir=tmp_path)
    migrating_thread = threading.Thread(target=store.migrate)
    migrating_thread.start()
    release = threading.Timer(8.0, reader.rollback)
    release.start()
    slowest = slowest_read(url, seconds=4.0)
    release.join()
    migrating_thread.join(timeout=60)
    assert store.schema_current()
    store.close()
    assert slowest > 0.5, "nobody waited: the run says nothing"
    assert (slowest > 4.0) == held_up, slowest


def test_a_table_that_is_never_free_is_said_and_nothing_is_changed(read_table, tmp_path, monkeypatch):
    url, _ = read_table
    monkeypatch.setattr(migrate, "TABLE_LOCK_SECONDS", 1)
    monkeypatch.setattr(migrating, "WAIT_SECONDS", 1.0)
    with pytest.raises(Unavailable, match=r"lock in the database is held.*end whoever holds it, then start again"):
        open_store(url, data_dir=tmp_path, migrate=True)
    store = open_store(url, data_dir=tmp_path)
    with store.read() as conn:
        assert migrate.pending(conn) == FROM_V0009
    store.close()
