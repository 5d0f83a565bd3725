"""Every released schema, as its release left it with rows in every table, becomes today's and loses nothing."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from monitor.store import migrate, open_store
from monitor.store.migrations import REVISIONS
from monitor.verify import verify_store
from tests.schemas.life import V
from tests.schemas.released import KEPT, Released
from tests.schemas.upgraded import as_sent, as_text, shape, today


@pytest.fixture(params=REVISIONS)
def released(request) -> Released:
    return Released(revision=request.param)


@pytest.fixture
def old_url(released, empty_url) -> str:
    """The URL of a database as that release left it, once on each kind."""
    released.load(empty_url)
    return empty_url


def test_every_migration_has_its_database_kept():
    wanted = {file.name for revision in REVISIONS for file in Released(revision=revision).files}
    found = {file.name for file in KEPT.iterdir()}
    assert found == wanted, "run python -m tests.schemas.make, and commit what it makes with the migration"


def test_what_is_kept_is_of_its_schema_and_has_rows_in_every_table(released, old_url, tmp_path):
    store = open_store(old_url, data_dir=tmp_path)
    with store.read() as conn:
        kept = sa.MetaData()
        kept.reflect(conn)
        empty = [t.name for t in kept.sorted_tables if conn.execute(sa.select(t).limit(1)).first() is None]
        assert conn.exec_driver_sql("SELECT version_num FROM alembic_version").scalars().all() == [released.revision]
    assert empty == [], "let tests/schemas/life.py write them, and make it again"
    of_then = shape(store)
    store.close()
    again = open_store(f"sqlite:///{tmp_path}/again.db", data_dir=tmp_path)
    with again.write() as conn:
        migrate.upgrade(conn, to=released.revision)
    if store.dialect == "sqlite":  # released migrations still make what they made
        assert shape(again) == of_then
    again.close()


@pytest.fixture
def fresh(request, old_url, tmp_path) -> dict[str, object]:
    """The shape of a new database of the same kind."""
    if old_url.startswith("sqlite"):
        store = open_store(f"sqlite:///{request.getfixturevalue('sqlite_template')}", data_dir=tmp_path)
    else:
        store = open_store(request.getfixturevalue("postgresql_reused"), data_dir=tmp_path)
    found = shape(store)
    store.close()
    return found


def test_a_released_database_becomes_todays_whole_shows_all_and_goes_on(released, old_url, fresh, tmp_path):
    facts = released.facts()
    old = open_store(old_url, data_dir=tmp_path, migrate=True)
    assert shape(old) == fresh
    assert verify_store(old) == []
    with today(old, url=old_url, data_dir=tmp_path, now_us=facts["now_us"]) as server:
        assert {id: as_sent(record) for id, record in server.records().items()} == {
            id: as_sent(record) for id, record in facts["records"].items()
        }
        shows_what_was_read(server, facts)
        server.tick()  # what waited is folded and joined
        labels = {id: record["label"] for id, record in server.records().items() if "label" in record}
        assert labels == {id: as_text(label) for id, label in facts["labels"].items()}
        goes_on(server, facts)
    assert verify_store(old) == []
    old.close()


def shows_what_was_read(server, facts):
    """Results, windows, alerts and quarantine, as the release that wrote them showed them."""
    now = {of_result(row): row["value"] for row in server.get(V + "/results", limit=10_000)["results"]}
    then = {of_result(row): row["value"] for row in facts["results"]}
    assert {key: now.get(key) for key in then} == then
    windows = {row["start"]: row for row in server.get(V + "/windows")["results"]}
    assert {row["start"]: windows[row["start"]]["rows"] for row in facts["windows"]} == {
        row["start"]: row["rows"] for row in facts["windows"]
    }
    alerts = server.get("/api/v1/alerts", limit=1000)["results"]
    assert [{name: row[name] for name in ("id", "check", "status", "state")} for row in alerts] == facts["alerts"]
    assert len(server.get(V + "/quarantine", limit=1000)["results"]) == facts["quarantined"]


def of_result(row):
    return tuple(row[name] for name in ("window_start", "segment", "column", "metric", "rows"))


def goes_on(server, facts):
    """Another hour is taken, judged and labelled."""
    start = server.next_hour()
    assert len(server.records()) == len(facts["records"]) + 80
    judged = server.get(V + "/results", **{"from": start})["results"]
    assert [row["rows"] for row in judged if (row["column"], row["metric"]) == ("age", "psi")] == [80]
    assert sum("label" in record for id, record in server.records().items() if id.startswith("new-")) == 80


# What a server without jobs writes when it takes records and labels.
TAKEN = ("log_batch", "log_payload", "request_key", "quarantine", "label_batch", "label_quarantine")


def test_servers_of_every_release_can_still_store_what_they_take_in_todays_schema(released, old_url, tmp_path):
    store = open_store(old_url, data_dir=tmp_path)
    with store.read() as conn:
        then = sa.MetaData()
        then.reflect(conn)
    store.migrate()
    with store.read() as conn:
        now = sa.MetaData()
        now.reflect(conn)
    store.close()
    for name in set(TAKEN) & set(then.tables):
        old, new = then.tables[name].c, now.tables[name].c
        assert set(old.keys()) <= set(new.keys()), name
        added = [new[column] for column in set(new.keys()) - set(old.keys())]
        assert [c.name for c in added if not c.nullable and c.server_default is None] == [], name
        assert then.tables[name].primary_key.columns.keys() == now.tables[name].primary_key.columns.keys()
