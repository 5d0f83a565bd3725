"""Scorecards of windows and what references say of performance: opaque bytes with what they were made in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, select

from monitor.store import dialect, tables

_s = tables.scorecard.c
_p = tables.performance.c
_ONE = select(tables.scorecard).where(  # built once: asked for every slice and every window
    _s.version_id == bindparam("version_id"), _s.window_start_us == bindparam("window_start_us"),
    _s.segment == bindparam("segment"),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredScorecard:
    """A window's encoded scorecard: counted by the outline of that digest, with ``label_rows`` of its labels."""

    version_id: int
    window_start_us: int
    segment: str = ""
    outline: str
    label_rows: int
    payload: bytes


def get_scorecard(
    conn: Connection, *, version_id: int, window_start_us: int, segment: str = ""
) -> StoredScorecard | None:
    """The scorecard of the window and segment, if there is one."""
    here = {"version_id": version_id, "window_start_us": window_start_us, "segment": segment}
    row = conn.execute(_ONE, here).first()
    return None if row is None else StoredScorecard(**{**row._mapping, "payload": bytes(row.payload)})


def put_scorecards(conn: Connection, rows: Sequence[StoredScorecard]) -> None:
    """Stores the scorecards in place of what was stored of their windows and segments."""
    values = [{name: getattr(row, name) for name in StoredScorecard.__slots__} for row in rows]
    if values:
        conn.execute(dialect.upsert(conn, tables.scorecard), values)


def save_performance(conn: Connection, *, version_id: int, reference_id: int, made_us: int, payload: bytes) -> None:
    """Keeps what the reference says of performance in place of what it said before."""
    values = {"version_id": version_id, "reference_id": reference_id, "made_us": made_us, "payload": payload}
    conn.execute(dialect.upsert(conn, tables.performance), [values])


def performance_made_us(conn: Connection, *, version_id: int, reference_id: int) -> int | None:
    """When it was made: what a kept copy is compared with."""
    query = select(_p.made_us).where(_p.version_id == version_id, _p.reference_id == reference_id)
    return conn.execute(query).scalar()


def get_performance(conn: Connection, *, version_id: int, reference_id: int) -> bytes | None:
    """What the reference says of performance, encoded, if it was worked out."""
    query = select(_p.payload).where(_p.version_id == version_id, _p.reference_id == reference_id)
    payload = conn.execute(query).scalar()
    return None if payload is None else bytes(payload)
