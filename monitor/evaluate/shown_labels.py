"""Stored records read back with the labels that were joined to them."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa

from monitor.columns.keyed_ids import hash_ids, hash_key
from monitor.evaluate.label_codec import Labels, Positions, join_labels
from monitor.evaluate.label_column import WindowLabels, as_column, replaced, showable, with_label
from monitor.model.schema import Schema
from monitor.store.engine import Store
from monitor.store.outcomes import labelled_versions
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
        self._labels = WindowLabels(store, version_id=found.id)
        self.schema = with_label(schema, model=self._model) if labelled else schema
        self._column = showable(self.schema) if labelled else None

    def into(self, page: pa.Table) -> pa.Table:
        """The page with each record's label in force: a posted one before its own, none where it was withdrawn."""
        if self._column is None or not page.num_rows:
            return page
        rows, values = self._joined(page)
        if not len(rows):
            return page
        coerced = as_column(values, self._column)
        position = page.schema.get_field_index(self._column.name)
        own = page.column(position).combine_chunks()
        labels = replaced(own, rows=rows, values=coerced.values)
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
            hits, taken = self._labels.of(keys[begin:end], start_us=start_us)
            if len(hits):
                found.append(taken._replace(keys=(begin + hits).astype(np.uint64)))  # the rows in place of the hashes
            begin = end
        whole = join_labels(found)
        return whole.keys.astype(np.int64), whole.values


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
