"""A decoded body as what will be stored: canonical batches, quarantined records, counts, and the answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from monitor.columns.batch import ID, TIMESTAMP
from monitor.columns.quarantine import FUTURE_US, Quarantined
from monitor.columns.roles import Roles
from monitor.columns.table import Canonical, canonical_batch, canonical_columns
from monitor.columns.text import json_text
from monitor.columns.who_and_when import Sealed
from monitor.ingest.decode_json import (
    Slice,
    check_readable,
    json_slices,
    ndjson_slices,
    readable_records,
    with_raw_text,
)
from monitor.ingest.limits import MAX_ERRORS_SHOWN, Limits
from monitor.ingest.loose import loose_columns
from monitor.ingest.plan import RecordPlan
from monitor.ingest.tables import READERS, Table, as_text, check_cells, check_columns
from monitor.ingest.typed import typed_canonical
from monitor.ingest.uuid7 import json_list, make_ids
from monitor.model.schema import Schema
from monitor.model.window import WindowSpec

JSON_TYPES = ("application/json", "application/x-ndjson")
MEDIA_TYPES = (*JSON_TYPES, *READERS)
AS_TEXT = {"form": "text"}  # beside the roles of a quarantined record whose values are CSV fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a body is read with: the version's schema and plan, the request's roles, the clock, the bounds, and
    which instants are in windows that are known to be sealed."""

    schema: Schema | None
    plan: RecordPlan | None
    roles: Roles
    window: WindowSpec
    received_us: int
    limits: Limits
    sealed: Sealed | None = None


@dataclass(slots=True)
class Received:
    """A whole request, decoded: what to store and what to answer."""

    records: int = 0
    batches: list[pa.RecordBatch] = field(default_factory=list)
    quarantined: list[Quarantined] = field(default_factory=list)
    duplicates: int = 0
    ids: list[str | None] | msgspec.Raw | None = None
    unknown: dict[str, int] = field(default_factory=dict)
    invalid: dict[str, int] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    naive_timestamps: int = 0
    matched: bool = False

    @property
    def stored(self) -> int:
        """Rows that the batches hold."""
        return sum(batch.num_rows for batch in self.batches)

    def errors(self) -> list[dict[str, object]]:
        """The first hundred records at fault."""
        return [q.error() for q in self.quarantined[:MAX_ERRORS_SHOWN]]

    def answer(self) -> bytes:
        """The body of the 200 answer."""
        shape: dict[str, Any] = {
            "stored": self.stored, "quarantined": len(self.quarantined), "duplicate": self.duplicates,
        }  # fmt: skip
        if self.ids is not None:
            shape["ids"] = self.ids
        shape["columns"] = {"unknown": self.unknown, "missing": self.missing, "invalid": self.invalid}
        if self.naive_timestamps:
            shape["naive_timestamps"] = self.naive_timestamps
        shape["errors"] = self.errors()
        return msgspec.json.encode(shape)


def read_body(body: bytes, *, media_type: str, reading: Reading) -> Received:
    """The decoded body; client errors (400, 413, 422) as exceptions, unusable records as quarantined."""
    if media_type in JSON_TYPES:
        slices = json_slices if media_type == JSON_TYPES[0] else ndjson_slices
        cut = slices(body, plan=reading.plan, limits=reading.limits)
        received = assembled((_json_part(s, reading) for s in cut), reading)
        if not received.stored:
            check_readable(received.quarantined)
        return received
    return assembled([_table_part(READERS[media_type](body, limits=reading.limits), reading)], reading)


def read_records(records: list[Any], *, reading: Reading) -> Received:
    """Records that are Python values already (the replay of quarantined ones)."""
    return assembled([_loose_part(Slice(0, values=records), reading)], reading)


def read_texts(rows: list[dict[str, str]], *, reading: Reading) -> Received:
    """Rows of CSV fields that are read already (the replay of quarantined ones)."""
    names = dict.fromkeys(name for row in rows for name in row)
    names |= dict.fromkeys(reading.roles.columns())  # also where every row's field was empty
    columns = [pa.array([row.get(name) for row in rows], pa.string()) for name in names]
    batch = as_text(pa.RecordBatch.from_arrays(columns, names=list(names)))
    return assembled([_table_part(Table(batch, np.arange(len(rows), dtype=np.int64)), reading)], reading)


@dataclass(slots=True)
class Part:
    """A canonical slice, the positions of its sent rows in the request, and what was no record at all."""

    canonical: Canonical
    positions: np.ndarray[Any, np.dtype[np.int64]]
    quarantined: list[Quarantined]
    records: int


def _json_part(cut: Slice, reading: Reading) -> Part:
    if cut.structs is None or reading.plan is None:
        return _loose_part(cut, reading)
    canonical = typed_canonical(
        cut.structs, plan=reading.plan, received_us=reading.received_us, latest_us=reading.received_us + FUTURE_US,
        sealed=reading.sealed, make_ids=partial(make_ids, now_us=reading.received_us),
    )  # fmt: skip
    if canonical.quarantined:
        canonical = replace(canonical, quarantined=tuple(with_raw_text(canonical.quarantined, cut)))
    positions = np.arange(cut.first, cut.first + len(cut.structs), dtype=np.int64)
    return Part(canonical, positions, [], len(cut.structs))


