"""Label batches, segments, and parts of windows, rewritten in place without some of their labels."""

from __future__ import annotations

from sqlalchemy import Connection, Table, delete, select, update

from monitor.store import tables
from monitor.store.sealing import OUTCOMES, ROWS

_b = tables.label_batch.c
_s = tables.label_segment.c
_p = tables.label_payload.c
_e = tables.erased_rows.c
_w = tables.window.c


def batches_behind(conn: Connection, *, model_id: int, after: int) -> tuple[int, bytes] | None:
    """(id, payload) of the next batch of labels that waits; None behind the last."""
    query = select(_b.id, _b.payload).where(_b.model_id == model_id, _b.id > after).order_by(_b.id).limit(1)
    row = conn.execute(query).first()
    return None if row is None else (int(row.id), bytes(row.payload))


def replace_batch(conn: Connection, *, id: int, rows: int, payload: bytes) -> None:
    """Puts what is left in the batch's place; nothing of one without a label."""
    rewrite(conn, tables.label_batch, id=id, rows=rows, payload=payload)


def replace_segment(conn: Connection, *, id: int, rows: int, unmatched: int, payload: bytes, found: bytes) -> None:
    """The same of a segment of labels that have been looked for."""
    if not rows:
        conn.execute(delete(tables.label_segment).where(_s.id == id))
        return
    values = {"rows": rows, "unmatched": unmatched, "bytes": len(payload), "found": found}
    conn.execute(update(tables.label_segment).where(_s.id == id).values(values))
    conn.execute(update(tables.label_payload).where(_p.segment_id == id).values(payload=payload))


def drop_segment(conn: Connection, *, id: int) -> int:
    """Whether the segment was there (1, else 0), and is removed."""
    return conn.execute(delete(tables.label_segment).where(_s.id == id)).rowcount


def rewrite(conn: Connection, table: Table, *, id: int, rows: int, payload: bytes) -> None:
    """Puts the payload in the place of the row's; a row of nothing goes."""
    if not rows:
        conn.execute(delete(table).where(table.c.id == id))
        return
    values = {"rows": rows, "bytes": len(payload), "payload": payload}
    conn.execute(update(table).where(table.c.id == id).values(values))


def windows_behind(conn: Connection, *, version_id: int, after: int | None, limit: int = 500) -> list[int]:
    """The starts of the version's windows that folded rows were ever erased of, ascending; and of those that are
    sealed: of their rows the log knows nothing."""
    sealed = (_w.version_id == version_id, _w.state == "sealed", _w.retained.in_((ROWS, OUTCOMES)))
    queries = (
        (_e.window_start_us, select(_e.window_start_us).where(_e.version_id == version_id)),
        (_w.start_us, select(_w.start_us).where(*sealed)),
    )
    found: set[int] = set()
    for start, query in queries:
        behind = query if after is None else query.where(start > after)
        found.update(conn.execute(behind.order_by(start).limit(limit)).scalars())
    return sorted(found)[:limit]
