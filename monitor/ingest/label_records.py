"""A decoded body of labels in any media type, down one columnar way."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitor.columns.batch import ID, TIMESTAMP, form_of
from monitor.columns.labels import LABEL, CanonicalLabels, canonical_labels, joined_labels
from monitor.columns.quarantine import FUTURE_US, Quarantined, reason_message
from monitor.columns.roles import Roles
from monitor.columns.sent import as_sent
from monitor.columns.text import json_text
from monitor.ingest.assemble import JSON_TYPES
from monitor.ingest.decode_json import (
    Slice,
    check_readable,
    json_slices,
    ndjson_slices,
    readable_records,
    with_raw_text,
)
from monitor.ingest.limits import MAX_ERRORS_SHOWN, Limits
from monitor.ingest.shapes import Shape, can_be_fields
from monitor.ingest.tables import READERS, Table, as_text
from monitor.model.errors import InvalidInput
from monitor.model.names import nearest

_FIELDS = (ID, LABEL, TIMESTAMP)
_SCALAR = str | int | float | bool | None | msgspec.UnsetType


class LabelPlan:
    """How records of labels are decoded whose fields have these names; other fields are nobody's concern."""

    closed = False

    def __init__(self, names: tuple[str, str, str]) -> None:
        self.shapes: tuple[Shape, ...] = ()
        if not can_be_fields(names):
            return
        kinds = (str | int | float | None, _SCALAR, str | int | float | None)
        given = [(f, k, msgspec.UNSET if f == LABEL else None) for f, k in zip(_FIELDS, kinds, strict=True)]
        record = msgspec.defstruct("Label", given, rename=dict(zip(_FIELDS, names, strict=True)), gc=False)
        self.shapes = (Shape(record),)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelReading:
    """What a body is read with: whether labels are numbers, how its fields are named, the clock, the bounds."""

    regression: bool
    roles: Roles
    received_us: int
    limits: Limits

    @property
    def names(self) -> tuple[str, str, str]:
        """What id, label and timestamp are called in the body."""
        return self.roles.id or ID, self.roles.label or LABEL, self.roles.timestamp or TIMESTAMP


@dataclass(slots=True)
class ReceivedLabels:
    """A whole request of labels, decoded."""

    labels: CanonicalLabels
    records: int
    quarantined: list[Quarantined] = field(default_factory=list)

    @property
    def stored(self) -> int:
        """How many labels can be used."""
        return len(self.labels.ids)

    def errors(self) -> list[dict[str, object]]:
        """The first hundred records at fault."""
        return [q.error() for q in self.quarantined[:MAX_ERRORS_SHOWN]]

    def answer(self, *, matched: int) -> bytes:
        """The body of the 200 answer."""
        shape: dict[str, Any] = {
            "stored": self.stored, "quarantined": len(self.quarantined), "matched": matched,
            "waiting": self.stored - matched,
        }  # fmt: skip
        if self.labels.naive_timestamps:
            shape["naive_timestamps"] = self.labels.naive_timestamps
        return msgspec.json.encode(shape | {"errors": self.errors()})


def read_labels(body: bytes, *, media_type: str, reading: LabelReading) -> ReceivedLabels:
    """The decoded body; client errors (400, 413, 422) as exceptions, unusable records as quarantined."""
    if media_type not in JSON_TYPES:
        return _received([_table_part(READERS[media_type](body, limits=reading.limits), reading)])
    slices = json_slices if media_type == JSON_TYPES[0] else ndjson_slices
    plan = _plan(reading.names)
    received = _received([_json_part(cut, reading) for cut in slices(body, plan=plan, limits=reading.limits)])
    if not received.stored:
        check_readable(received.quarantined)
    return received


def read_label_values(records: list[Any], *, reading: LabelReading) -> ReceivedLabels:
    """Records that are Python values already (the replay of quarantined ones)."""
    return _received([_loose_part(Slice(0, values=records), reading)])


def read_label_texts(rows: list[dict[str, str | None]], *, reading: LabelReading) -> ReceivedLabels:
    """Rows of CSV fields that are read already (the replay of quarantined ones)."""
    columns = [pa.array([row.get(name) for row in rows], pa.string()) for name in reading.names]
    batch = as_text(pa.RecordBatch.from_arrays(columns, names=list(reading.names)))
    return _received([_table_part(Table(batch, np.arange(len(rows), dtype=np.int64)), reading)])


def check_names(roles: Roles) -> None:
    """``InvalidInput`` where two of the three are said to be one column."""
    names = LabelReading(regression=False, roles=roles, received_us=0, limits=Limits()).names
    if len(set(names)) < len(names):
        raise InvalidInput(
            f"id, label and timestamp are columns {', '.join(map(repr, names))}: expected three of different names",
            code="parameter",
        )