def _loose_part(cut: Slice, reading: Reading) -> Part:
    records, readable, unreadable = readable_records(cut)
    loose = loose_columns(records, schema=reading.schema, roles=reading.roles, limits=reading.limits)
    canonical = canonical_columns(
        loose.columns, rows=len(loose.positions), schema=reading.schema, received_us=reading.received_us,
        latest_us=reading.received_us + FUTURE_US,
        sealed=reading.sealed, make_ids=partial(make_ids, now_us=reading.received_us),
    )  # fmt: skip
    within = np.array(readable, np.int64)
    positions = within[np.array(loose.positions, np.int64)]
    canonical = replace(
        canonical,
        quarantined=tuple(replace(q, raw=json_text(records[loose.positions[q.index]])) for q in canonical.quarantined),
    )
    faulty = [replace(q, index=cut.first + int(within[q.index])) for q in loose.quarantined]
    faulty += [replace(q, index=cut.first + q.index) for q in unreadable]
    return Part(canonical, positions + cut.first, faulty, len(cut.values or ()))


def _table_part(table: Table, reading: Reading) -> Part:
    canonical = canonical_batch(
        table.batch, schema=reading.schema, roles=reading.roles, received_us=reading.received_us,
        latest_us=reading.received_us + FUTURE_US,
        sealed=reading.sealed, make_ids=partial(make_ids, now_us=reading.received_us),
    )  # fmt: skip
    return Part(canonical, table.positions, table.quarantined, table.batch.num_rows + len(table.quarantined))


class _Room:
    """What all slices of a request take together: few records with ever other columns become huge tables."""

    def __init__(self, *, limits: Limits) -> None:
        self._limits = limits
        self._names: set[str] = set()
        self._cells = 0

    def take(self, batch: pa.RecordBatch) -> None:
        """Room for one more batch, or ``TooLarge``."""
        self._names.update(batch.schema.names)
        check_columns(len(self._names) - len((ID, TIMESTAMP)), self._limits)
        self._cells += batch.num_rows * batch.num_columns
        check_cells(self._cells, self._limits)


def assembled(parts: Iterator[Part] | list[Part], reading: Reading) -> Received:
    """The parts of one request together; repeats of an id within a window are left out and counted."""
    received = Received()
    room = _Room(limits=reading.limits)
    owned: list[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], pa.Array]] = []
    missing: list[str] | None = None
    for part in parts:
        canonical = part.canonical
        room.take(canonical.batch)
        received.records += part.records
        received.quarantined += part.quarantined
        received.quarantined += [
            replace(q, index=int(part.positions[q.index])) for q in canonical.quarantined
        ]  # fmt: skip
        for name, count in canonical.unknown.items():
            received.unknown[name] = received.unknown.get(name, 0) + count
        for name, count in canonical.invalid.items():
            received.invalid[name] = received.invalid.get(name, 0) + count
        received.naive_timestamps += canonical.naive_timestamps
        received.matched |= canonical.matched
        if canonical.batch.num_rows == 0:
            continue
        missing = list(canonical.missing) if missing is None else [m for m in missing if m in canonical.missing]
        owned.append((part.positions[canonical.kept], canonical.own_ids, canonical.batch.column(ID)))
        received.batches.append(canonical.batch)
    received.missing = missing or []
    received.quarantined.sort(key=lambda q: q.index)
    _give_ids(received, owned)
    if any(own.any() for _, own, _ in owned):  # those made here are all different
        _drop_repeats(received, reading.window)
    return received


def _give_ids(
    received: Received, owned: list[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], pa.Array]]
) -> None:  # fmt: skip
    """``ids`` of the answer: one a record, None where the client gave one; absent if all did."""
    if all(own.all() for _, own, _ in owned):
        return
    if not received.quarantined and not any(own.any() for _, own, _ in owned):
        made = pa.concat_arrays([texts for _, _, texts in owned])  # in the records' order: as it stands
        received.ids = msgspec.Raw(json_list(made))
        return
    ids: list[str | None] = [None] * received.records
    for positions, own, texts in owned:
        rows = np.flatnonzero(~own)
        for position, text in zip(positions[rows].tolist(), texts.take(pa.array(rows)).to_pylist(), strict=True):
            ids[position] = text
    received.ids = ids


def _drop_repeats(received: Received, window: WindowSpec) -> None:
    """The first record of an id in a window stays."""
    ids = pa.chunked_array([b.column(ID) for b in received.batches], pa.string())
    if len(ids.unique()) == len(ids):
        return
    seen: set[tuple[int, str]] = set()
    kept: list[pa.RecordBatch] = []
    for batch in received.batches:
        starts = window.starts_of(batch.column(TIMESTAMP).cast(pa.int64()).to_numpy()).tolist()
        first = []
        for row, key in enumerate(zip(starts, batch.column(ID).to_pylist(), strict=True)):
            if key not in seen:
                seen.add(key)
                first.append(row)
        received.duplicates += batch.num_rows - len(first)
        if first:
            kept.append(batch if len(first) == batch.num_rows else batch.take(pa.array(first)))
    received.batches = kept
