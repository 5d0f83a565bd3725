"""From outcomes and labels to performance: rows, verdicts, and when they come. On both databases."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss, roc_auc_score

from monitor.alert.codec import decode_calibration, encode_calibration
from monitor.columns.roles import Roles
from monitor.evaluate.recompute import request_recompute
from monitor.evaluate.reference import set_reference
from monitor.model.checks import PERFORMANCE_KINDS
from monitor.model.time import DAY_US, HOUR_US
from monitor.store import batches, outcomes, tables, verdicts
from monitor.store.calibrations import get_calibration, save_calibration
from monitor.store.models import get_version_by_id
from monitor.store.results import unpack_rows
from tests.evaluate.scored_traffic import BINARY, binary_world, by_id, labelled, scored, send_labels
from tests.evaluate.traffic import START_US, make_world


def rows_by(world, hour, *, kind):
    found = world.result(hour)
    return {row.metric: row for row in unpack_rows(found.payload) if row.kind == kind}


def state_of(world, check="performance"):
    with world.store.read() as conn:
        return verdicts.get_states(conn, version_id=world.version.id).get((check, ""))


def test_without_labels_performance_is_estimated_and_no_check_waits_for_what_never_came(store):
    world = binary_world(store)
    batch, _ = scored(0)
    world.post(batch)
    world.tick_after(0)
    estimated = rows_by(world, 0, kind="estimate")
    assert 0.5 < estimated["roc_auc"].value < 1.0
    assert estimated["roc_auc"].method["assumption"] == "no concept drift"
    assert set(rows_by(world, 0, kind="performance")) == {"label_coverage"}
    assert rows_by(world, 0, kind="performance")["label_coverage"].value == 0.0
    assert state_of(world) is None


def test_realised_performance_is_scikit_learns_on_the_joined_rows(store):
    world = binary_world(store)
    batch, truth = scored(0, rows=900)
    world.post(batch)
    some = dict(list(by_id(batch, truth).items())[:700])
    send_labels(world, some)
    world.tick_after(0)
    found = rows_by(world, 0, kind="performance")
    hit = np.array(truth[:700]) == "yes"
    score = batch.column("score").to_numpy()[:700]
    told = np.array(batch.column("prediction").to_pylist()[:700])
    assert found["accuracy"].value == pytest.approx(accuracy_score(np.array(truth[:700]), told), abs=1e-12)
    assert found["log_loss"].value == pytest.approx(log_loss(hit, score), abs=1e-9)
    assert found["brier"].value == pytest.approx(brier_score_loss(hit, score), abs=1e-9)
    bound = found["roc_auc"].method.get("bound", 0.0)
    assert found["roc_auc"].value == pytest.approx(roc_auc_score(hit, score), abs=bound + 1e-12)
    assert found["roc_auc"].lower < found["roc_auc"].value < found["roc_auc"].upper
    assert (found["label_coverage"].value, found["roc_auc"].rows) == (700 / 900, 700)
    assert state_of(world).status == "ok"


def test_a_label_inside_the_record_counts_and_one_sent_later_takes_its_place(store):
    world = binary_world(store)
    batch, truth = scored(0)
    world.post(labelled(batch, truth))
    world.tick_after(0)
    before = rows_by(world, 0, kind="performance")["accuracy"]
    told = batch.column("prediction").to_pylist()
    wrong = {id: "no" if p == "yes" else "yes" for id, p in zip(batch.column("id").to_pylist(), told, strict=True)}
    send_labels(world, wrong)
    world.runner.tick()
    after = rows_by(world, 0, kind="performance")["accuracy"]
    assert before.value == pytest.approx(accuracy_score(truth, told), abs=1e-12)
    assert (after.value, after.rows) == (0.0, 400)
    assert world.result(0).revision == 2


def test_a_withdrawn_label_leaves_its_record_without_one(store):
    world = binary_world(store)
    batch, truth = scored(0)
    world.post(labelled(batch, truth))
    ids = batch.column("id").to_pylist()
    send_labels(world, dict.fromkeys(ids[:100]))
    world.tick_after(0)
    assert rows_by(world, 0, kind="performance")["accuracy"].rows == 300


def test_a_fall_of_the_labels_is_an_alert_and_the_gap_to_the_estimate_shows_concept_drift(store):
    checks = [
        {"name": "auc", "kind": "performance", "metric": "roc_auc"},
        {"name": "concept", "kind": "concept_drift", "metric": "roc_auc"},
        {"name": "expected", "kind": "estimate", "metric": "roc_auc"},
    ]
    world = binary_world(store, settings={"checks": checks})
    for hour, noise in ((0, 0.0), (1, 1.0)):
        batch, truth = scored(hour, rows=2_000, noise=noise)
        world.post(batch)
        send_labels(world, by_id(batch, truth))
        world.tick_after(hour)
        seen = (state_of(world, "auc").status, state_of(world, "concept").status, state_of(world, "expected").status)
        assert seen == (("ok", "ok", "ok") if noise == 0.0 else ("alert", "alert", "ok"))
    gap = rows_by(world, 1, kind="concept_drift")["roc_auc"]
    assert gap.value < -0.1
    assert state_of(world, "auc").severity == "critical"


def test_labels_that_are_not_due_decide_nothing_until_their_time_has_come(store):
    world = binary_world(store, settings={"labels": {"delay": "3d"}})
    batch, truth = scored(0, rows=1_000, noise=1.0)
    world.post(batch)
    send_labels(world, by_id(batch, truth))
    world.tick_after(0)
    early = rows_by(world, 0, kind="performance")["roc_auc"]
    assert (early.status, early.reason, state_of(world)) == ("unknown", "labels_due", None)
    world.clock.now_us = world.close_of(0) + 3 * DAY_US
    world.runner.tick()
    assert rows_by(world, 0, kind="performance")["roc_auc"].status == "alert"
    assert state_of(world).status == "alert"


def test_few_labels_and_little_coverage_decide_nothing(store):
    world = binary_world(store, settings={"labels": {"min_coverage": 0.8}})
    batch, truth = scored(0, rows=400)
    world.post(batch)
    send_labels(world, dict(list(by_id(batch, truth).items())[:40]))
    world.tick_after(0)
    few = rows_by(world, 0, kind="performance")["roc_auc"]
    assert (few.status, few.reason, few.needs) == ("unknown", "few_labels", 50)
    send_labels(world, dict(list(by_id(batch, truth).items())[:200]))
    world.runner.tick()
    little = rows_by(world, 0, kind="performance")["roc_auc"]
    assert (little.reason, little.needs) == ("few_labels", 320)
    assert state_of(world).unknown_reason == "few_labels"


def test_no_event_becomes_the_assumed_label_after_its_time_and_a_real_one_revises_it(store):
    rules = {"labels": {"delay": "1d", "default": {"value": "no", "after": "2d"}}}
    world = binary_world(store, settings=rules)
    batch, truth = scored(0)
    world.post(batch)
    positives = {id: label for id, label in by_id(batch, truth).items() if label == "yes"}
    send_labels(world, positives)
    world.tick_after(0)
    assert rows_by(world, 0, kind="performance")["label_coverage"].value == len(positives) / 400
    world.clock.now_us = START_US + HOUR_US + 2 * DAY_US
    world.runner.tick()
    coverage = rows_by(world, 0, kind="performance")["label_coverage"]
    assert (coverage.value, coverage.method["assumed"]) == (1.0, 400 - len(positives))
    told = batch.column("prediction").to_pylist()
    assert rows_by(world, 0, kind="performance")["accuracy"].value == pytest.approx(accuracy_score(truth, told))
    first = next(id for id, label in by_id(batch, truth).items() if label == "no")
    send_labels(world, {first: "yes"})
    world.runner.tick()
    assert rows_by(world, 0, kind="performance")["label_coverage"].method["assumed"] == 399 - len(positives)


def test_a_label_that_comes_when_the_features_are_gone_still_counts(store):
    world = binary_world(store)
    batch, truth = scored(0)
    world.post(batch)
    world.tick_after(0)
    with store.write() as conn:
        conn.execute(tables.log_batch.delete().where(tables.log_batch.c.version_id == world.version.id))
        assert batches.count_rows(conn, version_id=world.version.id) == (0, 0)
    world.clock.now_us = START_US + 90 * DAY_US
    send_labels(world, by_id(batch, truth))
    world.runner.tick()
    found = rows_by(world, 0, kind="performance")["accuracy"]
    assert found.value == pytest.approx(accuracy_score(truth, batch.column("prediction").to_pylist()), abs=1e-12)
    assert state_of(world) is None  # so old a window moves no verdict


def test_records_logged_before_the_reference_have_their_performance_once_it_is_there(store):
    world = binary_world(store)
    batch, truth = scored(0)
    other = binary_world_without_reference(store)
    other.post(batch)
    send_labels(other, by_id(batch, truth))
    other.tick_after(0)
    assert other.result(0) is not None
    give_reference(other)
    other.runner.tick()
    world.post(batch)
    send_labels(world, by_id(batch, truth))
    world.tick_after(0)
    left, right = rows_by(other, 0, kind="performance"), rows_by(world, 0, kind="performance")
    assert {m: r.value for m, r in left.items()} == pytest.approx({m: r.value for m, r in right.items()}, nan_ok=True)


def binary_world_without_reference(store):
    return make_world(store, model=BINARY, name="later")


def give_reference(world):
    tables_ = [labelled(*scored(hour, rows=200, seed=900 + hour, name="ref")) for hour in range(-40, 0)]
    set_reference(
        world.store, version_id=world.version.id, source=lambda: iter(tables_), roles=Roles(positive="yes"),
        now_us=world.clock(),
    )  # fmt: skip


def test_the_many_parts_of_a_window_that_was_folded_often_become_one_and_say_the_same(store):
    world = binary_world(store)
    batch, truth = scored(0)
    for start in range(0, 400, 40):
        world.post(batch.slice(start, 40))
        world.runner.folder.fold_slice(version_id=world.version.id, now_us=world.clock())
    assert len(parts_of(world)) == 10
    send_labels(world, by_id(batch, truth))
    world.tick_after(0)
    assert [part.rows for part in parts_of(world)] == [400]
    told = batch.column("prediction").to_pylist()
    assert rows_by(world, 0, kind="performance")["accuracy"].value == pytest.approx(accuracy_score(truth, told))


def test_a_model_that_logs_no_scores_is_judged_by_its_predictions(store):
    world = make_world(store, model=BINARY | {"settings": {"false_alarms": "1 per day"}})
    plain = [labelled(b.drop_columns(["score"]), t) for b, t in (scored(h, rows=200) for h in range(-40, 0))]
    made = set_reference(
        store, version_id=world.version.id, source=lambda: iter(plain), roles=Roles(positive="yes"),
        now_us=world.clock(),
    )  # fmt: skip
    world.schema, world.schema_id = made.schema, made.reference.schema_id
    batch, truth = scored(0)
    world.post(batch.drop_columns(["score"]))
    send_labels(world, by_id(batch, truth))
    world.tick_after(0)
    found = rows_by(world, 0, kind="performance")
    told = batch.column("prediction").to_pylist()
    assert found["accuracy"].value == pytest.approx(accuracy_score(truth, told), abs=1e-12)
    assert (found["accuracy"].check, found["accuracy"].status) == ("performance", "ok")
    assert (found["roc_auc"].status, found["roc_auc"].reason) == ("unknown", "no_scores")
    assert {row.reason for row in rows_by(world, 0, kind="estimate").values()} == {"no_scores"}


def test_scores_without_predictions_are_read_by_the_threshold_and_those_outside_0_to_1_are_invalid(store):
    world = binary_world(store)
    batch, truth = scored(0)
    score = batch.column("score").to_numpy().copy()
    score[:20] = 7.0
    plain = batch.drop_columns(["prediction", "score"]).append_column("score", pa.array(score))
    world.post(plain)
    send_labels(world, by_id(batch, truth))
    world.tick_after(0)
    found = rows_by(world, 0, kind="performance")
    told = np.where(score[20:] >= 0.5, "yes", "no")
    assert found["accuracy"].value == pytest.approx(accuracy_score(truth[20:], told), abs=1e-12)
    assert (found["accuracy"].rows, found["roc_auc"].rows) == (380, 380)


def test_labels_of_one_class_leave_ranking_unknown_and_the_rest_computed(store):
    world = binary_world(store)
    batch, _ = scored(0)
    world.post(batch)
    send_labels(world, dict.fromkeys(batch.column("id").to_pylist(), "no"))
    world.tick_after(0)
    found = rows_by(world, 0, kind="performance")
    assert (found["roc_auc"].status, found["roc_auc"].reason) == ("unknown", "one_class")
    told = np.array(batch.column("prediction").to_pylist())
    assert found["accuracy"].value == pytest.approx((told == "no").mean())
    assert state_of(world).unknown_reason == "one_class"


def parts_of(world):
    with world.store.read() as conn:
        return outcomes.outcome_heads(conn, version_id=world.version.id, window_start_us=START_US)


def test_labels_leave_what_was_said_of_a_windows_data_as_it_was_whatever_was_learned_since(store):
    world = binary_world(store)
    batch, truth = scored(0, rows=1_000)
    world.post(batch)
    world.tick_after(0)
    said = data_rows(world, 0)
    _calibrate_otherwise(world, windows=5_000)
    send_labels(world, by_id(batch, truth))
    world.runner.tick()
    assert (world.result(0).revision, rows_by(world, 0, kind="performance")["roc_auc"].rows) == (2, 1_000)
    assert data_rows(world, 0) == said
    with store.write() as conn:
        request_recompute(conn, version_id=world.version.id, from_us=None, to_us=None, now_us=world.clock())
    world.runner.tick()
    whole = [row for row in data_rows(world, 0) if (row.metric, row.column) == ("surprise", "")]
    assert [row.method["windows"] for row in whole] == [5_000]


def test_a_late_row_has_the_data_judged_again_beside_the_labels(store):
    world = binary_world(store)
    batch, truth = scored(0, rows=1_000)
    world.post(batch.slice(0, 900))
    world.tick_after(0)
    world.post(batch.slice(900))
    send_labels(world, by_id(batch, truth))
    world.clock.now_us += HOUR_US
    world.runner.tick()
    assert {row.rows for row in data_rows(world, 0) if row.metric == "psi"} == {1_000}


def data_rows(world, hour):
    return [row for row in unpack_rows(world.result(hour).payload) if row.kind not in PERFORMANCE_KINDS]


def _calibrate_otherwise(world, *, windows):
    """As if what is usual had been learned again since, with another outcome."""
    with world.store.write() as conn:
        reference = get_version_by_id(conn, id=world.version.id)[1].reference_id
        kept = get_calibration(conn, version_id=world.version.id, reference_id=reference)
        other = replace(decode_calibration(kept.payload), windows=windows)
        save_calibration(
            conn, version_id=world.version.id, reference_id=reference, made_us=kept.made_us + 1,
            payload=encode_calibration(other),
        )  # fmt: skip
