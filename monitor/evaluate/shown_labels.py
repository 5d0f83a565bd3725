"""Stored records read back with the labels that were joined to them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.columns.coerce import Coerced, coerce
from monitor.columns.keyed_ids import hash_ids, hash_key
from monitor.evaluate.label_codec import Labels, Positions, join_labels, merged_labels, numbers_of, take_labels
from monitor.model.entities import Model
from monitor.model.schema import Column, Schema
from monitor.store.engine import Store
from monitor.store.outcomes import labelled_versions, window_labels
from monitor.store.versions import get_version

INVALID_FROM_END = 2  # of the columns of a page, ``invalid`` is the last but one


class ShownLabels:
    """Puts joined labels into pages of a version's records (``monitor.ingest.records``), a window in memory at a time.

    ``schema`` is what the pages are to be made in: it has a label column where any label was joined.
    """

    def __init__(self, store: Store, *, model: str, version: str, schema: Schema) -> None:
        with store.read() as conn:
            self._model, found = get_version(conn, model=model, version=version)
            labelled = bool(labelled_versions(conn, version_ids=[found.id]))
        self._store = store
        self._version_id = found.id
        self.schema = _with_label(schema, model=self._model) if labelled else schema
        column = self.schema.role("label")
        # What a schema keeps as a hash, or not at all, is not shown out of another drawer.
        self._column = column if labelled and column is not None and column.store == "value" else None
        self._last: tuple[int, Labels] | None = None

    def into(self, page: pa.Table) -> pa.Table:
        """The page with each record's label in force: a posted one before its own, none where it was withdrawn."""
        if self._column is None or not page.num_rows:
            return page
        rows, values = self._joined(page)
        if not len(rows):
            return page
        coerced = _as_column(values, self._column)
        mask = np.zeros(page.num_rows, dtype=np.bool_)
        mask[rows] = True
        position = page.schema.get_field_index(self._column.name)
        own = page.column(position).combine_chunks()
        labels = pc.replace_with_mask(own, pa.array(mask), coerced.values)
        page = page.set_column(position, page.schema.field(position), labels)
        return _with_invalid(page, rows=rows, raw=coerced.raw, name=self._column.name)

    def _joined(self, page: pa.Table) -> tuple[Positions, pa.Array]:
        """The rows of the page that have a joined label, ascending, and those labels (null: withdrawn)."""
        ids, times = page.column(0).combine_chunks(), page.column(1).cast(pa.int64()).to_numpy()
        keys = hash_ids(ids, key=hash_key(self._store.secret))
        found: list[Labels] = []
        begin = 0
        while begin < len(keys):
            start_us = self._model.window.start_of(int(times[begin]))
            end = int(np.searchsorted(times, self._model.window.end_of(start_us)))
            labels = self._of_window(start_us)
            if len(labels.keys):
                at = np.minimum(np.searchsorted(labels.keys, keys[begin:end]), len(labels.keys) - 1)
                hits = np.flatnonzero(labels.keys[at] == keys[begin:end])
                taken = take_labels(labels, at[hits])
                found.append(taken._replace(keys=(begin + hits).astype(np.uint64)))  # the rows in place of the hashes
            begin = end
        whole = join_labels(found)
        return whole.keys.astype(np.int64), whole.values

    def _of_window(self, start_us: int) -> Labels:
        """The window's labels; the last window's are kept, for the next page mostly goes on in it."""
        if self._last is None or self._last[0] != start_us:
            self._last = None
            with self._store.read() as conn:
                parts = window_labels(conn, version_id=self._version_id, window_start_us=start_us)
            self._last = start_us, merged_labels(parts)
        return self._last[1]


def _with_label(schema: Schema, *, model: Model) -> Schema:
    """The schema with a label column, named as in a Record unless a feature has that name."""
    if schema.role("label") is not None:
        return schema
    name = "label"
    while name in schema.by_name:
        name += "_"
    kind = Column(name=name, role="label", type="numeric" if model.task == "regression" else "categorical")
    return replace(schema, columns=(*schema.columns, kind))


def _as_column(values: pa.Array, column: Column) -> Coerced:
    """The labels in the type of the column, and as JSON texts those that do not fit it."""
    texts = pa.types.is_dictionary(values.type)
    if texts and column.type == "numeric":
        numbers, sent = numbers_of(values), values.dictionary_decode()
        good = pc.or_kleene(pc.is_finite(numbers), pc.is_null(sent)).fill_null(True)
        quoted = pa.array([json.dumps(text) for text in sent.to_pylist()], pa.string())
        nothing = pa.scalar(None, pa.string())
        return Coerced(pc.if_else(good, numbers, pa.scalar(None, pa.float64())), pc.if_else(good, nothing, quoted))
    return coerce(values.dictionary_decode() if texts else values, column)


def _with_invalid(page: pa.Table, *, rows: Positions, raw: pa.Array | None, name: str) -> pa.Table:
    """The page whose ``invalid`` objects say of the rows' label what is true of the joined one."""
    position = page.num_columns - INVALID_FROM_END
    before = page.column(position).take(pa.array(rows)).to_pylist()
    unfit = [None] * len(rows) if raw is None else raw.to_pylist()
    if not any(before) and not any(unfit):
        return page
    texts = page.column(position).to_pylist()
    for row, text, value in zip(rows.tolist(), before, unfit, strict=True):
        known = json.loads(text) if text else {}
        known.pop(name, None)
        if value is not None:
            known[name] = json.loads(value, parse_constant=str)
        texts[row] = json.dumps(known) if known else None
    return page.set_column(position, page.schema.field(position), pa.array(texts, pa.string()))
