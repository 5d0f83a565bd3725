"""Labels for tests: sent as intake would store them, and what a join made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from monitor.columns.batch import encode_batch
from monitor.columns.keyed_ids import hash_ids, hash_key
from monitor.evaluate.label_codec import merged_labels
from monitor.store import Store
from monitor.store.labels import LabelBatch, insert_labels
from monitor.store.outcomes import window_labels
from monitor.store.segments import unmatched_labels
from tests.evaluate.traffic import START_US


def key_of(store: Store, id: str) -> int:
    """The hash that an id is known by."""
    return int(hash_ids(pa.array([id]), key=hash_key(store.secret))[0])


def post_labels(
    store: Store, labels: Mapping[str, Any] | Sequence[tuple[str, Any]], *, model_id: int, received_us: int = START_US
) -> int:
    """The id of the batch that holds the labels, in their order; numbers are of a model of regression."""
    pairs = list(labels.items()) if isinstance(labels, Mapping) else list(labels)
    values = [value for _, value in pairs]
    kind = pa.float64() if any(isinstance(value, float) for value in values) else pa.string()
    batch = pa.record_batch(
        {
            "key": pa.array(hash_ids(pa.array([id for id, _ in pairs], pa.string()), key=hash_key(store.secret))),
            "label": pa.array(values, kind),
        }
    )
    new = LabelBatch(model_id=model_id, received_us=received_us, rows=batch.num_rows, payload=encode_batch(batch))
    with store.write() as conn:
        return insert_labels(conn, [new])[0]


def labels_in(
    store: Store, ids: Sequence[str], *, version_id: int, start_us: int, numeric: bool | None = None
) -> dict[str, Any]:
    """Those of the ids that have a label in force in the window (null: withdrawn), with their label."""
    with store.read() as conn:
        parts = window_labels(conn, version_id=version_id, window_start_us=start_us)
    keys, _, values = merged_labels(parts, numeric=numeric)
    found = dict(zip(keys.tolist(), values.to_pylist(), strict=True))
    known = {key_of(store, id): id for id in ids}
    assert found.keys() <= known.keys()
    return {known[key]: value for key, value in found.items()}


def unmatched(store: Store, *, model_id: int) -> int:
    """How many labels of the model are in no record so far."""
    with store.read() as conn:
        return unmatched_labels(conn).get(model_id, 0)
