"""Calibrations of a version against one reference: opaque bytes and when they were made."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, delete, select

from monitor.store import dialect, tables

_c = tables.calibration.c

# Asked for every window: built once.
_HERE = (_c.version_id == bindparam("version_id"), _c.reference_id == bindparam("reference_id"))
_ONE = select(tables.calibration).where(*_HERE)
_MADE = select(_c.made_us).where(*_HERE)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCalibration:
    """An encoded calibration and the instant it was made."""

    version_id: int
    reference_id: int
    made_us: int
    payload: bytes


def save_calibration(conn: Connection, *, version_id: int, reference_id: int, made_us: int, payload: bytes) -> None:
    """Keeps the calibration in place of an earlier one for the same reference."""
    values = {"version_id": version_id, "reference_id": reference_id, "made_us": made_us, "payload": payload}
    conn.execute(dialect.upsert(conn, tables.calibration), values)


def delete_calibration(conn: Connection, *, version_id: int, reference_id: int) -> None:
    """Forgets the calibration made for that reference."""
    conn.execute(delete(tables.calibration).where(_c.version_id == version_id, _c.reference_id == reference_id))


def get_calibration(conn: Connection, *, version_id: int, reference_id: int) -> StoredCalibration | None:
    """The calibration made for that reference, if any."""
    row = conn.execute(_ONE, {"version_id": version_id, "reference_id": reference_id}).first()
    return None if row is None else StoredCalibration(**{**row._mapping, "payload": bytes(row.payload)})


def calibration_made_us(conn: Connection, *, version_id: int, reference_id: int) -> int | None:
    """When the calibration for that reference was made: what a kept copy is compared with."""
    return conn.execute(_MADE, {"version_id": version_id, "reference_id": reference_id}).scalar()