@dataclass(slots=True)
class _Part:
    """A slice's labels, its rows in all; what is quarantined stands by its position in the request."""

    labels: CanonicalLabels
    rows: int
    quarantined: list[Quarantined]


@lru_cache(maxsize=256)
def _plan(names: tuple[str, str, str]) -> LabelPlan:
    return LabelPlan(names)


def _received(parts: list[_Part]) -> ReceivedLabels:
    quarantined = [q for part in parts for q in part.quarantined]
    return ReceivedLabels(
        labels=joined_labels([part.labels for part in parts]), records=sum(part.rows for part in parts),
        quarantined=sorted(quarantined, key=lambda q: q.index),
    )  # fmt: skip


def _json_part(cut: Slice, reading: LabelReading) -> _Part:
    if cut.structs is None:
        return _loose_part(cut, reading)
    records = cut.structs
    labels = [r.label for r in records]
    absent = [row for row, label in enumerate(labels) if label is msgspec.UNSET]
    for row in absent:
        labels[row] = None
    found = _canonical([r.id for r in records], labels, [r.timestamp for r in records], absent, reading)
    faulty = with_raw_text(found.quarantined, cut) if found.quarantined else []
    return _Part(found, len(records), _at(faulty, np.arange(cut.first, cut.first + len(records))))


def _loose_part(cut: Slice, reading: LabelReading) -> _Part:
    values, places, faulty = readable_records(cut)
    usable = [(place, value) for place, value in zip(places, values, strict=True) if isinstance(value, dict)]
    for place, value in zip(places, values, strict=True):
        if not isinstance(value, dict):
            message = reason_message("not_an_object", field="record", found=json_text(value))
            faulty.append(
                Quarantined(index=place, code="not_an_object", field="record", message=message, raw=json_text(value))
            )
    records = [value for _, value in usable]
    id, label, time = reading.names
    absent = [row for row, record in enumerate(records) if label not in record]
    ids, labels, times = ([r.get(name) for r in records] for name in (id, label, time))
    found = _canonical(ids, labels, times, absent, reading)
    faulty += _at(
        (replace(q, raw=json_text(records[q.index])) for q in found.quarantined),
        np.array([place for place, _ in usable], np.int64),
    )
    return _Part(found, len(cut.values or ()), [replace(q, index=cut.first + q.index) for q in faulty])


def _table_part(table: Table, reading: LabelReading) -> _Part:
    batch = table.batch
    sent: dict[str, tuple[pa.Array, str]] = {}
    for meaning, name, asked in zip(_FIELDS, reading.names, _asked(reading.roles), strict=True):
        position = batch.schema.get_field_index(name)
        if position >= 0:
            sent[meaning] = (batch.column(position), form_of(batch.schema.field(position)))
        elif asked:
            raise _no_column(meaning, name, batch.schema.names)
    found = canonical_labels(
        sent, rows=batch.num_rows, regression=reading.regression, latest_us=reading.received_us + FUTURE_US
    )
    faulty = list(found.quarantined)
    if faulty:
        own = batch.select([name for name in reading.names if name in batch.schema.names])
        rows = own.take(pa.array([q.index for q in faulty])).to_pylist()
        faulty = [replace(q, raw=json_text(row)) for q, row in zip(faulty, rows, strict=True)]
    return _Part(found, batch.num_rows + len(table.quarantined), [*table.quarantined, *_at(faulty, table.positions)])


def _asked(roles: Roles) -> tuple[bool, bool, bool]:
    """Which columns a table must have: an id and a label, and a time that was named."""
    return True, True, roles.timestamp is not None


def _no_column(meaning: str, name: str, names: Sequence[str]) -> InvalidInput:
    return InvalidInput(
        f"the table has no column {name[:80]!r}{nearest(name, names)}: expected one with the {meaning}, or its name in "
        f"the query as {meaning}=; the table's columns are {', '.join(map(repr, names[:20]))}",
        code="role_column",
    )


def _canonical(
    ids: list[Any], labels: list[Any], times: list[Any], absent: list[int], reading: LabelReading
) -> CanonicalLabels:
    sent = {name: as_sent(values) for name, values in zip(_FIELDS, (ids, labels, times), strict=True)}
    return canonical_labels(
        sent, rows=len(ids), regression=reading.regression, absent=np.array(absent, np.int64),
        latest_us=reading.received_us + FUTURE_US,
    )  # fmt: skip


def _at(quarantined: Iterable[Quarantined], positions: NDArray[np.int64]) -> list[Quarantined]:
    return [replace(q, index=int(positions[q.index])) for q in quarantined]
