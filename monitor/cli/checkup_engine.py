"""What there is to say of the database's own version and settings, and of the room it has."""

from __future__ import annotations

import shutil
from collections.abc import Mapping

from monitor.cli.finding import Finding
from monitor.settings import GIBIBYTE, MEBIBYTE, Settings
from monitor.store import Store
from monitor.store.backup.place import PREFIX
from monitor.store.connections import MOST
from monitor.store.connections import room as connection_room
from monitor.store.server_settings import postgresql_settings, sqlite_settings
from monitor.store.sqlite import library, wal_is_safe

LEAST_POSTGRESQL = 14  # older ones get no fixes any more
MOST_WAL_BYTES = 512 * MEBIBYTE
FULL = 2  # PRAGMA synchronous


def sqlite(store: Store) -> Finding:
    """Which library, which journal, and whether a commit is flushed."""
    module = library()
    found = sqlite_settings(store)
    said = f"{module.sqlite_version}, journal_mode {found.journal_mode}, synchronous {found.synchronous}"
    if found.synchronous < FULL:
        return Finding(what="SQLite", state="wrong", found=said,
                       remedy="the writer must have synchronous FULL: reinstall driftline")  # fmt: skip
    if not wal_is_safe(module.sqlite_version_info):
        return Finding(what="SQLite", state="note", found=f"{said}: readers hold up commits",
                       remedy="pip install pysqlite3, or use PostgreSQL")  # fmt: skip
    if found.journal_mode != "wal":
        return Finding(what="SQLite", state="note", found=f"{said}: readers hold up commits",
                       remedy="keep the file on a local file system, where write-ahead logging works")  # fmt: skip
    if found.wal_bytes > MOST_WAL_BYTES:
        return Finding(what="SQLite", state="note", found=f"{said}; its log has {found.wal_bytes / GIBIBYTE:.1f} GiB",
                       remedy="some reader has kept it from being reset: restart the server")  # fmt: skip
    return Finding(what="SQLite", state="ok", found=said)


def room(store: Store, *, settings: Settings) -> Finding:
    """Whether the disk has room for a copy of the database, and what a restore left behind."""
    path = settings.sqlite_path
    assert path is not None  # noqa: S101 - asked of SQLite only
    size, free = path.stat().st_size, shutil.disk_usage(path.parent).free
    said = f"{size / GIBIBYTE:.2f} GiB, {free / GIBIBYTE:.1f} GiB free beside it"
    left = sorted(place.name for place in path.parent.glob(f"{PREFIX}*"))
    if left:
        return Finding(what="room", state="note", found=f"{said}; {', '.join(left[:3])} left by a restore",
                       remedy=f"remove it, unless a driftline restore into {path.parent} runs now")  # fmt: skip
    if free < size:
        return Finding(what="room", state="note", found=said,
                       remedy="a backup by the server needs room for a copy: free some space")  # fmt: skip
    return Finding(what="room", state="ok", found=said)


def durability(store: Store) -> Finding:
    """PostgreSQL's version, and whether it flushes what it says is committed."""
    return judged_durability(postgresql_settings(store))


def judged_durability(found: Mapping[str, str]) -> Finding:
    """The same of settings that were read."""
    names = ("fsync", "synchronous_commit", "full_page_writes")
    said = f"{found['server_version']}, " + ", ".join(f"{name} {found[name]}" for name in names)
    off = [name for name in names if found[name] == "off"]
    if off:
        return Finding(what="PostgreSQL", state="wrong", found=said,
                       remedy=f"set {', '.join(f'{name} = on' for name in off)} in postgresql.conf: what is "
                              "acknowledged can be lost when its host crashes")  # fmt: skip
    if int(found["server_version_num"]) < LEAST_POSTGRESQL * 10_000:
        return Finding(what="PostgreSQL", state="note", found=said,
                       remedy=f"upgrade it: releases before {LEAST_POSTGRESQL} get no fixes any more")  # fmt: skip
    return Finding(what="PostgreSQL", state="ok", found=said)


def connections(store: Store) -> Finding:
    """Whether the server takes as many connections as one more process may open."""
    with store.read() as conn:
        allowed, used = connection_room(conn)
    return judged_connections(allowed, used=used)


def judged_connections(allowed: int, *, used: int) -> Finding:
    """The same of what is allowed and what is in use."""
    said = f"a process opens up to {MOST}; the server allows {allowed}, of which {used} are in use"
    remedy = f"raise max_connections (or the limit of the role or the database): {MOST} for each process"
    if allowed < MOST:
        return Finding(what="connections", state="wrong", found=said, remedy=remedy)
    if allowed - used < MOST:
        return Finding(what="connections", state="note", found=said, remedy=remedy)
    return Finding(what="connections", state="ok", found=said)
