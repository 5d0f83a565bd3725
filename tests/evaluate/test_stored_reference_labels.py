"""A reference made of production's rows has the labels that came for them, however they came. On both databases."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import accuracy_score, mean_absolute_error, roc_auc_score

from monitor.columns.roles import Roles
from monitor.evaluate.context import Contexts
from monitor.evaluate.reference import set_reference
from monitor.evaluate.stored_reference import set_stored_reference
from monitor.model.time import HOUR_US
from tests.evaluate.scored_traffic import binary_world, by_id, labelled, scored, send_labels
from tests.evaluate.traffic import PATIENT, START_US, make_world

TWO_HOURS = {"from_us": START_US, "to_us": START_US + 2 * HOUR_US}


def reference_of(world):
    """The active reference's performance by metric, and how many of its rows have a label."""
    with world.store.read() as conn:
        side = Contexts().load(conn, version_id=world.version.id).performance
    return side.measured, side.card.labelled


def test_posted_labels_make_the_performance_of_a_reference_of_stored_rows(store):
    world = binary_world(store)
    sent = [scored(hour, rows=600) for hour in range(2)]
    for batch, truth in sent:
        world.post(batch)
        send_labels(world, by_id(batch, truth))
    world.tick_after(1)
    set_stored_reference(store, version_id=world.version.id, now_us=world.close_of(1), **TWO_HOURS)
    found, rows = reference_of(world)
    assert rows == 1_200
    truth = [label for _, labels in sent for label in labels]
    told = [value for batch, _ in sent for value in batch.column("prediction").to_pylist()]
    score = np.concatenate([batch.column("score").to_numpy() for batch, _ in sent])
    assert found["accuracy"].value == pytest.approx(accuracy_score(truth, told), abs=1e-12)
    bound = found["roc_auc"].method.get("bound", 0.0)
    assert found["roc_auc"].value == pytest.approx(roc_auc_score(np.array(truth) == "yes", score), abs=bound + 1e-12)


def test_a_posted_label_stands_before_the_records_own_and_a_withdrawn_one_leaves_none(store):
    world = binary_world(store)
    batch, truth = scored(0, rows=1_000)
    told = batch.column("prediction").to_pylist()
    other = ["no" if value == "yes" else "yes" for value in told]
    world.post(labelled(batch, truth))
    ids = batch.column("id").to_pylist()
    send_labels(world, dict(zip(ids[:300], other[:300], strict=True)) | dict.fromkeys(ids[300:400]))
    world.tick_after(0)
    set_stored_reference(store, version_id=world.version.id, now_us=world.close_of(0), **TWO_HOURS)
    found, rows = reference_of(world)
    expected = accuracy_score(other[:300] + truth[400:], told[:300] + told[400:])
    assert (found["accuracy"].value, rows) == (pytest.approx(expected, abs=1e-12), 900)


def test_labels_that_came_since_make_another_reference_of_the_same_rows(store):
    world = binary_world(store)
    batch, truth = scored(0, rows=1_000)
    world.post(batch)
    world.tick_after(0)
    before = set_stored_reference(store, version_id=world.version.id, now_us=world.close_of(0), **TWO_HOURS)
    send_labels(world, by_id(batch, truth))
    world.runner.tick()
    after = set_stored_reference(store, version_id=world.version.id, now_us=world.close_of(1), **TWO_HOURS)
    again = set_stored_reference(store, version_id=world.version.id, now_us=world.close_of(1), **TWO_HOURS)
    assert (after.reference.number, again.reference.number) == (before.reference.number + 1, after.reference.number)


def test_the_labels_of_a_regression_are_numbers_in_the_reference_of_its_stored_rows(store):
    world = make_world(store, settings=PATIENT, model={"task": "regression"})
    rng = np.random.default_rng(5)
    value, error = rng.normal(10.0, 2.0, 500), rng.normal(0.0, 1.0, 500)
    instants = pa.array(START_US + np.arange(500) * 1_000_000).cast(pa.timestamp("us", tz="UTC"))
    ids = [f"r{i}" for i in range(500)]
    batch = pa.record_batch({"id": ids, "timestamp": instants, "age": value * 3, "prediction": value})
    made = set_reference(store, version_id=world.version.id, source=lambda: iter([batch.drop_columns(["id"])]),
                         roles=Roles(), now_us=world.clock())  # fmt: skip
    world.schema, world.schema_id = made.schema, made.reference.schema_id
    world.post(batch)
    send_labels(world, dict(zip(ids, (value + error).tolist(), strict=True)))
    world.tick_after(0)
    set_stored_reference(store, version_id=world.version.id, now_us=world.close_of(0), **TWO_HOURS)
    assert reference_of(world)[0]["mae"].value == pytest.approx(mean_absolute_error(value + error, value), abs=1e-9)
