"""Regression and many classes through folding, joining and judging, held to scikit-learn. On both databases."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import accuracy_score, f1_score, mean_absolute_error, r2_score, root_mean_squared_error

from monitor.columns.roles import Roles
from monitor.evaluate.reference import set_reference
from monitor.model.time import HOUR_US
from monitor.store.results import unpack_rows
from tests.evaluate.scored_traffic import send_labels
from tests.evaluate.traffic import PATIENT, START_US, make_world


def hours(hour: int, *, rows: int, seed: int) -> dict[str, pa.Array]:
    rng = np.random.default_rng(seed)
    instants = np.sort(rng.integers(START_US + hour * HOUR_US, START_US + (hour + 1) * HOUR_US, rows))
    return {
        "id": pa.array([f"{hour}-{i}" for i in range(rows)]),
        "timestamp": pa.array(instants).cast(pa.timestamp("us", tz="UTC")),
    }


def priced(hour: int, *, rows: int = 300, wrong: float = 1.0) -> tuple[pa.RecordBatch, np.ndarray]:
    """Prices whose error grows with the size of the house, and the true ones."""
    rng = np.random.default_rng(4_000 + hour)
    size = rng.uniform(20.0, 200.0, rows)
    told = 3.0 * size + 10.0
    true = told + rng.normal(0.0, 1.0, rows) * size / 10.0 * wrong
    more = {"size": pa.array(size), "prediction": pa.array(told)}
    return pa.record_batch(hours(hour, rows=rows, seed=hour + 90) | more), true


def graded(hour: int, *, rows: int = 300) -> tuple[pa.RecordBatch, list[str]]:
    """Three classes with calibrated scores, and the true one."""
    rng = np.random.default_rng(5_000 + hour)
    scores = rng.dirichlet([1.0, 1.0, 1.0], rows)
    names = np.array(["a", "b", "c"])
    true = names[(rng.random(rows)[:, None] > scores.cumsum(axis=1)).sum(axis=1).clip(0, 2)]
    columns = {f"p_{name}": pa.array(scores[:, k]) for k, name in enumerate("abc")}
    more = {"x": pa.array(rng.normal(size=rows)), **columns, "prediction": pa.array(names[scores.argmax(axis=1)])}
    return pa.record_batch(hours(hour, rows=rows, seed=hour + 70) | more), true.tolist()


def world_of(store, *, task, made, roles):
    world = make_world(store, settings=PATIENT, model={"task": task, "settings": {"false_alarms": "1 per day"}})
    tables = [batch.append_column("label", pa.array(true)) for batch, true in (made(h) for h in range(-40, 0))]
    found = set_reference(
        store, version_id=world.version.id, source=lambda: iter(tables), roles=roles, now_us=world.clock()
    )
    world.schema, world.schema_id = found.schema, found.reference.schema_id
    return world


def rows_by(world, hour, *, kind):
    return {row.metric: row for row in unpack_rows(world.result(hour).payload) if row.kind == kind}


def test_a_regressions_errors_are_realised_and_estimated_from_what_was_folded(store):
    world = world_of(store, task="regression", made=priced, roles=Roles())
    batch, true = priced(0)
    world.post(batch)
    send_labels(world, dict(zip(batch.column("id").to_pylist(), true, strict=True)))
    world.tick_after(0)
    found, told = rows_by(world, 0, kind="performance"), batch.column("prediction").to_numpy()
    assert found["mae"].value == pytest.approx(mean_absolute_error(true, told), abs=1e-9)
    assert found["rmse"].value == pytest.approx(root_mean_squared_error(true, told), abs=1e-9)
    assert found["r2"].value == pytest.approx(r2_score(true, told), abs=1e-9)
    assert (found["mae"].check, found["mae"].status) == ("performance", "ok")
    estimated = rows_by(world, 0, kind="estimate")["mae"]
    assert estimated.lower < found["mae"].value < estimated.upper
    assert estimated.method["calibration"].startswith("absolute: model")


def test_an_estimate_follows_what_the_features_say_of_the_error(store):
    world = world_of(store, task="regression", made=priced, roles=Roles())
    batch, _ = priced(0)
    large = batch.filter(pa.array(batch.column("size").to_numpy() > 150.0))
    world.post(large)
    world.tick_after(0)
    estimated = rows_by(world, 0, kind="estimate")["mae"]
    assert estimated.value > 1.3 * estimated.method["reference"]


def test_larger_errors_are_an_alert(store):
    world = world_of(store, task="regression", made=priced, roles=Roles())
    batch, true = priced(0, wrong=3.0)
    world.post(batch)
    send_labels(world, dict(zip(batch.column("id").to_pylist(), true, strict=True)))
    world.tick_after(0)
    assert rows_by(world, 0, kind="performance")["mae"].status == "alert"


def test_many_classes_are_averaged_and_shown_one_by_one(store):
    roles = Roles(score={name: f"p_{name}" for name in "abc"})
    world = world_of(store, task="multiclass_classification", made=graded, roles=roles)
    batch, true = graded(0)
    world.post(batch)
    send_labels(world, dict(zip(batch.column("id").to_pylist(), true, strict=True)))
    world.tick_after(0)
    found, told = rows_by(world, 0, kind="performance"), batch.column("prediction").to_pylist()
    assert found["accuracy"].value == pytest.approx(accuracy_score(true, told), abs=1e-12)
    assert found["f1"].value == pytest.approx(f1_score(true, told, average="macro"), abs=1e-12)
    assert found["recall/a"].value == pytest.approx(
        np.mean([t == p for t, p in zip(true, told, strict=True) if t == "a"])
    )
    assert (found["roc_auc"].check, found["roc_auc"].status) == ("performance", "ok")
    estimated = rows_by(world, 0, kind="estimate")["accuracy"]
    assert estimated.lower < found["accuracy"].value < estimated.upper


def test_a_class_the_reference_never_had_is_a_miss_and_no_error(store):
    roles = Roles(score={name: f"p_{name}" for name in "abc"})
    world = world_of(store, task="multiclass_classification", made=graded, roles=roles)
    batch, true = graded(0)
    strange = ["z" if i % 10 == 0 else label for i, label in enumerate(true)]
    world.post(batch)
    send_labels(world, dict(zip(batch.column("id").to_pylist(), strange, strict=True)))
    world.tick_after(0)
    told = batch.column("prediction").to_pylist()
    assert rows_by(world, 0, kind="performance")["accuracy"].value == pytest.approx(accuracy_score(strange, told))
