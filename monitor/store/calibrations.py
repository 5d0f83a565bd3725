"""Calibrations of a version against one reference: opaque bytes and when they were made."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from monitor.store import dialect, tables

_c = tables.calibration.c


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCalibration:
    """An encoded calibration and the instant it was made."""

    version_id: int
    reference_id: int
    made_us: int
    payload: bytes


def save_calibration(conn: Connection, *, version_id: int, reference_id: int, made_us: int, payload: bytes) -> None:
    """Keeps the calibration in place of an earlier one for the same reference."""
    put = dialect.insert(conn, tables.calibration).values(
        version_id=version_id, reference_id=reference_id, made_us=made_us, payload=payload
    )
    changed = {"made_us": put.excluded.made_us, "payload": put.excluded.payload}
    conn.execute(put.on_conflict_do_update(index_elements=["version_id", "reference_id"], set_=changed))


def get_calibration(conn: Connection, *, version_id: int, reference_id: int) -> StoredCalibration | None:
    """The calibration made for that reference, if any."""
    query = select(tables.calibration).where(_c.version_id == version_id, _c.reference_id == reference_id)
    row = conn.execute(query).first()
    return None if row is None else StoredCalibration(**{**row._mapping, "payload": bytes(row.payload)})


def calibration_made_us(conn: Connection, *, version_id: int, reference_id: int) -> int | None:
    """When the calibration for that reference was made: what a kept copy is compared with."""
    query = select(_c.made_us).where(_c.version_id == version_id, _c.reference_id == reference_id)
    return conn.execute(query).scalar()
