"""A store with something in every kind of column, written to a backup and read into another place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa

from monitor.store import Store, tables
from monitor.store.backup import write_backup

CREATED = "2026-03-02T12:30:00Z"


def back_up(store: Store, path: Path, *, beside: Path | None = None) -> Path:
    """The file of a backup of the store."""
    with path.open("wb") as file:
        write_backup(store, file.write, created=CREATED, release="0.1.0", beside=beside)
    return path


def everything(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    """Table → all its rows, as the database shows them, in the order of their keys."""
    found = {}
    with store.read() as conn:
        for table in tables.metadata.sorted_tables:
            rows = conn.execute(sa.select(table).order_by(*table.primary_key.columns)).all()
            found[table.name] = [tuple(row) for row in rows]
    return found
