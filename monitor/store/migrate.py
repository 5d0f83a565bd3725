"""Applies migrations, one short transaction after the other, each of which asks the database which step is next.

So any number of processes may begin at once, and any of them may be killed at any point: what was committed is done,
what was not is as if it had not been begun, and the next transaction, of whichever process, goes on from there. While
the rows of a large table are rewritten (``stepwise``), the schema's version has a ``+`` behind it, which no release
takes for its own.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from sqlalchemy import Connection, delete, inspect, select, text, update
from sqlalchemy import column as sa_column
from sqlalchemy import table as sa_table

from monitor.model.errors import ConfigurationError
from monitor.store import dialect, postgres, tables
from monitor.store.migrations import REVISIONS
from monitor.store.stepwise import Place, Stepwise

UNDER_WAY = "+"
LOCK = 0x64726966  # any number that is always the same: the advisory lock of every Driftline migration
TABLE_LOCK_SECONDS = 2  # in which older replicas, too, wait for the table
_WAIT_SECONDS = 300
_PLACE = "migration"  # the key in ``meta`` of how far the steps have come
CHANGED = "it is damaged or was changed by hand"
RESTORE = "restore a backup, and keep this database as it is until you have"
_version = sa_table("alembic_version", sa_column("version_num"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """What one transaction did: a part of ``revision``; ``done`` of ``of`` rows of ``what``, where it has steps."""

    revision: str
    applied: bool
    what: str = ""
    done: int = 0
    of: int = 0


def pending(conn: Connection) -> tuple[str, ...]:
    """The migrations that are not applied, or not to their end, oldest first.

    Raises ``ConfigurationError`` for a schema of a later release, for a database that is somebody else's, and for one
    that lacks what its schema has.
    """
    names = set(inspect(conn).get_table_names())
    ours = set(tables.metadata.tables)
    applied = list(conn.execute(select(_version.c.version_num)).scalars()) if "alembic_version" in names else []
    if not applied:
        if names & ours:
            raise ConfigurationError(
                "the database holds tables of other software, or a migration was undone by hand: "
                "use an empty database, or restore a backup"
            )
        return REVISIONS
    revision = applied[0].removesuffix(UNDER_WAY)
    if len(applied) > 1 or revision not in REVISIONS:
        raise ConfigurationError(
            f"the database has schema {', '.join(applied)}, which this release does not know (it knows up to "
            f"{REVISIONS[-1]}): a newer release has used it. Run that release, or restore a backup made before it"
        )
    if applied[0] == REVISIONS[-1] and ours - names:
        gone = ", ".join(sorted(ours - names))
        raise ConfigurationError(f"the database lacks {gone}, which its schema {revision} has: {CHANGED}; {RESTORE}")
    return REVISIONS[REVISIONS.index(revision) + (applied[0] == revision) :]


def upgrade(conn: Connection, *, to: str = REVISIONS[-1]) -> tuple[str, ...]:
    """The migrations applied in this one transaction, oldest first; nothing of them stays if it does not commit.

    For a database that nobody else uses yet. ``Store.migrate`` upgrades one that holds something.
    """
    if conn.dialect.name == "postgresql":
        postgres.take_the_time(conn)
        conn.execute(text(f"SET LOCAL lock_timeout = '{_WAIT_SECONDS}s'"))
        conn.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
    todo = tuple(revision for revision in pending(conn) if revision <= to)
    while advance(conn, to=to) is not None:
        pass
    return todo


def try_lock(conn: Connection) -> bool:
    """Whether this transaction may migrate: not while another one does. It waits for no lock that others need."""
    if conn.dialect.name != "postgresql":
        return True  # BEGIN IMMEDIATE
    # The server takes whoever comes after a waiting ALTER TABLE behind it: so it waits briefly, and tries again.
    conn.execute(text(f"SET LOCAL lock_timeout = '{TABLE_LOCK_SECONDS}s'"))
    postgres.take_the_time(conn)
    return bool(conn.execute(text(f"SELECT pg_try_advisory_xact_lock({LOCK})")).scalar_one())


def advance(conn: Connection, *, to: str = REVISIONS[-1]) -> Advance | None:
    """What was done of what is next, in this transaction; None where nothing is left to do.

    The caller holds the lock: on SQLite that of ``BEGIN IMMEDIATE``, on PostgreSQL the advisory one.
    """
    todo = pending(conn)
    if not todo or todo[0] > to:
        return None
    revision = todo[0]
    module, steps = _parts(revision, database=conn.dialect.name)
    first = revision == REVISIONS[0]
    place = None if first else _place(conn)
    if place is not None:
        return _step(conn, revision, module=module, steps=steps, place=place)
    _run(conn, to=revision)
    if first:
        keep = dialect.insert(conn, tables.meta).values(key="secret", value=secrets.token_hex(16))
        conn.execute(keep.on_conflict_do_nothing())
    if steps:
        _put_place(conn, Place())
        conn.execute(update(_version).values(version_num=revision + UNDER_WAY))
    else:
        _finish(conn, module)
    return Advance(revision=revision, applied=not steps)


def _step(
    conn: Connection, revision: str, *, module: ModuleType, steps: tuple[Stepwise, ...], place: Place
) -> Advance:  # fmt: skip
    """One run of rows; after the last one the migration is applied. Counts them first, where it has not."""
    step = steps[place.step]
    of = step.count(conn) if place.of is None else place.of
    after = step.run(conn, after=place.after)
    done = of if after is None else min(place.done + step.rows, of)
    applied = after is None and place.step + 1 == len(steps)
    if applied:
        _finish(conn, module)
        conn.execute(delete(tables.meta).where(tables.meta.c.key == _PLACE))
        conn.execute(update(_version).values(version_num=revision))
    elif after is None:
        _put_place(conn, Place(step=place.step + 1))
    else:
        _put_place(conn, Place(step=place.step, after=after, done=done, of=of))
    return Advance(revision=revision, applied=applied, what=step.what, done=done, of=of)


def _place(conn: Connection) -> Place | None:
    """How far the steps of the migration that is under way have come; None where none is."""
    applied = conn.execute(select(_version.c.version_num)).scalar_one()
    if not applied.endswith(UNDER_WAY):
        return None
    found = conn.execute(select(tables.meta.c.value).where(tables.meta.c.key == _PLACE)).scalar()
    if found is None:
        raise ConfigurationError(f"the database has schema {applied} and does not say how far: {CHANGED}; {RESTORE}")
    return Place.read(found)


def _put_place(conn: Connection, place: Place) -> None:
    conn.execute(dialect.upsert(conn, tables.meta), [{"key": _PLACE, "value": place.text()}])


@cache
def _scripts() -> Any:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config, ScriptDirectory.from_config(config)


def progress(conn: Connection) -> object:
    """Anything that is another thing once a step more is committed."""
    todo = pending(conn)
    return todo, None if todo == REVISIONS else _place(conn)


def _parts(revision: str, *, database: str) -> tuple[ModuleType, tuple[Stepwise, ...]]:
    """(the migration's module, its steps on that kind of database)."""
    _, script = _scripts()
    module: ModuleType = script.get_revision(revision).module
    return module, tuple(step for step in getattr(module, "STEPS", ()) if step.only in (None, database))


def _run(conn: Connection, *, to: str) -> None:
    """Alembic without its env.py: the caller's connection, the caller's transaction."""
    from alembic.runtime.environment import EnvironmentContext

    config, script = _scripts()

    def steps(revision: Any, context: Any) -> Any:
        return script._upgrade_revs(to, revision)

    with EnvironmentContext(config, script, fn=steps) as environment:
        environment.configure(connection=conn, target_metadata=tables.metadata)
        environment.run_migrations()


def _finish(conn: Connection, module: ModuleType) -> None:
    """What a migration does once its rows are rewritten."""
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext

    if hasattr(module, "finish"):
        with Operations.context(MigrationContext.configure(conn)):
            module.finish()
