"""The one columnar way: sent columns in, a canonical batch, the unusable rows and the counts out.

Every media type ends here. ``canonical_batch`` takes a flat table as users name its columns;
``canonical_columns`` takes columns that already have stored names (the JSON decoders).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from monitor.columns.batch import ID, TIMESTAMP, TIMESTAMP_TYPE, companion_of, field_of, shown_name
from monitor.columns.coerce import Coerced, coerce, finite, stored_type
from monitor.columns.conform import stored_columns
from monitor.columns.flatten import flat_columns
from monitor.columns.identity import Ids
from monitor.columns.instants import LATEST_US, MISSING
from monitor.columns.quarantine import Quarantined, name_fault, reason_message
from monitor.columns.roles import Roles, stored_names
from monitor.columns.sent import typed_as_sent
from monitor.columns.text import json_text
from monitor.columns.who_and_when import Sealed, Sent, sent_ids, sent_instants, unusable
from monitor.model.errors import InvalidInput
from monitor.model.schema import Schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Canonical:
    """A canonical batch and what was found on the way.

    ``batch`` holds the usable rows in order; ``kept`` their positions; ``made_ids`` whether any row had no
    id of its own, and ``own_ids`` bool[n of batch] which had. Names are as users know them.
    """

    batch: pa.RecordBatch
    kept: NDArray[np.int64]
    own_ids: NDArray[np.bool_]
    quarantined: tuple[Quarantined, ...] = ()
    invalid: Mapping[str, int] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    unknown: Mapping[str, int] = field(default_factory=dict)
    naive_timestamps: int = 0
    matched: bool = True  # some schema feature was among the sent columns

    @property
    def counts(self) -> dict[str, object]:
        """The ``columns`` of an ingest answer."""
        return {"unknown": dict(self.unknown), "missing": list(self.missing), "invalid": dict(self.invalid)}


def canonical_batch(
    table: pa.RecordBatch,
    *,
    schema: Schema | None,
    roles: Roles,
    received_us: int,
    latest_us: int = LATEST_US,
    sealed: Sealed | None = None,
    make_ids: Callable[[int], pa.Array] | None = None,
) -> Canonical:
    """The canonical form of a flat table whose columns are named as in the schema, by role, or reserved.

    Rows without a timestamp get ``received_us``, rows without an id one of ``make_ids`` (empty text if
    None). Rows with a timestamp after ``latest_us`` are quarantined ``future``,
    those of ``sealed`` windows ``too_late``.
    """
    flat = flat_columns(table)
    for name in flat:
        if name_fault(name) is not None:
            raise InvalidInput(reason_message("column_name", field="column", found=json_text(name)), code="column_name")
    roles.check_known(list(flat))
    targets = stored_names(list(flat), schema=schema, roles=roles)
    columns = {
        target: flat[name] for name, target in zip(flat, targets, strict=True) if target is not None
    }  # fmt: skip
    canonical = canonical_columns(
        columns, rows=table.num_rows, schema=schema, received_us=received_us, latest_us=latest_us, sealed=sealed,
        make_ids=make_ids,
    )  # fmt: skip
    if not canonical.quarantined:
        return canonical
    return _with_raw(canonical, table)


def canonical_columns(
    columns: Sent,
    *,
    rows: int,
    schema: Schema | None,
    received_us: int,
    latest_us: int = LATEST_US,
    sealed: Sealed | None = None,
    make_ids: Callable[[int], pa.Array] | None = None,
) -> Canonical:
    """The canonical form of sent columns under stored names; ``raw`` of quarantined rows is left empty."""
    instants, ids = sent_instants(columns, rows=rows), sent_ids(columns, rows=rows)
    quarantined = unusable(instants, ids, columns=columns, latest_us=latest_us, sealed=sealed)
    kept = np.arange(rows, dtype=np.int64)
    if quarantined:
        kept = np.delete(kept, [q.index for q in quarantined])
        selection = pa.array(kept)
        columns = {name: (array.take(selection), form) for name, (array, form) in columns.items()}
        ids = Ids(ids.texts.take(selection))
    us = np.where(instants.state == MISSING, received_us, instants.us)[kept]
    own = ids.texts.is_valid().to_numpy(zero_copy_only=False)
    fields = [pa.field(ID, pa.string(), nullable=False), pa.field(TIMESTAMP, TIMESTAMP_TYPE, nullable=False)]
    arrays = [_whole_ids(ids.texts, own, make_ids), pa.array(us, pa.int64()).cast(TIMESTAMP_TYPE)]
    counts = _Counts()
    for name, array_field, coerced in _stored(columns, schema, len(kept), counts):
        fields.append(array_field)
        arrays.append(coerced.values)
        if coerced.raw is not None:
            fields.append(pa.field(companion_of(name), pa.string()))
            arrays.append(coerced.raw)
    return Canonical(
        batch=pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields)), kept=kept, own_ids=own,
        quarantined=quarantined, invalid=counts.invalid, missing=tuple(counts.missing), unknown=counts.unknown,
        naive_timestamps=instants.naive, matched=counts.matched,
    )  # fmt: skip


@dataclass(slots=True)
class _Counts:
    invalid: dict[str, int] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    unknown: dict[str, int] = field(default_factory=dict)
    matched: bool = True


def _stored(
    columns: Sent, schema: Schema | None, rows: int, counts: _Counts
) -> list[tuple[str, pa.Field, Coerced]]:  # fmt: skip
    """Every stored column: the schema's in its order, then the others as sent."""
    stored: list[tuple[str, pa.Field, Coerced]] = []
    declared = stored_columns(schema) if schema is not None else ()
    features = [c for c in declared if c.role == "feature"]
    counts.matched = not features or any(c.stored_name in columns for c in features)
    for column in declared:
        name = column.stored_name
        if name in columns:
            array, form = columns[name]
            coerced = coerce(array, column, form=form)
        else:
            coerced = Coerced(pa.nulls(rows, stored_type(column)))
        invalid = _count_invalid(column.name, coerced, counts)
        if coerced.values.null_count - invalid == rows and rows and column.role != "label":
            counts.missing.append(column.name)
        stored.append((name, pa.field(name, stored_type(column)), coerced))
    known = {c.stored_name for c in declared} | {ID, TIMESTAMP}
    for name, (sent, form) in columns.items():
        if name in known:
            continue
        coerced, stored_form = _as_sent(sent, form)
        _count_invalid(shown_name(name), coerced, counts)
        if schema is not None:
            counts.unknown[shown_name(name)] = rows - sent.null_count
        stored.append((name, field_of(name, coerced.values.type, form=stored_form), coerced))
    return stored


