"""What a database says of itself: settings that durability hangs on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text

from monitor.store.engine import Store

_ASKED = ("server_version", "server_version_num", "fsync", "synchronous_commit", "full_page_writes")


@dataclass(frozen=True, slots=True, kw_only=True)
class SqliteSettings:
    """How SQLite writes: ``synchronous`` is 2 for FULL; ``wal_bytes`` is the size of the write-ahead log."""

    journal_mode: str
    synchronous: int
    wal_bytes: int


def sqlite_settings(store: Store) -> SqliteSettings:
    """Those of the connection that writes."""
    wal = Path(f"{store.url.database}-wal")
    with store.write() as conn:
        return SqliteSettings(
            journal_mode=str(conn.execute(text("PRAGMA journal_mode")).scalar_one()),
            synchronous=int(conn.execute(text("PRAGMA synchronous")).scalar_one()),
            wal_bytes=wal.stat().st_size if wal.exists() else 0,
        )


def postgresql_settings(store: Store) -> dict[str, str]:
    """Name → value of what is asked of PostgreSQL."""
    with store.read() as conn:
        return {name: str(conn.execute(text(f"SHOW {name}")).scalar_one()) for name in _ASKED}
