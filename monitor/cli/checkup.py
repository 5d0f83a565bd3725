"""What ``driftline doctor`` looks at: settings, binding, data directory, database and its engine, clock, steps."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

from monitor.api.start import check_binding, has_tokens
from monitor.cli.checkup_engine import connections, durability, room, sqlite
from monitor.cli.checkup_steps import steps
from monitor.cli.finding import Finding
from monitor.model.errors import ConfigurationError, DriftlineError
from monitor.settings import DEFAULTS, GIBIBYTE, Settings
from monitor.store import Store, migrate, open_store
from monitor.store.dialect import read_clock_us

MOST_CLOCK_SKEW_SECONDS = 5.0
LEAST_FREE_BYTES = GIBIBYTE


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
        yield Finding(what="database", state="wrong", found=error.detail,
                      remedy="do what it says, or name another database in DRIFTLINE_DATABASE_URL")  # fmt: skip
        return
    try:
        engine = (sqlite, partial(room, settings=settings)) if store.dialect == "sqlite" else (durability, connections)
        for check in (_schema, partial(_access, settings=settings), _clock, *engine):
            yield _guarded(check, store)
        with suppress(DriftlineError):  # said above
            if store.schema_current():
                yield from steps(store, now_us=time.time_ns() // 1_000)
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
    with store.read() as conn:
        todo = migrate.pending(conn)
    if todo:
        return Finding(what="database", state="wrong", found=f"{store.dialect}: migrations are pending",
                       remedy=f"run driftline backup, then driftline migrate ({', '.join(todo)}); driftline serve does "
                              "the latter when it starts")  # fmt: skip
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
