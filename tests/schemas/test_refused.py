"""Databases that cannot be upgraded are refused with what to do, and nothing of them is changed."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
import sqlalchemy as sa

from monitor.cli.checkup import examine
from monitor.model.errors import ConfigurationError, Unavailable
from monitor.settings import Settings
from monitor.store import migrate, open_store
from monitor.store.backup import write_backup
from monitor.store.migrations import REVISIONS
from tests.faults.upgrading import forked
from tests.schemas.released import Released

NOBODY = 65534


def changed(url, *statements):
    """The database after somebody else has been at it."""
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.pool.NullPool)
    with engine.connect() as conn:
        for statement in statements:
            conn.exec_driver_sql(statement)
    engine.dispose()


def schema_of(url):
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    with engine.connect() as conn:
        found = conn.exec_driver_sql("SELECT version_num FROM alembic_version").scalars().all()
        names = set(sa.inspect(conn).get_table_names())
    engine.dispose()
    return found, names


# What was done to a database of which schema, and what is said of it.
CHANGES = {
    "a table is gone": (REVISIONS[-1], ("DROP TABLE silence",), r"lacks silence, which its schema v\d+ has.*restore a"),
    "its number is gone": ("v0009", ("DELETE FROM alembic_version",), r"undone by hand: .*restore a backup"),
    "two numbers": ("v0009", ("INSERT INTO alembic_version VALUES ('v0003')",), r"v0003.*restore a backup made before"),
    "a newer number": ("v0009", ("UPDATE alembic_version SET version_num = 'v9'",), r"schema v9, .*Run that release"),
    "a newer one under way": ("v0009", ("UPDATE alembic_version SET version_num = 'v9+'",), r"schema v9\+, .*Run that"),
    "a later table is there": ("v0009", ("CREATE TABLE baseline_calibration (name TEXT)",),
                               r"cannot be brought to schema v\d+ .*baseline_calibration.*changed by hand; restore a"),
    "an earlier table is gone": ("v0012", ("DROP TABLE token",),
                                 r"cannot be brought to schema v\d+ .*token.*changed by hand; restore a backup"),
    "a place that is none": ("v0009", ("UPDATE alembic_version SET version_num = 'v0010+'",),
                             r"schema v0010\+ and does not say how far: .*changed by hand; restore a backup"),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_database_that_was_changed_by_hand_is_refused_and_left_as_it_is(change, empty_url, tmp_path):
    revision, statements, said = CHANGES[change]
    Released(revision=revision).load(empty_url)
    changed(empty_url, *statements)
    before = schema_of(empty_url)
    with pytest.raises(ConfigurationError, match=said):
        open_store(empty_url, data_dir=tmp_path, migrate=True)
    assert schema_of(empty_url) == before


@pytest.mark.parametrize("change", ["a table is gone", "a newer number"])
def test_doctor_says_the_same(change, empty_url, tmp_path):
    revision, statements, said = CHANGES[change]
    Released(revision=revision).load(empty_url)
    changed(empty_url, *statements)
    found = {one.what: one for one in examine(Settings(database_url=empty_url, data_dir=tmp_path))}["database"]
    assert found.state == "wrong"
    with pytest.raises(ConfigurationError, match=said):
        raise ConfigurationError(found.found)
    assert "do what it says" in found.remedy


def page_of(database: Path, table: str) -> tuple[int, int]:
    """(the offset, the size) of the first page of a table."""
    engine = sa.create_engine(f"sqlite:///{database}", poolclass=sa.pool.NullPool)
    with engine.connect() as conn:
        size = conn.exec_driver_sql("PRAGMA page_size").scalar_one()
        page = conn.exec_driver_sql("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).scalar_one()
    engine.dispose()
    return (page - 1) * size, size


def with_a_page_of_noise(database: Path) -> None:
    offset, size = page_of(database, "window")
    with database.open("r+b") as file:
        file.seek(offset)
        file.write(b"\xa5" * size)


def cut_off(database: Path) -> None:
    os.truncate(database, page_of(database, "window")[0])


def overwritten(database: Path) -> None:
    with database.open("r+b") as file:
        file.write(b"no database any more")


@pytest.mark.parametrize("damage", [with_a_page_of_noise, cut_off, overwritten])
def test_a_damaged_file_is_refused_with_what_to_do(damage, tmp_path):
    database = tmp_path / "driftline.db"
    Released(revision="v0009").load(f"sqlite:///{database}")
    damage(database)
    with pytest.raises(ConfigurationError, match=r"damaged|not a database") as refused:
        open_store("", data_dir=tmp_path, migrate=True)
    assert "restore a backup" in refused.value.detail


@pytest.mark.skipif(os.geteuid() != 0, reason="who is not root has no other user to be")
def test_a_file_that_cannot_be_written_is_refused_with_what_to_do(capfd):
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        Released(revision="v0009").load(f"sqlite:///{place}/driftline.db")
        (place / "driftline.db").chmod(0o444)
        place.chmod(0o555)

        def upgrade():
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            with pytest.raises(ConfigurationError, match=r"(read-only|cannot be opened): make it writable"):
                open_store("", data_dir=place, migrate=True)

        assert forked(upgrade) == 0, capfd.readouterr().err
        assert schema_of(f"sqlite:///{place}/driftline.db")[0] == ["v0009"]


def test_a_standby_is_refused_with_what_it_is(postgresql_databases, tmp_path):
    url = postgresql_databases("template0")
    Released(revision="v0009").load(url)
    changed(url, f'ALTER DATABASE "{sa.make_url(url).database}" SET default_transaction_read_only = on')
    with pytest.raises(Unavailable, match="read-only: a standby, or default_transaction_read_only is on"):
        open_store(url, data_dir=tmp_path, migrate=True)
    assert schema_of(url)[0] == ["v0009"]


def test_while_a_migration_is_under_way_there_is_no_backup_and_no_server_is_ready(empty_url, tmp_path):
    Released(revision="v0009").load(empty_url)
    store = open_store(empty_url, data_dir=tmp_path)
    with store.write() as conn:
        assert not migrate.advance(conn).applied
    assert schema_of(empty_url)[0] == ["v0010+"]
    assert not store.schema_current()
    with pytest.raises(ConfigurationError, match="migration v0010 is under way: let driftline migrate end"):
        write_backup(store, lambda part: None, created="2026-03-02T12:30:00Z", release="0.1.0")
    assert store.migrate() == REVISIONS[REVISIONS.index("v0010") :]
    store.close()
