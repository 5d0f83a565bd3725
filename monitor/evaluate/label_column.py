"""The joined labels of a window, put in force in the label column of its records."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.columns.coerce import Coerced, coerce
from monitor.columns.keyed_ids import Hashes
from monitor.evaluate.label_codec import Labels, Positions, merged_labels, numbers_of, take_labels
from monitor.model.entities import Model
from monitor.model.schema import Column, Schema
from monitor.store.engine import Store
from monitor.store.outcomes import window_labels


class WindowLabels:
    """The labels of a version's windows; the last window's are kept, for the next rows mostly go on in it."""

    def __init__(self, store: Store, *, version_id: int) -> None:
        self._store = store
        self._version_id = version_id
        self._last: tuple[int, Labels] | None = None

    def of(self, keys: Hashes, *, start_us: int) -> tuple[Positions, Labels]:
        """Which of the ids have a joined label in the window (positions, ascending), and those labels.

        ``keys`` uint64[n] hash the ids; a null label was withdrawn.
        """
        labels = self._of_window(start_us)
        if not len(labels.keys):
            return np.empty(0, dtype=np.int64), labels
        at = np.minimum(np.searchsorted(labels.keys, keys), len(labels.keys) - 1)
        hits = np.flatnonzero(labels.keys[at] == keys)
        return hits, take_labels(labels, at[hits])

    def _of_window(self, start_us: int) -> Labels:
        if self._last is None or self._last[0] != start_us:
            self._last = None
            with self._store.read() as conn:
                parts = window_labels(conn, version_id=self._version_id, window_start_us=start_us)
            self._last = start_us, merged_labels(parts)
        return self._last[1]


def with_label(schema: Schema, *, model: Model) -> Schema:
    """The schema with a label column, named as in a Record unless a feature has that name."""
    if schema.role("label") is not None:
        return schema
    name = "label"
    while name in schema.by_name:
        name += "_"
    kind = Column(name=name, role="label", type="numeric" if model.task == "regression" else "categorical")
    return replace(schema, columns=(*schema.columns, kind))


def showable(schema: Schema) -> Column | None:
    """The label column that joined labels are put into, if there is one.

    What a schema keeps as a hash, or not at all, does not come back out of another drawer.
    """
    column = schema.role("label")
    return column if column is not None and column.store == "value" else None


def as_column(values: pa.Array, column: Column) -> Coerced:
    """The labels in the type of the column, and as JSON texts those that do not fit it."""
    texts = pa.types.is_dictionary(values.type)
    if texts and column.type == "numeric":
        numbers, sent = numbers_of(values), values.dictionary_decode()
        good = pc.or_kleene(pc.is_finite(numbers), pc.is_null(sent)).fill_null(True)
        quoted = pa.array([json.dumps(text) for text in sent.to_pylist()], pa.string())
        nothing = pa.scalar(None, pa.string())
        return Coerced(pc.if_else(good, numbers, pa.scalar(None, pa.float64())), pc.if_else(good, nothing, quoted))
    return coerce(values.dictionary_decode() if texts else values, column)


def replaced(own: pa.Array, *, rows: Positions, values: pa.Array) -> pa.Array:
    """The array with ``values`` at the positions ``rows`` (ascending)."""
    mask = np.zeros(len(own), dtype=np.bool_)
    mask[rows] = True
    return pc.replace_with_mask(own, pa.array(mask), values)
