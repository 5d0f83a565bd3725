"""Calibrations of a version's segments against one reference: opaque bytes and when they were made."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, delete, select

from monitor.store import dialect, tables

_c = tables.calibration.c

# Asked for every window: built once.
_HERE = (
    _c.version_id == bindparam("version_id"), _c.reference_id == bindparam("reference_id"),
    _c.segment == bindparam("segment"),
)  # fmt: skip
_ONE = select(tables.calibration).where(*_HERE)
_MADE = select(_c.made_us).where(*_HERE)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCalibration:
    """An encoded calibration and the instant it was made."""

    version_id: int
    reference_id: int
    segment: str = ""
    made_us: int
    payload: bytes


def save_calibration(
    conn: Connection, *, version_id: int, reference_id: int, made_us: int, payload: bytes, segment: str = ""
) -> None:
    """Keeps the calibration in place of an earlier one for the same reference and segment."""
    values = {
        "version_id": version_id, "reference_id": reference_id, "segment": segment, "made_us": made_us,
        "payload": payload,
    }  # fmt: skip
    conn.execute(dialect.upsert(conn, tables.calibration), values)


def delete_calibration(conn: Connection, *, version_id: int, reference_id: int, segment: str = "") -> None:
    """Forgets the calibration made for that reference and segment."""
    here = (_c.version_id == version_id, _c.reference_id == reference_id, _c.segment == segment)
    conn.execute(delete(tables.calibration).where(*here))


def get_calibration(
    conn: Connection, *, version_id: int, reference_id: int, segment: str = ""
) -> StoredCalibration | None:
    """The calibration made for that reference and segment, if any."""
    row = conn.execute(_ONE, {"version_id": version_id, "reference_id": reference_id, "segment": segment}).first()
    return None if row is None else StoredCalibration(**{**row._mapping, "payload": bytes(row.payload)})


def calibration_made_us(conn: Connection, *, version_id: int, reference_id: int, segment: str = "") -> int | None:
    """When the calibration for that reference and segment was made: what a kept copy is compared with."""
    return conn.execute(_MADE, {"version_id": version_id, "reference_id": reference_id, "segment": segment}).scalar()