def _as_sent(array: pa.Array, form: str) -> tuple[Coerced, str]:
    if form != "typed":
        return Coerced(array), form
    values, form = typed_as_sent(array)
    return (finite(values) if pa.types.is_float64(values.type) else Coerced(values)), form


def _count_invalid(name: str, coerced: Coerced, counts: _Counts) -> int:
    if coerced.raw is None:
        return 0
    invalid: int = len(coerced.raw) - coerced.raw.null_count
    if invalid:
        counts.invalid[name] = counts.invalid.get(name, 0) + invalid
    return invalid


def _whole_ids(texts: pa.Array, own: NDArray[np.bool_], make_ids: Callable[[int], pa.Array] | None) -> pa.Array:
    if own.all():
        return texts
    if make_ids is None:
        return texts.fill_null("")
    if not own.any():
        return make_ids(len(own))
    return pc.replace_with_mask(texts, pa.array(~own), make_ids(int((~own).sum())))


def _with_raw(canonical: Canonical, table: pa.RecordBatch) -> Canonical:
    rows = table.take(pa.array([q.index for q in canonical.quarantined])).to_pylist()
    return replace(
        canonical,
        quarantined=tuple(
            replace(q, raw=json_text({k: v for k, v in row.items() if v is not None}))
            for q, row in zip(canonical.quarantined, rows, strict=True)
        ),
    )  # fmt: skip
