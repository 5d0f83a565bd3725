"""What a window's records are held against their labels with, and the labels that were found: parts of opaque bytes.

Folding adds parts of outcomes, joins add parts of labels; whoever reads them all may put one in the place of many.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, delete, func, insert, select, update

from monitor.model.errors import FenceLost
from monitor.store import dialect, tables

_w = tables.window.c
_FORGOTTEN = func.coalesce(_w.retained, "").in_(("late", "nothing"))  # see ``sealing``: nothing is left to join


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Some of a window's outcomes or labels. ``schema_id`` is of outcomes only: what they were read with."""

    id: int = 0
    version_id: int
    window_start_us: int
    rows: int
    payload: bytes
    schema_id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """Labels found for a window: ``joined`` of the part are new, the rest is of the parts that it replaces."""

    part: Part
    joined: int
    replaced: tuple[int, ...] = ()


def add_outcomes(conn: Connection, parts: Iterable[Part]) -> None:
    """Stores parts of outcomes."""
    _add(conn, tables.outcome, parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartHead:
    """A part of a window's outcomes without its payload."""

    id: int
    rows: int
    schema_id: int


def outcome_heads(conn: Connection, *, version_id: int, window_start_us: int) -> list[PartHead]:
    """The parts of the window's outcomes in the order they were folded in."""
    c = tables.outcome.c
    query = select(*(c[name] for name in PartHead.__slots__))
    query = query.where(c.version_id == version_id, c.window_start_us == window_start_us).order_by(c.id)
    return [PartHead(**row._mapping) for row in conn.execute(query)]


def outcomes(
    conn: Connection, *, version_id: int, window_start_us: int, ids: Sequence[int] | None = None
) -> list[Part]:
    """The window's outcomes in the order they were folded in; only those parts, if told."""
    return _parts(conn, tables.outcome, version_id=version_id, window_start_us=window_start_us, ids=ids)


def replace_outcomes(conn: Connection, *, version_id: int, ids: Sequence[int], parts: Iterable[Part]) -> None:
    """Puts parts in the place of others; ``FenceLost`` where one of those is gone."""
    _remove(conn, tables.outcome, version_id=version_id, ids=ids)
    _add(conn, tables.outcome, parts)


def add_window_labels(conn: Connection, found: Sequence[Joined]) -> int:
    """How many of the windows are still there and have their labels now; they are to be computed again.

    The caller holds their versions. ``FenceLost`` where a part to be replaced is gone.
    """
    kept = 0
    for one in found:
        part = one.part
        here = (_w.version_id == part.version_id, _w.start_us == part.window_start_us, ~_FORGOTTEN)
        counted = func.coalesce(_w.label_rows, 0) + one.joined
        if conn.execute(update(tables.window).where(*here).values(label_rows=counted, dirty=True)).rowcount:
            replace_window_labels(conn, version_id=part.version_id, ids=one.replaced, parts=[part])
            kept += 1
    return kept


def window_label_heads(conn: Connection, *, version_id: int, window_start_us: int) -> list[tuple[int, int]]:
    """(id, rows) of the window's parts of labels, in the order of the joins."""
    c = tables.window_label.c
    query = select(c.id, c.rows).where(c.version_id == version_id, c.window_start_us == window_start_us)
    return [(int(id), int(rows)) for id, rows in conn.execute(query.order_by(c.id))]


def window_labels(
    conn: Connection, *, version_id: int, window_start_us: int, ids: Sequence[int] | None = None
) -> list[Part]:
    """The labels that were found for the window's records, in the order of the joins; only those parts, if told."""
    return _parts(conn, tables.window_label, version_id=version_id, window_start_us=window_start_us, ids=ids)


def replace_window_labels(conn: Connection, *, version_id: int, ids: Sequence[int], parts: Iterable[Part]) -> None:
    """Puts parts in the place of others; ``FenceLost`` where one of those is gone. No window is marked."""
    _remove(conn, tables.window_label, version_id=version_id, ids=ids)
    _add(conn, tables.window_label, parts)


def labelled_versions(conn: Connection, *, version_ids: Sequence[int]) -> set[int]:
    """Those of the versions that have a label in some window."""
    c = tables.window_label.c
    found: set[int] = set()
    for some in dialect.slices(version_ids):
        found.update(conn.execute(select(c.version_id).where(c.version_id.in_(some)).distinct()).scalars())
    return found


def _add(conn: Connection, table: Table, parts: Iterable[Part]) -> None:
    values: list[dict[str, Any]] = []
    for part in parts:
        value = {"version_id": part.version_id, "window_start_us": part.window_start_us, "rows": part.rows,
                 "bytes": len(part.payload), "payload": part.payload}  # fmt: skip
        values.append(value | ({"schema_id": part.schema_id} if "schema_id" in table.c else {}))
    if values:
        conn.execute(insert(table), values)


def _parts(
    conn: Connection, table: Table, *, version_id: int, window_start_us: int, ids: Sequence[int] | None = None
) -> list[Part]:
    c = table.c
    names = [name for name in Part.__slots__ if name in c]
    query = select(*(c[name] for name in names))
    query = query.where(c.version_id == version_id, c.window_start_us == window_start_us).order_by(c.id)
    if ids is not None:
        query = query.where(c.id.in_(ids))
    return [Part(**{**row._mapping, "payload": bytes(row.payload)}) for row in conn.execute(query)]


def _remove(conn: Connection, table: Table, *, version_id: int, ids: Sequence[int]) -> None:
    removed = 0
    for some in dialect.slices(ids):
        removed += conn.execute(delete(table).where(table.c.id.in_(some), table.c.version_id == version_id)).rowcount
    if removed != len(ids):
        raise FenceLost(f"version {version_id}: {len(ids)} parts to replace, but only {removed} are there")
