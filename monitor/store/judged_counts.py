"""The counts that windows are judged by: opaque bytes, with the layout and the reference whose cells they are in."""

from __future__ import annotations

from sqlalchemy import BigInteger, Connection, bindparam, delete, select

from monitor.store import dialect, tables

_j = tables.judged_counts.c

# Asked for every window: built once.
_BEFORE = (
    select(_j.window_start_us, _j.payload)
    .where(
        _j.version_id == bindparam("version_id"), _j.layout_id == bindparam("layout_id"),
        _j.reference_id == bindparam("reference_id"), _j.window_start_us >= bindparam("from_us", type_=BigInteger),
        _j.window_start_us < bindparam("to_us", type_=BigInteger),
    )
    .order_by(_j.window_start_us)
)  # fmt: skip


def put_judged_counts(
    conn: Connection, *, version_id: int, window_start_us: int, layout_id: int, reference_id: int, payload: bytes
) -> None:
    """Keeps the window's counts in place of earlier ones."""
    row = {
        "version_id": version_id, "window_start_us": window_start_us, "layout_id": layout_id,
        "reference_id": reference_id, "payload": payload,
    }  # fmt: skip
    conn.execute(dialect.upsert(conn, tables.judged_counts), row)


def judged_counts(
    conn: Connection, *, version_id: int, layout_id: int, reference_id: int, from_us: int, to_us: int
) -> list[tuple[int, bytes]]:
    """(start, payload) of the windows that start in [from_us, to_us), oldest first, in those cells only."""
    asked = {"version_id": version_id, "layout_id": layout_id, "reference_id": reference_id}
    found = conn.execute(_BEFORE, asked | {"from_us": from_us, "to_us": to_us})
    return [(row.window_start_us, bytes(row.payload)) for row in found]


def drop_judged_counts(conn: Connection, *, version_id: int, window_start_us: int) -> None:
    """Takes the window's counts away, if there are any."""
    here = (_j.version_id == version_id, _j.window_start_us == window_start_us)
    conn.execute(delete(tables.judged_counts).where(*here))
