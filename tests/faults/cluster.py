"""A PostgreSQL of a test's own, to be stopped, starved and filled; it flushes, unlike the one the other tests share."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

from tests.service import PATIENCE, free_port

USER = "embedded_postgres"  # PostgreSQL refuses to run as root; the account is made with the session's server
SMALL = {
    "fsync": "on", "shared_buffers": "'16MB'", "max_wal_size": "'64MB'", "unix_socket_directories": "''",
    "listen_addresses": "'127.0.0.1'",
}  # fmt: skip


class Cluster:
    """One PostgreSQL server on a free loopback port and its data directory."""

    def __init__(self, *, binaries: Path, **settings: str) -> None:
        self._directory = own(Path(tempfile.mkdtemp(prefix="driftline-cluster-")))
        self.data, self.port, self._binaries = self._directory / "data", free_port(), binaries
        self.log = self._directory / "postgresql.log"
        self._run("initdb", "--auth=trust", "--encoding=utf8", "-U", "postgres", "--no-sync")
        lines = [f"{name} = {value}" for name, value in {**SMALL, "port": str(self.port), **settings}.items()]
        with (self.data / "postgresql.conf").open("a") as conf:
            conf.write("\n".join(lines) + "\n")
        self.start()

    def url(self, database: str = "postgres") -> str:
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        self._run("pg_ctl", "-w", "-l", str(self.log), "start")

    def stop(self, mode: str = "fast") -> None:
        """``fast`` ends every session and writes a checkpoint, ``immediate`` is a crash."""
        self._run("pg_ctl", "-w", "-m", mode, "stop")

    @property
    def pid(self) -> int:
        """The postmaster's."""
        return int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])

    def sql(self, *statements: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Runs the statements; the rows of the last one that has some."""
        engine = sa.create_engine(self.url(database), isolation_level="AUTOCOMMIT", poolclass=sa.pool.NullPool)
        rows: list[tuple[object, ...]] = []
        try:
            with engine.connect() as conn:
                for statement in statements:
                    result = conn.exec_driver_sql(statement)
                    if result.returns_rows:
                        rows = [tuple(row) for row in result]
        finally:
            engine.dispose()
        return rows

    def end_sessions(self, database: str) -> None:
        """Ends every session on a database: whoever had one must connect again."""
        self.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'")

    def remove(self) -> None:
        if (self.data / "postmaster.pid").exists():
            self.stop("immediate")
        shutil.rmtree(self._directory, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._binaries / program), "-D", str(self.data), *arguments]
        user = USER if os.geteuid() == 0 else None
        # not captured by pipes: the server that pg_ctl starts would keep them open
        with tempfile.TemporaryFile() as said:
            done = subprocess.run(
                command, stdout=said, stderr=said, user=user, cwd="/", check=False, timeout=60 * PATIENCE
            )
            said.seek(0)
            assert done.returncode == 0, said.read().decode()[-3000:]


def own(directory: Path) -> Path:
    """Gives a directory to the account that PostgreSQL runs as.

    One that pytest makes will not do: every start of pytest closes the directory above them to other accounts again.
    """
    if os.geteuid() == 0:
        shutil.chown(directory, USER)
    return directory


def until(true: Callable[[], bool], *, within_seconds: float, what: str) -> float:
    """How long it took until it was so; a failure where it was not in time."""
    began, within_seconds = time.monotonic(), within_seconds * PATIENCE
    while time.monotonic() - began < within_seconds:
        if true():
            return time.monotonic() - began
        time.sleep(0.05)
    raise AssertionError(f"not within {within_seconds} s: {what}")
