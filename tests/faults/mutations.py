"""The server with one guard taken out: the test of that guard must fail on it, or it tests nothing.

``python -m tests.faults.mutations NAME[,NAME] serve …`` runs ``driftline serve …`` like that.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from monitor.api import protocol
from monitor.cli import main, running
from monitor.jobs import attempts, leases, runner, version_work
from monitor.store import engine, postgres, sqlite


def commits_are_not_flushed() -> None:
    begin_with, set_up = sqlite._begin_with, postgres._set_up

    def begin_without(*arguments: Any, pragmas: tuple[str, ...], **more: Any) -> None:
        changed = tuple("synchronous=OFF" if p == "synchronous=FULL" else p for p in pragmas)
        begin_with(*arguments, pragmas=changed, **more)

    def set_up_without(connection: Any, record: Any) -> None:
        set_up(connection, record)
        connection.execute("SET synchronous_commit = off")
        connection.commit()

    sqlite._begin_with, postgres._set_up = begin_without, set_up_without


def a_failed_flush_is_no_end() -> None:
    engine.flush_failed = lambda error, path: False


def idle_connections_are_closed_at_once() -> None:
    protocol.LINGER_SECONDS = 0.0


def claims_are_not_given_back() -> None:
    leases.release = lambda conn, claim: None
    attempts.release = lambda conn, claim: None


def a_second_signal_is_like_the_first() -> None:
    def handle_exit(self: running.Running, sig: int, frame: object) -> None:
        self.should_exit = True

    running.Running.handle_exit = handle_exit


def a_fold_takes_a_minute() -> None:
    """No guard taken out, but work that is under way for as long as a test wants it to be."""
    fold_slice = version_work.VersionWork._fold_slice

    def slowly(*arguments: Any, **more: Any) -> Any:
        time.sleep(60)
        return fold_slice(*arguments, **more)

    version_work.VersionWork._fold_slice = slowly


def the_end_takes_a_minute() -> None:
    """Nor is this: jobs that do not let themselves be stopped."""
    runner.JobRunner.stop = lambda self: time.sleep(60)


MUTATIONS: dict[str, Callable[[], None]] = {
    made.__name__: made
    for made in (
        commits_are_not_flushed, a_failed_flush_is_no_end, idle_connections_are_closed_at_once,
        claims_are_not_given_back, a_second_signal_is_like_the_first, a_fold_takes_a_minute,
        the_end_takes_a_minute,
    )
}  # fmt: skip

if __name__ == "__main__":
    for name in sys.argv.pop(1).split(","):
        MUTATIONS[name]()
    main()
