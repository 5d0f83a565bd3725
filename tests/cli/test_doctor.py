"""``driftline doctor`` finds what is late, what failed, and settings that lose or refuse; and says what to do."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from monitor.cli.checkup import examine
from monitor.cli.checkup_engine import judged_connections, judged_durability
from monitor.cli.checkup_steps import steps
from monitor.model.entities import Model, Version
from monitor.model.time import DAY_US, HOUR_US, MINUTE_US
from monitor.settings import Settings
from monitor.store import migrate, models, open_store, tables
from monitor.store.batches import NewBatch, insert_batches
from monitor.store.migrations import REVISIONS
from monitor.store.windows import WindowRow, upsert_window

NOW = 400 * DAY_US
SOUND = {
    "server_version": "17.2", "server_version_num": "170002", "fsync": "on", "synchronous_commit": "on",
    "full_page_writes": "on",
}  # fmt: skip


@pytest.fixture
def version_id(store):
    with store.write() as conn:
        model = models.insert_model(conn, Model(name="churn", created_us=1, updated_us=1, lateness_us=5 * MINUTE_US))
        return models.insert_version(conn, Version(model_id=model.id, name="1")).id


def found(store):
    return {finding.what: finding for finding in steps(store, now_us=NOW)}


def add_batch(store, version_id, *, at_us):
    with store.write() as conn:
        insert_batches(conn, [NewBatch(version_id=version_id, received_us=at_us, t_min_us=at_us, t_max_us=at_us, rows=3,
                                       schema_id=None, payload=b"x")])  # fmt: skip


def test_nothing_stored_is_nothing_late(store):
    assert {finding.state for finding in found(store).values()} == {"ok"}


# a window of an hour closes 5 minutes after its end, and is late 10 minutes later
@pytest.mark.parametrize(("ago_us", "state"), [(HOUR_US, "ok"), (2 * HOUR_US + 16 * MINUTE_US, "wrong")])
def test_records_of_closed_windows_that_nobody_folds_are_late(store, version_id, ago_us, state):
    add_batch(store, version_id, at_us=NOW - ago_us)
    finding = found(store)["records"]
    assert (finding.state, "3 records of 1 versions" in finding.found) == (state, True)
    assert bool(finding.remedy) == (state == "wrong")


@pytest.mark.parametrize(("ago_us", "state"), [(14 * MINUTE_US, "ok"), (16 * MINUTE_US, "wrong")])
def test_windows_that_have_closed_and_nobody_computes_are_late(store, version_id, ago_us, state):
    with store.write() as conn:
        end_us = NOW - ago_us
        upsert_window(
            conn, WindowRow(version_id=version_id, start_us=end_us - HOUR_US, end_us=end_us, rows=1, dirty=True)
        )
    finding = found(store)["windows"]
    assert finding.state == state
    if state == "wrong":
        assert "the oldest by 11m" in finding.found
        assert "driftline worker" in finding.remedy


@pytest.mark.parametrize(("ago_us", "state"), [(HOUR_US, "note"), (2 * DAY_US, "ok")])
def test_jobs_that_failed_for_good_in_the_last_day_are_named_with_their_error(store, ago_us, state):
    with store.write() as conn:
        conn.execute(sa.insert(tables.job_run).values(
            job="evaluate", subject="7", scheduled_us=1, state="failed", owner="a", fence=5, attempt=5, lease_us=0,
            progress=0.0, params="{}", error="no room", created_us=1, finished_us=NOW - ago_us,
        ))  # fmt: skip
    finding = found(store)["jobs"]
    assert finding.state == state
    assert ("evaluate of 7: no room" in finding.found) == (state == "note")


def test_sound_settings_of_postgresql_are_ok():
    assert judged_durability(SOUND).state == "ok"


@pytest.mark.parametrize("name", ["fsync", "full_page_writes", "synchronous_commit"])
def test_a_setting_that_loses_what_was_acknowledged_is_wrong(name):
    finding = judged_durability(SOUND | {name: "off"})
    assert (finding.state, f"{name} = on" in finding.remedy) == ("wrong", True)


def test_a_postgresql_without_fixes_is_noted():
    assert judged_durability(SOUND | {"server_version_num": "120020"}).state == "note"


# a pool opens up to 24
@pytest.mark.parametrize(("allowed", "used", "state"), [(23, 0, "wrong"), (27, 5, "note"), (57, 30, "ok")])
def test_connections_that_the_pool_may_open_are_held_against_the_server(allowed, used, state):
    finding = judged_connections(allowed, used=used)
    assert (finding.state, bool(finding.remedy)) == (state, state != "ok")


def test_the_migrations_that_wait_are_named(tmp_path):
    store = open_store("", data_dir=tmp_path)
    with store.write() as conn:
        migrate.upgrade(conn, to=REVISIONS[-2])
    store.close()
    findings = {finding.what: finding for finding in examine(Settings(data_dir=tmp_path))}
    assert findings["database"].state == "wrong"
    assert REVISIONS[-1] in findings["database"].remedy
    assert "records" not in findings


def test_what_a_killed_restore_left_is_noted(tmp_path):
    open_store("", data_dir=tmp_path, migrate=True).close()
    assert {f.what: f.state for f in examine(Settings(data_dir=tmp_path))}["room"] == "ok"
    (tmp_path / ".restoring-abc").mkdir()
    finding = {f.what: f for f in examine(Settings(data_dir=tmp_path))}["room"]
    assert (finding.state, ".restoring-abc" in finding.found, "remove it" in finding.remedy) == ("note", True, True)


def test_the_journal_and_the_flush_of_sqlite_are_said(tmp_path):
    open_store("", data_dir=tmp_path, migrate=True).close()
    finding = {f.what: f for f in examine(Settings(data_dir=tmp_path))}["SQLite"]
    assert "synchronous 2" in finding.found
    assert "journal_mode " in finding.found
