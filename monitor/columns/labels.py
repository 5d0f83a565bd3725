"""Labels in columnar form: whose each is, what it says, and what cannot be one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitor.columns.batch import ID, TIMESTAMP
from monitor.columns.coerce import coerce
from monitor.columns.instants import LATEST_US, READABLE
from monitor.columns.quarantine import Quarantined, reason_message
from monitor.columns.who_and_when import Sent, sent_ids, sent_instants, unusable
from monitor.model.schema import Column

LABEL = "label"
KEY = "key"
UNKNOWN_US = -1
_NUMBER = Column(name=LABEL, role="label", type="numeric")
_CATEGORY = Column(name=LABEL, role="label", type="categorical")


@dataclass(frozen=True, slots=True, kw_only=True)
class CanonicalLabels:
    """The usable labels in order, ``kept`` their rows in what was sent, and the rows that are none.

    ``ids`` string[n] without nulls; ``values`` string[n] (category texts) or, for regression, float64[n], null where
    the label is withdrawn; ``times_us`` int64[n], the prediction's own time or ``UNKNOWN_US``.
    """

    ids: pa.Array
    values: pa.Array
    times_us: NDArray[np.int64]
    kept: NDArray[np.int64]
    quarantined: tuple[Quarantined, ...] = ()
    naive_timestamps: int = 0


def canonical_labels(
    columns: Sent, *, rows: int, regression: bool, absent: NDArray[np.int64] | None = None, latest_us: int = LATEST_US
) -> CanonicalLabels:
    """The labels of the sent columns ``id``, ``label`` and ``timestamp``; ``raw`` of quarantined rows is left empty.

    ``absent`` are the rows that said nothing of a label (a null one is a withdrawal). Rows with a timestamp after
    ``latest_us`` are quarantined ``future``.

    >>> sent = {"id": (pa.array([1, 2]), "typed"), "label": (pa.array([1.0, None]), "typed")}
    >>> canonical_labels(sent, rows=2, regression=False).values.to_pylist()
    ['1', None]
    """
    instants, ids = sent_instants(columns, rows=rows), sent_ids(columns, rows=rows)
    array, form = columns[LABEL]
    coerced = coerce(array, _NUMBER if regression else _CATEGORY, form=form)
    found = {q.index: q for q in unusable(instants, ids, columns=columns, latest_us=latest_us)}
    for row in np.flatnonzero(ids.texts.is_null().to_numpy(zero_copy_only=False)).tolist():
        found.setdefault(row, _quarantined(row, "id_missing", ID))
    for row in absent.tolist() if absent is not None else ():
        found.setdefault(row, _quarantined(row, "label_missing", LABEL))
    if coerced.raw is not None:
        for row in np.flatnonzero(coerced.raw.is_valid().to_numpy(zero_copy_only=False)).tolist():
            found.setdefault(row, _quarantined(row, "label_invalid", LABEL, found=coerced.raw[row].as_py()))
    times_us = np.where(instants.state == READABLE, instants.us, UNKNOWN_US)
    kept, texts, values = np.arange(rows, dtype=np.int64), ids.texts, coerced.values
    if found:
        kept = np.delete(kept, list(found))
        selection = pa.array(kept)
        texts, values, times_us = texts.take(selection), values.take(selection), times_us[kept]
    return CanonicalLabels(
        ids=texts, values=values, times_us=times_us, kept=kept, naive_timestamps=instants.naive,
        quarantined=tuple(found[row] for row in sorted(found)),
    )  # fmt: skip


def label_batch(labels: CanonicalLabels, *, keys: NDArray[np.uint64]) -> pa.RecordBatch:
    """The labels as they are stored: ``key`` (the hashed id), ``label``, and ``timestamp`` where any is known."""
    columns = {KEY: pa.array(keys, pa.uint64()), LABEL: labels.values}
    known = labels.times_us != UNKNOWN_US
    if known.any():
        columns[TIMESTAMP] = pa.array(labels.times_us, pa.int64(), mask=~known)
    return pa.record_batch(columns)


def joined_labels(parts: list[CanonicalLabels]) -> CanonicalLabels:
    """The labels of several slices in their order; ``kept`` and ``quarantined`` as they stand in the parts."""
    if len(parts) == 1:
        return parts[0]
    return CanonicalLabels(
        ids=pa.concat_arrays([p.ids for p in parts]), values=pa.concat_arrays([p.values for p in parts]),
        times_us=np.concatenate([p.times_us for p in parts]), kept=np.concatenate([p.kept for p in parts]),
        quarantined=tuple(q for p in parts for q in p.quarantined),
        naive_timestamps=sum(p.naive_timestamps for p in parts),
    )  # fmt: skip


def _quarantined(row: int, code: str, field: str, *, found: str = "") -> Quarantined:
    message = reason_message(code, field=field, found=found)
    return Quarantined(index=row, code=code, field=field, message=message, raw="")
