"""Applies migrations: all of them in one transaction, by one process at a time, resumed from where it was."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, inspect, text

from monitor.model.errors import ConfigurationError
from monitor.store import dialect, tables
from monitor.store.migrations import REVISIONS

_LOCK = 0x64726966  # any number that is always the same: the advisory lock of every Driftline migration
_WAIT_SECONDS = 300


def pending(conn: Connection) -> tuple[str, ...]:
    """The migrations that are not applied yet, oldest first.

    Raises ``ConfigurationError`` for a schema of a later release and for a database that is somebody else's.
    """
    names = set(inspect(conn).get_table_names())
    if "alembic_version" not in names:
        if names & set(tables.metadata.tables):
            raise ConfigurationError(
                "the database holds tables of other software, or a migration was undone by hand: "
                "use an empty database, or restore a backup"
            )
        return REVISIONS
    applied = [row[0] for row in conn.execute(text("SELECT version_num FROM alembic_version"))]
    if not applied:
        return REVISIONS
    if len(applied) > 1 or applied[0] not in REVISIONS:
        raise ConfigurationError(
            f"the database has schema {', '.join(applied)}, which this release does not know (it knows up to "
            f"{REVISIONS[-1]}): a newer release has used it. Run that release, or restore a backup made before it"
        )
    return REVISIONS[REVISIONS.index(applied[0]) + 1 :]


def upgrade(conn: Connection, *, to: str = REVISIONS[-1]) -> tuple[str, ...]:
    """The migrations applied in this transaction, oldest first; nothing of them stays if it does not commit."""
    if conn.dialect.name == "postgresql":
        # One process migrates, the others wait for its commit and then find nothing to do.
        conn.execute(text(f"SET LOCAL lock_timeout = '{_WAIT_SECONDS}s'"))
        conn.execute(text(f"SET LOCAL statement_timeout = '{_WAIT_SECONDS}s'"))
        conn.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        conn.execute(text("SET LOCAL statement_timeout = 0"))
    todo = tuple(revision for revision in pending(conn) if revision <= to)
    if todo:
        _run(conn, to=to)
        keep = dialect.insert(conn, tables.meta).values(key="secret", value=secrets.token_hex(16))
        conn.execute(keep.on_conflict_do_nothing())
    return todo


def _run(conn: Connection, *, to: str) -> None:
    """Alembic without its env.py: the caller's connection, the caller's transaction."""
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    script = ScriptDirectory.from_config(config)

    def steps(revision: Any, context: Any) -> Any:
        return script._upgrade_revs(to, revision)

    with EnvironmentContext(config, script, fn=steps) as environment:
        environment.configure(connection=conn, target_metadata=tables.metadata)
        environment.run_migrations()
