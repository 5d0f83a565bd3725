from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from setuptools import find_packages

import monitor
from monitor.model.errors import ConfigurationError
from monitor.store import baselines, calibrations, judged_counts, migrate, open_store, profiles, tables
from monitor.store.calibrations import StoredCalibration
from monitor.store.migrations import REVISIONS


def scripts():
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    return ScriptDirectory.from_config(config)


def table_names(store):
    with store.read() as conn:
        return set(sa.inspect(conn).get_table_names())


def test_migrations_make_exactly_the_tables_that_the_code_uses(store):
    def differ(context, stored_column, column, stored, declared):
        # To PostgreSQL VARCHAR without a length and TEXT are the same thing.
        name = declared.compile(context.dialect).replace("VARCHAR", "TEXT")
        return stored.compile(context.dialect) != name

    with store.read() as conn:
        context = MigrationContext.configure(conn, opts={"compare_type": differ, "compare_server_default": True})
        assert compare_metadata(context, tables.metadata) == []


def test_migrations_make_the_partial_indexes_and_constraints_too(store):
    """What the comparison leaves out: indexes' conditions, and names on either side."""
    with store.read() as conn:
        inspector = sa.inspect(conn)
        for table in tables.metadata.tables.values():
            stored = {index["name"]: index for index in inspector.get_indexes(table.name)}
            for index in table.indexes:
                condition = stored[index.name].get("dialect_options", {}).get(f"{conn.dialect.name}_where")
                declared = index.dialect_options[conn.dialect.name]["where"]
                assert (condition is None) == (declared is None), index.name


def test_the_list_of_revisions_is_the_files(store):
    assert tuple(reversed([script.revision for script in scripts().walk_revisions()])) == REVISIONS
    with store.read() as conn:
        assert conn.exec_driver_sql("SELECT version_num FROM alembic_version").scalars().all() == [REVISIONS[-1]]


def test_migrations_are_packaged_with_the_code():
    found = find_packages(str(Path(monitor.__file__).parent.parent), include=["monitor*"])
    assert {"monitor.store.migrations", "monitor.store.migrations.versions"} <= set(found)


def test_migrating_a_current_database_does_nothing(store):
    assert store.migrate() == ()


def put_row(conn, table, **given):
    """A row of a table as it is in the database, with something in every column that needs it."""
    found = sa.Table(table, sa.MetaData(), autoload_with=conn)
    filler = {int: 1, float: 1.0, str: "x", bytes: b"x", bool: False}
    needed = {c.name: filler[c.type.python_type] for c in found.c if not c.nullable and c.name not in given}
    conn.execute(sa.insert(found).values(needed | given))


def test_windows_that_were_in_alert_stay_out_of_baselines_after_the_upgrade(empty_url, tmp_path):
    store = open_store(empty_url, data_dir=tmp_path)
    with store.write() as conn:
        migrate.upgrade(conn, to="v0009")
        put_row(conn, "model", id=1, name="m")
        put_row(conn, "version", id=1, model_id=1, name="1")
        for hour, status in enumerate(("alert", "ok", "warning")):
            put_row(conn, "window", version_id=1, start_us=hour, end_us=hour + 1)
            put_row(conn, "result", version_id=1, window_start_us=hour, segment="", status=status)
    store.migrate()
    with store.read() as conn:
        found = conn.execute(sa.select(tables.window.c.in_alert).order_by(tables.window.c.start_us)).scalars().all()
    assert found == [True, None, None]
    store.close()


def test_what_windows_are_judged_by_stays_that_of_all_traffic_after_the_upgrade(empty_url, tmp_path):
    store = open_store(empty_url, data_dir=tmp_path)
    with store.write() as conn:
        migrate.upgrade(conn, to="v0010")
        put_row(conn, "model", id=1, name="m")
        for id in (1, 2):
            put_row(conn, "version", id=id, model_id=1, name=str(id))
            put_row(conn, "calibration", version_id=id, reference_id=7, made_us=id, payload=b"\0c")
            for baseline in ("previous", "rolling"):
                of = {"version_id": id, "reference_id": 7, "baseline": baseline, "made_us": id}
                put_row(conn, "baseline_calibration", **of, payload=baseline.encode())
            for start in (0, 10):
                of = {"version_id": id, "window_start_us": start, "layout_id": 3, "reference_id": 7}
                put_row(conn, "judged_counts", **of, stale=start == 10, payload=b"\0j%d" % start)
                put_row(conn, "profile", version_id=id, window_start_us=start, segment="", layout_id=3, payload=b"\0p")
                put_row(conn, "window", version_id=id, start_us=start, end_us=start + 10, rows=5)
    assert store.migrate() == REVISIONS[REVISIONS.index("v0011") :]
    with store.write() as conn:
        for id in (1, 2):
            kept = calibrations.get_calibration(conn, version_id=id, reference_id=7)
            assert kept == StoredCalibration(version_id=id, reference_id=7, made_us=id, payload=b"\0c")
            of = {"version_id": id, "reference_id": 7}
            assert baselines.baseline_calibrations_made_us(conn, **of) == {"previous": id, "rolling": id}
            assert baselines.get_baseline_calibration(conn, **of, baseline="rolling") == b"rolling"
            found = judged_counts.judged_counts(conn, **of, layout_id=3, from_us=0, to_us=99)
            assert found == [(0, b"\0j0"), (10, b"\0j10")]
            stale = [judged_counts.is_stale(conn, version_id=id, start_us=start) for start in (0, 10)]
            assert stale == [False, True]
            assert profiles.get_profile(conn, version_id=id, window_start_us=10) == (3, b"\0p")
            usable = baselines.usable_windows(conn, version_id=id, layout_id=3, least_rows=5, to_us=99)
            assert [(w.start_us, w.rows) for w in usable] == [(0, 5), (10, 5)]
        calibrations.save_calibration(conn, version_id=1, reference_id=7, made_us=9, payload=b"s", segment="evening")
        assert calibrations.calibration_made_us(conn, version_id=1, reference_id=7) == 1
    store.close()


@pytest.mark.parametrize("migrated", [True, False])
def test_a_schema_of_a_later_release_is_refused_with_the_remedy(migrated, store, store_url, tmp_path):
    with store.write() as conn:
        conn.exec_driver_sql("UPDATE alembic_version SET version_num = 'v9999'")
    with pytest.raises(ConfigurationError, match=r"v9999.*newer release.*restore a backup"):
        open_store(store_url, data_dir=tmp_path, migrate=migrated)
    with pytest.raises(ConfigurationError):
        store.schema_current()


def test_a_database_of_other_software_is_refused(empty_url, tmp_path):
    engine = sa.create_engine(empty_url)
    with engine.begin() as conn:
        conn.exec_driver_sql("CREATE TABLE model (name TEXT)")
    engine.dispose()
    with pytest.raises(ConfigurationError, match="other software"):
        open_store(empty_url, data_dir=tmp_path, migrate=True)
