"""What ``driftline doctor`` looks at: settings, binding, data directory, database, SQLite, clock."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from monitor.api.start import check_binding, has_tokens
from monitor.model.errors import ConfigurationError, DriftlineError
from monitor.settings import DEFAULTS, GIBIBYTE, Settings
from monitor.store import Store, open_store
from monitor.store.dialect import read_clock_us
from monitor.store.sqlite import library, wal_is_safe

MOST_CLOCK_SKEW_SECONDS = 5.0
LEAST_FREE_BYTES = GIBIBYTE


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at: ``state`` ok, note or wrong, and what to do."""

    what: str
    state: str
    found: str
    remedy: str = ""

    def shape(self) -> dict[str, str]:
        """The finding as JSON."""
        return {"what": self.what, "state": self.state, "found": self.found, "remedy": self.remedy}


def examine(settings: Settings) -> list[Finding]:
    """Everything there is to say about an installation, in the order in which things are needed."""
    return [_settings(settings), *_data_directory(settings), *_database(settings)]


def _settings(settings: Settings) -> Finding:
    changed = [name for name, default in DEFAULTS.items() if getattr(settings, name) != default]
    return Finding(what="settings", state="ok", found=f"readable; set: {', '.join(changed) or 'none'}")


def _access(store: Store, *, settings: Settings) -> Finding:
    try:
        tokens = store.schema_current() and has_tokens(settings, store=store)
        check_binding(settings.host, tokens=tokens, allow_anonymous=settings.allow_anonymous)
    except ConfigurationError as error:
        return Finding(what="access", state="wrong", found=f"host {settings.host}", remedy=error.detail)
    if tokens:
        return Finding(what="access", state="ok", found=f"{settings.host}: every request needs a token")
    if settings.allow_anonymous:
        return Finding(what="access", state="note", found="anybody who reaches the server may read and write",
                       remedy="keep a proxy that authenticates in front, or run driftline tokens create")  # fmt: skip
    return Finding(what="access", state="ok", found=f"{settings.host}: this machine only, without a token")


def _data_directory(settings: Settings) -> Iterator[Finding]:
    place = settings.data_dir
    try:
        place.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(place).free
    except OSError as error:
        yield Finding(what="data directory", state="wrong", found=str(error), remedy=f"make {place} writable")
        return
    if not os.access(place, os.W_OK):
        yield Finding(what="data directory", state="wrong", found=f"{place} cannot be written",
                      remedy="give it to the user that runs driftline")  # fmt: skip
    tight = free < LEAST_FREE_BYTES
    yield Finding(
        what="data directory", state="note" if tight else "ok", found=f"{place}, {free / GIBIBYTE:.1f} GiB free",
        remedy="free some space: the server answers 503 when the disk is full" if tight else "",
    )  # fmt: skip


def _database(settings: Settings) -> Iterator[Finding]:
    try:
        store = open_store(settings.store_url, data_dir=settings.data_dir)
    except DriftlineError as error:
        yield Finding(what="database", state="wrong", found=error.detail, remedy="correct DRIFTLINE_DATABASE_URL")
        return
    try:
        for check in (
            _schema,
            partial(_access, settings=settings),
            _clock,
            *((_sqlite,) if store.dialect == "sqlite" else ()),
        ):
            yield _guarded(check, store)
    finally:
        store.close()


def _guarded(check: Callable[[Store], Finding], store: Store) -> Finding:
    try:
        return check(store)
    except DriftlineError as error:
        return Finding(
            what="database", state="wrong", found=error.detail, remedy="see the message, then run this again"
        )


def _schema(store: Store) -> Finding:
    if not store.schema_current():
        return Finding(what="database", state="wrong", found=f"{store.dialect}: migrations are pending",
                       remedy="run driftline migrate (driftline serve does it when it starts)")  # fmt: skip
    store.check_writable()
    return Finding(what="database", state="ok", found=f"{store.dialect}: current, a commit reached the disk")


def _clock(store: Store) -> Finding:
    with store.read() as conn:
        database_seconds = read_clock_us(conn) / 1e6
    skew = database_seconds - time.time()
    wrong = abs(skew) > MOST_CLOCK_SKEW_SECONDS
    return Finding(
        what="clock", state="wrong" if wrong else "ok", found=f"{skew:+.3f} s between the database and this machine",
        remedy="synchronise both clocks (chrony, systemd-timesyncd)" if wrong else "",
    )  # fmt: skip


def _sqlite(_: Store) -> Finding:
    module = library()
    if wal_is_safe(module.sqlite_version_info):
        return Finding(what="SQLite", state="ok", found=f"{module.sqlite_version}, write-ahead log")
    return Finding(
        what="SQLite", state="note", found=f"{module.sqlite_version}, rollback journal: readers hold up commits",
        remedy="pip install pysqlite3, or use PostgreSQL",
    )  # fmt: skip
