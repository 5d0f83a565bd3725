"""Records with scores, predictions and outcomes, and labels as intake would store them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from monitor.columns.batch import encode_batch
from monitor.columns.keyed_ids import hash_ids, hash_key
from monitor.columns.roles import Roles
from monitor.evaluate.reference import set_reference
from monitor.model.time import HOUR_US
from monitor.store import Store, labels
from monitor.store.labels import LabelBatch
from tests.evaluate.traffic import PATIENT, START_US, World, make_world

BINARY = {"task": "binary_classification"}


def scored(
    hour: int, *, rows: int = 400, seed: int | None = None, name: str = "r", noise: float = 0.0
) -> tuple[pa.RecordBatch, list[str]]:
    """Records of one hour with a calibrated score, and the label of each; with noise scores say less."""
    rng = np.random.default_rng(2_000 + hour if seed is None else seed)
    score = rng.beta(2.0, 3.0, rows)
    truth = rng.random(rows) < (score if noise == 0.0 else (1 - noise) * score + noise * 0.4)
    instants = np.sort(rng.integers(START_US + hour * HOUR_US, START_US + (hour + 1) * HOUR_US, rows))
    batch = pa.record_batch(
        {
            "id": pa.array([f"{name}-{hour}-{i}" for i in range(rows)]),
            "timestamp": pa.array(instants).cast(pa.timestamp("us", tz="UTC")),
            "age": pa.array(rng.normal(40.0, 10.0, rows)),
            "prediction": pa.array(np.where(score >= 0.5, "yes", "no").tolist()),
            "score": pa.array(score),
        }
    )
    return batch, np.where(truth, "yes", "no").tolist()


def labelled(batch: pa.RecordBatch, truth: Sequence[str | None]) -> pa.RecordBatch:
    """The records with their labels inside them."""
    return batch.append_column("label", pa.array(truth, pa.string()))


def label_batch(
    store: Store, *, model_id: int, truth: Mapping[str, str | float | None], received_us: int
) -> LabelBatch:
    """Labels by id as one stored request: texts, or the numbers of a regression."""
    numbers = any(isinstance(label, float) for label in truth.values())
    keys = hash_ids(pa.array(list(truth)), key=hash_key(store.secret))
    rows = pa.record_batch(
        {"key": pa.array(keys), "label": pa.array(list(truth.values()), pa.float64() if numbers else pa.string())}
    )
    return LabelBatch(model_id=model_id, received_us=received_us, rows=len(truth), payload=encode_batch(rows))


def send_labels(world: World, truth: Mapping[str, str | float | None]) -> None:
    """Stores labels as intake does."""
    batch = label_batch(world.store, model_id=world.model.id, truth=truth, received_us=world.clock.now_us)
    with world.store.write() as conn:
        labels.insert_labels(conn, [batch])


def by_id(batch: pa.RecordBatch, truth: Sequence[str | None]) -> dict[str, str | None]:
    """Id → label."""
    return dict(zip(batch.column("id").to_pylist(), truth, strict=True))


def binary_world(
    store: Store, *, settings: dict[str, object] | None = None, hours: int = 40, name: str = "churn"
) -> World:
    """A binary model whose reference has labels, and traffic still to come."""
    shape = BINARY | {"settings": {"false_alarms": "1 per day"} | (settings or {})}
    world = make_world(store, settings=PATIENT, model=shape, name=name)
    tables = [labelled(*scored(hour, rows=200, seed=900 + hour, name="ref")) for hour in range(-hours, 0)]
    made = set_reference(
        world.store, version_id=world.version.id, source=lambda: iter(tables), roles=Roles(positive="yes"),
        now_us=world.clock(),
    )  # fmt: skip
    world.schema, world.schema_id = made.schema, made.reference.schema_id
    return world
