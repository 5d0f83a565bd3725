"""Labels of erased ids: those that wait, those that were looked for, and what both quarantines keep."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from monitor.columns.batch import decode_batch, encode_batch
from monitor.columns.identity import id_of
from monitor.columns.keyed_ids import Hashes, hash_ids, hash_key
from monitor.evaluate.label_codec import KEY, decode_labels, encode_labels, take_labels
from monitor.evaluate.label_segments import Kept, decode_found, encode_found
from monitor.model.errors import FenceLost
from monitor.store.engine import Store
from monitor.store.erased_labels import batches_behind, replace_batch, replace_segment
from monitor.store.erasures import Erasing, disturb, erasing
from monitor.store.kept_aside import Shelf
from monitor.store.labels import joins, step_joins
from monitor.store.segments import segment_content, segments

_PAGE = 500
_TRIES = 5


def erase_labels(store: Store, *, model_id: int, hashes: Hashes, guard: Erasing) -> None:
    """Erases the labels of the ids, first those that wait, then those that joins have looked for."""
    after = 0
    while True:
        with erasing(store) as conn:
            batch = batches_behind(conn, model_id=model_id, after=after)
            if batch is None:
                break
            after, rows = batch[0], decode_batch(batch[1])
            named = np.isin(np.asarray(rows.column(KEY).to_numpy(), dtype=np.uint64), hashes)
            if named.any():
                left = rows.filter(pa.array(~named))
                disturb(conn, model_id=model_id)
                replace_batch(conn, id=after, rows=left.num_rows, payload=encode_batch(left))
                guard(conn, "labels", int(named.sum()))
    with store.read() as conn:
        looked_for = [one.id for one in segments(conn, model_id=model_id)]
    for id in looked_for:
        _erase_segment(store, model_id=model_id, id=id, hashes=hashes, guard=guard)
        with store.write() as conn:
            guard(conn, "labels", 0)


def _erase_segment(store: Store, *, model_id: int, id: int, hashes: Hashes, guard: Erasing) -> None:
    for _ in range(_TRIES):
        with store.read() as conn:
            seen, content = joins(conn, model_id=model_id), segment_content(conn, id=id)
        if content is None:
            return
        labels = decode_labels(content[0])
        named = np.isin(labels.keys, hashes)
        if not named.any():
            return
        found = decode_found(content[1], rows=len(labels.keys))[~named]
        kept = Kept(labels=take_labels(labels, ~named), found=found)
        payload = encode_labels(kept.labels)
        try:
            with erasing(store) as conn:
                step_joins(conn, model_id=model_id, seen=seen)
                replace_segment(
                    conn, id=id, rows=len(kept.labels.keys), unmatched=kept.unmatched, payload=payload,
                    found=encode_found(found),
                )  # fmt: skip
                guard(conn, "labels", int(named.sum()))
            return
        except FenceLost:  # joined meanwhile; a claim that is lost is lost then too
            continue
    raise FenceLost(f"segment {id} of labels changed again and again while it was read")


def erase_aside(store: Store, *, shelf: Shelf, owner_id: int, hashes: Hashes, guard: Erasing) -> None:
    """Removes what a quarantine keeps of the ids, put back already or not: rows that have one as a value."""
    key, after = hash_key(store.secret), 0
    while True:
        with store.read() as conn:
            page = shelf.page(conn, owner_id=owner_id, after=after, limit=_PAGE, replayed=None)
        if not page:
            return
        after = page[-1].id
        texts = [(row.id, text) for row in page for text in _texts(row.raw)]
        named = np.isin(hash_ids(pa.array([text for _, text in texts], pa.string()), key=key), hashes)
        gone = sorted({texts[position][0] for position in np.flatnonzero(named).tolist()})
        if gone:
            with erasing(store) as conn:
                guard(conn, "quarantined", shelf.remove(conn, ids=gone))


def _texts(raw: str) -> Iterator[str]:
    """The values of a row as ids would be written: its fields where it is an object, else the row itself."""
    try:
        row: Any = json.loads(raw)
    except ValueError:
        row = raw
    values = list(row.values()) if isinstance(row, dict) else row if isinstance(row, list) else [row]
    for value in values:
        if isinstance(value, str):
            yield value
        elif isinstance(value, int | float):
            text, _ = id_of(value)
            yield from () if text is None else (text,)
