"""Brings a store to the current schema, transaction by transaction, beside whoever else does the same."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from monitor.model.errors import ConfigurationError, DriftlineError, Unavailable
from monitor.store import migrate
from monitor.store.faults import DAMAGED_SECONDS, meaning
from monitor.store.migrations import REVISIONS

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from monitor.store.engine import Store

_log = logging.getLogger(__name__)
WAIT_SECONDS = 300.0  # for others that hold a lock, as long as nothing comes of it
_LOOK_SECONDS = 0.2
_SAY_SECONDS = 5.0
Told = Callable[[str, int, int], None]


def bring_up_to_date(store: Store, *, told: Told | None = None) -> tuple[str, ...]:
    """The migrations that this process has brought to their end, oldest first.

    Raises ``ConfigurationError`` for a database that it cannot bring there, ``Unavailable`` where somebody holds a lock
    and nothing came of it for five minutes, or the database is away: called again, it goes on.
    """
    applied: list[str] = []
    teller, patience = _Teller(told), _Patience(store)
    while True:
        try:
            step = _advance(store)
        except Unavailable as busy:
            if busy.retry_after_seconds > 1:
                raise
            patience.wait(busy)
            continue
        if step is None:
            return tuple(applied)
        patience.renew()
        teller.tell(step)
        if step.applied:
            applied.append(step.revision)


def _advance(store: Store) -> migrate.Advance | None:
    """The next transaction's work, committed; ``Unavailable`` while another process does it."""
    with store.write() as conn:
        if not migrate.try_lock(conn):
            raise Unavailable("another process migrates the database")
        try:
            return migrate.advance(conn)
        except DBAPIError as error:
            _refuse_what_is_no_lock(conn, error)
            raise


def _refuse_what_is_no_lock(conn: Connection, error: DBAPIError) -> None:
    """``ConfigurationError`` where the database is not what its schema says: trying again would change nothing."""
    found = meaning(error)
    if found is None or (found[0] == DAMAGED_SECONDS):
        said = str(error.orig).strip().split("\n")[0][:300]
        raise ConfigurationError(
            f"the database cannot be brought to schema {REVISIONS[-1]} ({said}): {migrate.CHANGED}; {migrate.RESTORE}"
        ) from error


class _Patience:
    """Waits for others, as long as they get on."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seen: object = None
        self._said = self._since = time.monotonic()

    def renew(self) -> None:
        """Something was done."""
        self._since = time.monotonic()

    def wait(self, busy: Unavailable) -> None:
        """A moment; raises ``busy`` where nothing has come of waiting for too long."""
        now = time.monotonic()
        seen = self._look()
        if seen != self._seen:
            self._seen, self._since = seen, now
        if now - self._since > WAIT_SECONDS:
            raise Unavailable(f"{busy.detail}, and nothing came of it in {WAIT_SECONDS:g} s: end whoever holds it, "
                              "then start again", retry_after_seconds=2) from busy  # fmt: skip
        if now - self._said > _SAY_SECONDS:
            self._said = now
            _log.info("waiting to migrate the database: %s", busy.detail)
        time.sleep(_LOOK_SECONDS)

    def _look(self) -> object:
        try:
            with self._store.read() as conn:
                return migrate.progress(conn)
        except DriftlineError:
            return self._seen


class _Teller:
    """Says on the terminal and in the log how far it is."""

    def __init__(self, told: Told | None) -> None:
        self._told = told
        self._new = False
        self._said = self._began = time.monotonic()

    def tell(self, step: migrate.Advance) -> None:
        """One transaction is committed."""
        if self._told is not None:
            if step.what:
                self._told(f"{step.revision}: {step.what}", step.done, step.of)
            self._told("migrations", REVISIONS.index(step.revision) + step.applied, len(REVISIONS))
        now = time.monotonic()
        if step.applied:
            self._new = self._new or step.revision == REVISIONS[0]
            level = logging.DEBUG if self._new else logging.INFO  # a new database has them all, and no rows
            _log.log(level, "migration %s applied in %.1f s", step.revision, now - self._began)
            self._said = self._began = now
        elif step.what and now - self._said > _SAY_SECONDS:
            self._said = now
            share = 100 * step.done // max(step.of, 1)
            _log.info("migration %s: %d of %d %s (%d %%)", step.revision, step.done, step.of, step.what, share)
