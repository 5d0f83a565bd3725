"""Rows that come to a sealed window: its rows are gone, so they are kept aside as they came, and counted nowhere.

Intake quarantines them before it answers. Some come through to the fold: those that were stored while their window
was being sealed. In the log they are dropped with the window's other rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from sqlalchemy import Connection

from monitor.columns.batch import ID, TIMESTAMP, companion_of, decode_batch, form_of, is_companion, shown_name
from monitor.columns.quarantine import reason_message
from monitor.columns.text import json_text, raw_value
from monitor.evaluate.context import VersionContext
from monitor.evaluate.slices import BatchesMoved, instants_of
from monitor.model.schema import Schema
from monitor.model.time import rfc3339
from monitor.store.batches import BatchInfo, payloads
from monitor.store.engine import Store
from monitor.store.quarantine import QuarantineRow, insert_quarantine
from monitor.store.sealing import refuse_late, sealed_starts

CODE = "too_late"
MOST_ROWS = 1_000  # refused in one transaction, unless one batch has more

Parts = list[tuple[int, pa.RecordBatch]]


@dataclass(frozen=True, slots=True, kw_only=True)
class TooLate:
    """Rows of a sealed window as they were stored, in one batch that was received then."""

    start_us: int
    received_us: int
    rows: pa.RecordBatch


def sealed_among(store: Store, parts: Parts, *, version_id: int) -> set[int]:
    """Which of the windows that the parts are of are sealed."""
    if not parts:
        return set()
    with store.read() as conn:
        sealed = sealed_starts(conn, version_id=version_id, from_us=parts[0][0], to_us=parts[-1][0])
    return {start_us for start_us, _ in parts}.intersection(sealed)


def late_rows(
    store: Store, infos: Sequence[BatchInfo], *, sealed: set[int], context: VersionContext
) -> tuple[TooLate, ...]:
    """The rows of sealed windows in the batches, with all that was sent. Raises ``BatchesMoved``."""
    found: list[TooLate] = []
    for info in infos if sealed else ():
        with store.read() as conn:
            stored = payloads(conn, ids=[info.id])
        if not stored:
            raise BatchesMoved
        batch = decode_batch(*stored[info.id])
        starts = context.model.window.starts_of(instants_of(batch))
        for start_us in sorted(sealed.intersection(starts.tolist())):
            rows = batch.filter(pa.array(np.equal(starts, start_us)))
            found.append(TooLate(start_us=start_us, received_us=info.received_us, rows=rows))
    return tuple(found)


def refuse(conn: Connection, late: Sequence[TooLate], *, context: VersionContext) -> None:
    """Quarantines the rows, in the transaction of the fold that takes them; the caller holds the version."""
    version_id = context.version.id
    for part in late:
        insert_quarantine(conn, list(_aside(part, version_id=version_id, schema=context.schema)))
        refuse_late(conn, version_id=version_id, rows={part.start_us: part.rows.num_rows})


def _aside(part: TooLate, *, version_id: int, schema: Schema | None) -> Iterator[QuarantineRow]:
    for position, record in enumerate(records_of(part.rows, schema=schema)):
        time = schema.role("timestamp") if schema is not None else None
        field = time.name if time is not None else TIMESTAMP
        yield QuarantineRow(
            owner_id=version_id, received_us=part.received_us, position=position, code=CODE,
            message=reason_message(CODE, field=field, found=str(record[field])), raw=json_text(record),
        )  # fmt: skip


def records_of(rows: pa.RecordBatch, *, schema: Schema | None) -> list[dict[str, Any]]:
    """Stored rows as flat records that can be sent again: nothing of what is missing, what did not fit as it came."""
    records: list[dict[str, Any]] = [{} for _ in range(rows.num_rows)]
    for field, array in zip(rows.schema, rows.columns, strict=True):
        raw = is_companion(field.name) or form_of(field) == "json"
        name = field.name.removeprefix(companion_of("")) if is_companion(field.name) else field.name
        values = instants_of(rows).tolist() if name == TIMESTAMP else array.to_pylist()
        for record, value in zip(records, values, strict=True):
            if value is not None:
                shown = rfc3339(value) if name == TIMESTAMP else raw_value(value) if raw else value
                record[_name(name, schema=schema)] = shown
    return records


def _name(stored_name: str, *, schema: Schema | None) -> str:
    """The name that the column is sent by."""
    if schema is None:
        return shown_name(stored_name)
    role = {ID: schema.role("id"), TIMESTAMP: schema.role("timestamp")}.get(stored_name)
    column = role or schema.by_stored_name.get(stored_name)
    return column.name if column is not None else shown_name(stored_name)
