"""Processes that upgrade a database and die on the way, each at the next point at which none has died yet."""

from __future__ import annotations

import os
import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import sqlalchemy as sa

from monitor.store import Store, migrate, migrating, open_store, sqlite
from monitor.store.stepwise import Stepwise
from tests.schemas.released import Released

_WRITES = ("CREATE", "ALTER", "DROP", "INSERT", "UPDATE", "DELETE")
_PAUSE_SECONDS = 0.05
Mutation = Callable[[Store], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgrade:
    """How a database is upgraded, in runs of so many rows, by processes that die: before, in and after a transaction.

    In it: after every statement that writes, or after the first one. ``steps`` names where alone they die. ``mutation``
    takes a guard out of every process.
    """

    url: str
    data_dir: Path
    rows: int
    every_statement: bool = False
    steps: tuple[str, ...] | None = None
    mutation: Mutation | None = None

    def killed_at_every_point(self) -> list[str]:
        """Starts process after process until one comes to the end; where they died, in order."""
        migrate._scripts()  # once, for all of them
        points: list[str] = []
        while True:
            code = forked(lambda: self._upgrade(die=_Killer(self, seen=frozenset(points))))
            if code == 0:
                return points
            assert code == -signal.SIGKILL, f"ended with {code} after {points[-3:]}"
            points.append(self.told.read_text())
            assert len(points) < 2_000, "it does not get on"

    def beside_others(self, *, processes: int) -> list[tuple[str, ...] | None]:
        """What each of several processes that begin at once applied; None of one that failed."""
        migrate._scripts()
        ready, begin = os.pipe()
        children = []
        for number in range(processes):
            child = os.fork()
            if child == 0:
                _in_child(lambda number=number: self._when(ready, begin, number))
            children.append(child)
        os.close(begin)
        os.close(ready)
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        return [
            tuple((self.data_dir / f"applied-{n}").read_text().split()) if code == 0 else None
            for n, code in enumerate(codes)
        ]

    @property
    def told(self) -> Path:
        """Where a process says where it dies."""
        return self.data_dir / "died-at"

    def _when(self, ready: int, begin: int, number: int) -> None:
        os.close(begin)
        os.read(ready, 1)  # ends for all when the parent closes the pipe
        applied = self._upgrade(die=lambda point: time.sleep(_PAUSE_SECONDS))  # so that the others come in between
        (self.data_dir / f"applied-{number}").write_text(" ".join(applied))

    def _upgrade(self, *, die: Callable[[str], None]) -> tuple[str, ...]:
        """In a process of its own: what is patched here is so for nobody else."""
        advance, parts, tell = migrate.advance, migrate._parts, migrating._Teller.tell

        def advance_and_die(conn: sa.Connection, **more: str) -> migrate.Advance | None:
            at = self._name(conn)
            die(f"{at}, begun")
            seen = 0

            def statement(conn: object, cursor: object, text: str, *_: object) -> None:
                nonlocal seen
                if text.split(None, 1)[0] in _WRITES:
                    seen += 1
                    if self.every_statement or seen == 1:
                        die(f"{at}, statement {seen}")

            sa.event.listen(conn, "after_cursor_execute", statement)
            step = advance(conn, **more)
            if step is not None:
                die(f"{at}, done")
            return step

        def tell_and_die(self: migrating._Teller, step: migrate.Advance) -> None:
            tell(self, step)
            die(f"{step.revision} {step.done}, committed")

        def in_short_runs(revision: str, *, database: str) -> tuple[object, tuple[Stepwise, ...]]:
            module, steps = parts(revision, database=database)
            return module, tuple(replace(step, rows=self.rows) for step in steps)

        migrate.advance, migrate._parts, migrating._Teller.tell = advance_and_die, in_short_runs, tell_and_die
        store = open_store(self.url, data_dir=self.data_dir)
        if self.mutation is not None:
            self.mutation(store)
        try:
            return store.migrate()
        finally:
            store.close()

    @staticmethod
    def _name(conn: sa.Connection) -> str:
        todo = migrate.pending(conn)
        place = None if not todo or todo == migrate.REVISIONS else migrate._place(conn)
        return f"{todo[0] if todo else 'nothing'} {'' if place is None else place.done}"


class _Killer:
    def __init__(self, upgrade: Upgrade, *, seen: frozenset[str]) -> None:
        self._upgrade, self._seen = upgrade, seen

    def __call__(self, point: str) -> None:
        steps = self._upgrade.steps
        if point not in self._seen and (steps is None or point.rpartition(", ")[2] in steps):
            self._upgrade.told.write_text(point)
            os.kill(os.getpid(), signal.SIGKILL)


def forked(work: Callable[[], object]) -> int:
    """The exit code of a process that does it: 0, 1 for an error, or minus the signal that ended it."""
    child = os.fork()
    if child == 0:
        _in_child(work)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _in_child(work: Callable[[], object]) -> None:
    code = 1
    try:
        work()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)  # nothing of the tests goes on here


def statements_commit_by_themselves(store: Store) -> None:
    """The guard taken out: a migration is no transaction."""
    if store.dialect == "postgresql":
        store._writer = store._writer.execution_options(isolation_level="AUTOCOMMIT")
        return
    begin_with = sqlite._begin_with

    def begin_nothing(engine: sa.Engine, statement: str, **more: object) -> None:
        begin_with(engine, "SELECT 1", **more)

    sqlite._begin_with = begin_nothing
    _, store._writer = sqlite.make_engines(Path(str(store.url.database)))


def the_place_is_kept_before_its_run(store: Store) -> None:
    """The guard taken out: how far it came is committed first, the rows it came over afterwards."""
    run, tell, late = Stepwise.run, migrating._Teller.tell, []

    def run_later(self: Stepwise, conn: sa.Connection, *, after: tuple[object, ...] | None) -> object:
        change = self.change
        return run(replace(self, change=lambda _, within: late.append((change, within))), conn, after=after)

    def tell_and_run(self: migrating._Teller, step: migrate.Advance) -> None:
        tell(self, step)
        while late:
            change, within = late.pop(0)
            with store.write() as conn:
                change(conn, within)

    Stepwise.run, migrating._Teller.tell = run_later, tell_and_run


def no_lock_holds_processes_apart(store: Store) -> None:
    """The guard taken out: on SQLite it is that of the transaction."""
    if store.dialect == "sqlite":
        statements_commit_by_themselves(store)
    migrate.try_lock = lambda conn: True


def large(url: str, data_dir: Path, *, windows: int) -> None:
    """The database that v0009's release left, with so many windows more; every third is in alert."""
    Released(revision="v0009").load(url)
    store = open_store(url, data_dir=data_dir)
    kept = sa.MetaData()
    with store.write() as conn:
        kept.reflect(conn)
        for name, at in (("window", "start_us"), ("judged_counts", "window_start_us"), ("result", "window_start_us")):
            table = kept.tables[name]
            row = dict(conn.execute(sa.select(table).limit(1)).mappings().one())
            told = name == "result"
            conn.execute(
                sa.insert(table),
                [
                    row | {at: n} | ({"status": "ok" if n % 3 else "alert", "payload": b""} if told else {})
                    for n in range(windows)
                ],
            )
    store.close()
