"""The server with one guard taken out: the test of that guard must fail on it, or it tests nothing.

``python -m tests.faults.mutations NAME serve …`` runs ``driftline serve …`` like that.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from monitor.cli import main
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


def nothing_is_checked_after_a_crash() -> None:
    engine.check_after_crash = lambda path: None


MUTATIONS: dict[str, Callable[[], None]] = {
    made.__name__: made
    for made in (commits_are_not_flushed, a_failed_flush_is_no_end, nothing_is_checked_after_a_crash)
}

if __name__ == "__main__":
    MUTATIONS[sys.argv.pop(1)]()
    main()
