"""``driftline worker`` as a process of its own that meets a fault: what it runs once it is forked.

Tests fork it from a server that has imported everything (``replicas.Replica``), which costs milliseconds instead of
seconds. ``told`` says its rhythm, where it pauses, what clock it has, and which guard it lacks (to show that the
test of that guard fails without it).
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from apscheduler.schedulers import base as scheduler
from sqlalchemy import update

from monitor import app
from monitor.cli.logs import configure_logs
from monitor.cli.running import run_until_told
from monitor.evaluate.fold import Folder
from monitor.evaluate.window import Evaluator
from monitor.jobs import attempts, backlog, leases, schedule, version_work
from monitor.jobs.settings import JobSettings
from monitor.settings import Settings
from monitor.store import tables

HANG_SECONDS = 3_600.0


@dataclass(frozen=True, kw_only=True)
class Told:
    """What one replica is told."""

    url: str
    data_dir: Path
    port: int
    rhythm: JobSettings
    pause: str = ""  # one of PAUSES: the first thread that comes there waits
    stops: bool = False  # the whole process does: SIGSTOP
    reached: Path | None = None  # written when it is there, removed to let it go on
    clock: Path | None = None  # a file with the microseconds by which its wall clock is wrong
    poison: tuple[int, str] | None = None  # (version id, "raise" or "hang") of its evaluations
    lingers: float = 0.0  # seconds before each window is judged
    without: tuple[str, ...] = ()  # names of GUARDS that are taken out


def run(told: Told) -> None:
    """The worker, until it is killed or told to end."""
    log = os.open(told.data_dir / f"{told.port}.log", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    os.dup2(log, 1)
    os.dup2(log, 2)
    configure_logs(level="info", form="text")
    if told.clock is not None:
        _shift_clock(told.clock)
    for name in told.without:
        GUARDS[name]()
    if told.poison is not None:
        _poison(*told.poison)
    if told.lingers:
        _linger(told.lingers)
    if told.pause:
        PAUSES[told.pause](_Pause(told))
    settings = Settings(data_dir=told.data_dir, database_url=told.url, port=told.port)
    run_until_told(app.create_worker(settings, rhythm=told.rhythm), settings=settings, places=("/readyz",))


class _Pause:
    """The first thread that comes here says so and waits: until it is told to go on, or the process with it."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self._lock = threading.Lock()
        self._over = False

    def __call__(self) -> None:
        with self._lock:
            if self._over:
                return
            self._over = True
            assert self._told.reached is not None
            self._told.reached.write_text(str(os.getpid()))
        if self._told.stops:
            os.kill(os.getpid(), signal.SIGSTOP)
            time.sleep(0.5)  # any thread may be the one that the signal stops first: this one is to go no further
        while not self._told.stops and self._told.reached.exists():
            time.sleep(0.02)


def _claimed(job: str) -> Callable[[_Pause], None]:
    def put(pause: _Pause) -> None:
        original = attempts.Attempts.run

        def attempt(self: Any, held: Any, **more: Any) -> Any:
            if held.job == job:
                pause()
            return original(self, held, **more)

        attempts.Attempts.run = attempt

    return put


def _uncommitted(job: str) -> Callable[[_Pause], None]:
    def put(pause: _Pause) -> None:
        original = attempts.finish

        def finish(conn: Any, held: Any, **more: Any) -> None:
            original(conn, held, **more)
            if held.job == job:
                pause()

        attempts.finish = finish

    return put


def _committed(owner: type, name: str) -> Callable[[_Pause], None]:
    def put(pause: _Pause) -> None:
        original = getattr(owner, name)

        def step(self: Any, *positional: Any, **more: Any) -> Any:
            done = original(self, *positional, **more)
            pause()
            return done

        setattr(owner, name, step)

    return put


PAUSES = {
    "fold claimed": _claimed("fold"),
    "fold not committed": _uncommitted("fold"),
    "fold committed": _committed(Folder, "commit"),
    "window claimed": _claimed("evaluate"),
    "window not committed": _uncommitted("evaluate"),
    "window committed": _committed(Evaluator, "evaluate"),
}


def _shift_clock(file: Path) -> None:
    """Every reading of the wall clock in this process is off by what the file says at that moment."""
    true_ns = time.time_ns

    def time_ns() -> int:
        return true_ns() + 1_000 * int(file.read_text())

    class Shifted(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.fromtimestamp(time_ns() / 1e9, tz)

    time.time_ns = time_ns
    time.time = lambda: time_ns() / 1e9
    schedule.datetime = scheduler.datetime = Shifted


def _poison(version_id: int, kind: str) -> None:
    original = Evaluator.evaluate

    def evaluate(self: Any, **more: Any) -> Any:
        if more["version_id"] != version_id:
            return original(self, **more)
        if kind == "hang":
            time.sleep(HANG_SECONDS)
        raise ZeroDivisionError("a column nobody can compute")

    Evaluator.evaluate = evaluate


def _linger(seconds: float) -> None:
    original = Evaluator.evaluate

    def evaluate(self: Any, **more: Any) -> Any:
        time.sleep(seconds)
        return original(self, **more)

    Evaluator.evaluate = evaluate


def _without_fence() -> None:
    run = tables.job_run

    def finish(conn: Any, held: Any) -> None:
        conn.execute(update(run).where(run.c.id == held.id).values(state="done"))

    attempts.finish = finish


def _without_one_transaction() -> None:
    """The claim ends in a transaction of its own, before what it was for has committed."""
    original = attempts.finish

    def finish(conn: Any, held: Any) -> None:
        with conn.engine.begin() as other:
            original(other, held)

    attempts.finish = finish


def _without_shared_clock() -> None:
    app._shared_clock = lambda store, **_: app.wall_clock_us


def _without_watch() -> None:
    schedule.Ticker._wake_if_late = lambda self: None


def _without_order() -> None:
    version_work.is_open = lambda conn, **occurrence: False


def _without_patience() -> None:
    original = leases.Leases.__init__

    def endless(self: Any, *positional: Any, **more: Any) -> None:
        original(self, *positional, **more | {"patience_us": 2**62})

    leases.Leases.__init__ = endless


def _without_sharing() -> None:
    backlog._SHARE = 1
    backlog.Backlog.feed = _feed_at_once


def _feed_at_once(self: Any, hungry: Any, *, now_us: Any) -> None:
    while some := self._next():
        self._begin_some(some, now_us=now_us())


GUARDS: dict[str, Callable[[], None]] = {
    "fence": _without_fence,
    "one transaction": _without_one_transaction,
    "shared clock": _without_shared_clock,
    "watch": _without_watch,
    "order": _without_order,
    "patience": _without_patience,
    "sharing": _without_sharing,
}
