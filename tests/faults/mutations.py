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
from monitor.ingest import budget, commit_watch, group_commit, label_records, plan
from monitor.ingest.work import Committed
from monitor.jobs import attempts, leases, runner, version_work
from monitor.store import answering, engine, faults, keys, postgres, sqlite


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


def answers_do_not_wait_for_the_commit() -> None:
    """And it takes a while, so that a kill finds some that are answered and not committed."""
    hand_over, commit = group_commit.GroupCommitter._hand_over, group_commit.GroupCommitter._commit

    def commit_later(*arguments: Any) -> Any:
        time.sleep(1.0)
        return commit(*arguments)

    def answer_first(self: group_commit.GroupCommitter) -> None:
        group_commit.resolve([(work, Committed(work.answer)) for work in self._gathering])
        hand_over(self)

    group_commit.GroupCommitter._hand_over, group_commit.GroupCommitter._commit = answer_first, commit_later


def keys_are_forgotten() -> None:
    keys.find_key = lambda conn, **more: None
    keys.claim_keys = lambda conn, claims, **more: {claim[:3] for claim in claims}


def a_failed_flush_is_no_end() -> None:
    engine.flush_failed = lambda error, path: False


def idle_connections_are_closed_at_once() -> None:
    protocol.LINGER_SECONDS = 0.0


def requests_in_flight_are_cut() -> None:
    running.Running.handle_exit = lambda self, sig, frame: running._end_now(0, why="told to end: ends at once")


def claims_are_not_given_back() -> None:
    leases.release = lambda conn, claim: None
    attempts.release = lambda conn, claim: None


def a_second_signal_is_like_the_first() -> None:
    def handle_exit(self: running.Running, sig: int, frame: object) -> None:
        self.should_exit = True

    running.Running.handle_exit = handle_exit


def a_full_disk_is_unknown() -> None:
    faults._SQLITE = tuple(row for row in faults._SQLITE if row[0] != "SQLITE_FULL")
    faults._POSTGRESQL = {code: told for code, told in faults._POSTGRESQL.items() if code not in ("53100", "53")}


def a_database_that_is_away_is_unknown() -> None:
    meaning = faults.meaning
    away = ("connection to the database failed", "shutting down or starting", "no connection left", "read-only: a")

    def meaning_without(error: Any) -> Any:
        found = meaning(error)
        return None if found is not None and any(part in found[1] for part in away) else found

    faults.meaning = meaning_without


def the_budget_has_no_bound() -> None:
    budget.ByteBudget._take = lambda self, size, held: size
    budget.ByteBudget._give_back = lambda self, size: None


def waits_for_locks_have_no_bound() -> None:
    postgres.LOCK_SECONDS = postgres.STATEMENT_SECONDS = 0  # which PostgreSQL takes for never
    answering.ANSWER_SECONDS = None


def readiness_does_not_ask_how_storing_goes() -> None:
    commit_watch.CommitWatch.trouble = lambda self: None


def names_are_not_looked_at() -> None:
    label_records.can_be_fields = plan.can_be_fields = lambda names: True


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
        answers_do_not_wait_for_the_commit,
        commits_are_not_flushed,
        keys_are_forgotten,
        a_failed_flush_is_no_end,
        idle_connections_are_closed_at_once,
        requests_in_flight_are_cut,
        claims_are_not_given_back,
        a_second_signal_is_like_the_first,
        a_full_disk_is_unknown,
        a_database_that_is_away_is_unknown,
        the_budget_has_no_bound,
        waits_for_locks_have_no_bound,
        readiness_does_not_ask_how_storing_goes,
        names_are_not_looked_at,
        a_fold_takes_a_minute,
        the_end_takes_a_minute,
    )
}

if __name__ == "__main__":
    for name in sys.argv.pop(1).split(","):
        MUTATIONS[name]()
    main()
