from __future__ import annotations

import uuid
from dataclasses import replace

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.evaluate.join import Joiner, JoinLimits
from monitor.model.entities import Version
from monitor.model.time import HOUR_US
from monitor.store import models, tables
from monitor.store.outcomes import window_label_heads
from monitor.store.segments import segments
from monitor.store.windows import upsert_window
from tests.evaluate.joining import fold, found, join, label, predict
from tests.evaluate.labelling import unmatched
from tests.evaluate.traffic import START_US, make_world, rows_of


@pytest.fixture
def world(store):
    return make_world(store)


def test_a_label_finds_the_window_of_its_record(world):
    predict(world, "a", "b")
    label(world, {"a": "yes"})
    assert [(p.labels, p.windows, p.more) for p in join(world)] == [(1, 1, False)]
    assert found(world, "a", "b") == {"a": "yes"}
    assert [(w.dirty, w.label_rows) for w in world.windows()] == [(True, 1)]
    assert unmatched(world.store, model_id=world.model.id) == 0
    assert join(world) == []


def test_a_label_that_came_before_its_prediction_is_joined_when_that_comes(world):
    label(world, {"a": "yes", "nobody": "no"})
    join(world)
    assert unmatched(world.store, model_id=world.model.id) == 2
    predict(world, "a", "b")
    assert [(p.labels, p.windows) for p in join(world)] == [(0, 1)]
    assert found(world, "a", "b") == {"a": "yes"}
    assert unmatched(world.store, model_id=world.model.id) == 1


def test_of_a_label_given_twice_the_last_counts(world):
    predict(world, "a", "b")
    label(world, [("a", "no"), ("a", "yes")])
    join(world)
    assert found(world, "a", "b") == {"a": "yes"}
    label(world, {"a": "no", "b": "no"})
    label(world, {"b": "yes"})
    join(world)
    assert found(world, "a", "b") == {"a": "no", "b": "yes"}
    assert world.windows()[0].label_rows == 3


def test_a_label_that_is_withdrawn_stays_withdrawn_and_waits_for_no_record(world):
    predict(world, "a")
    label(world, {"a": "yes"})
    join(world)
    label(world, {"a": None, "nobody": None})
    join(world)
    assert found(world, "a") == {"a": None}
    assert unmatched(world.store, model_id=world.model.id) == 0


def test_a_label_joins_the_record_of_its_id_in_every_version_and_every_window(world):
    with world.store.write() as conn:
        second = models.insert_version(conn, Version(model_id=world.model.id, name="2", created_us=START_US))
    predict(world, "a", "b")
    predict(world, "a", hour=3)
    label(world, {"a": "yes"})
    join(world)
    first = world.version
    world.version = second
    predict(world, "c", "a", hour=3)
    world.version = first
    join(world)
    assert found(world, "a", "b") == {"a": "yes"}
    assert found(world, "a", hour=3) == {"a": "yes"}
    assert found(world, "a", "c", hour=3, version=second) == {"a": "yes"}


def test_labels_of_another_model_with_the_same_ids_are_its_own(store):
    ours, theirs = make_world(store, name="ours"), make_world(store, name="theirs")
    for one, value in ((ours, "yes"), (theirs, "no")):
        predict(one, "a")
        label(one, {"a": value})
        join(one)
    assert (found(ours, "a"), found(theirs, "a")) == ({"a": "yes"}, {"a": "no"})


def test_numbers_beside_texts_are_kept_as_sent_and_read_as_the_task_takes_them(world):
    predict(world, "a", "b", "c", "d")
    label(world, {"a": 3.0, "b": 0.1})
    join(world)
    assert found(world, *"abcd") == {"a": 3.0, "b": 0.1}
    label(world, {"c": "7.5", "d": "yes"})
    join(world)
    assert found(world, *"abcd", numeric=False) == {"a": "3", "b": "0.1", "c": "7.5", "d": "yes"}
    numbers = found(world, *"abcd", numeric=True)
    assert np.isnan(numbers.pop("d"))
    assert numbers == {"a": 3.0, "b": 0.1, "c": 7.5}


def test_labels_taken_in_many_passes_are_those_taken_in_one(world):
    predict(world, *(f"r{n}" for n in range(20)))
    for n in range(20):
        label(world, {f"r{n}": str(n), f"r{(n + 1) % 20}": "early"})
    passes = join(world, limits=JoinLimits(rows=6, segment_rows=8))
    assert [p.labels for p in passes] == [6] * 6 + [4]
    assert [p.more for p in passes] == [True] * 6 + [False]
    expected = {f"r{n}": str(n) for n in range(20)} | {"r0": "early"}
    assert found(world, *(f"r{n}" for n in range(20))) == expected


def test_no_batch_is_too_large_to_be_taken(world):
    predict(world, "a", "b", "c")
    label(world, {"a": "1", "b": "2", "c": "3"})
    label(world, {"a": "4"})
    assert [p.labels for p in join(world, limits=JoinLimits(rows=1, found=1))] == [3, 1]
    assert found(world, *"abc") == {"a": "4", "b": "2", "c": "3"}


def test_ids_that_stand_in_many_windows_are_labelled_a_few_at_a_time(world):
    for hour in range(6):
        predict(world, "a", "b", hour=hour)
    for id in "ab":
        label(world, {id: "yes"})
    passes = join(world, limits=JoinLimits(rows=2, found=6))
    assert [(p.labels, p.windows) for p in passes] == [(1, 6), (1, 6)]
    assert all(found(world, *"ab", hour=hour) == {"a": "yes", "b": "yes"} for hour in range(6))


def test_a_backlog_of_folds_is_caught_up_with_before_new_labels_are_taken(world):
    label(world, {f"r{n}": str(n) for n in range(9)})
    join(world)
    for n in range(9):
        predict(world, f"r{n}", hour=n)
    label(world, {"r0": "new"})
    passes = join(world, limits=JoinLimits(catch_up_keys=3, block_keys=2))
    assert [(p.labels, p.windows, p.runs_read, p.more) for p in passes] == [
        (0, 3, 3, True), (0, 3, 3, True), (1, 4, 9, False),
    ]  # fmt: skip
    assert found(world, "r0") == {"r0": "new"}
    assert all(found(world, f"r{n}", hour=n) == {f"r{n}": str(n)} for n in range(1, 9))


def test_a_run_that_absorbed_joined_ones_marks_no_window_for_what_it_has(world):
    label(world, {"a": "yes", "b": "no"})
    predict(world, "a")
    join(world)
    world.runner.tick(world.close_of(0))
    assert [w.dirty for w in world.windows()] == [False]
    predict(world, "b", "c")  # in one run with a's
    join(world)
    assert found(world, *"abc") == {"a": "yes", "b": "no"}
    assert world.windows()[0].label_rows == 2


def test_a_window_that_is_gone_takes_no_label(world):
    predict(world, "a")
    label(world, {"a": "yes"})
    with world.store.write() as conn:
        conn.execute(sa.delete(tables.window))
    assert [(p.labels, p.windows) for p in join(world)] == [(1, 0)]
    assert found(world, "a") == {}


def test_sealed_windows_and_gaps_get_their_labels_and_are_to_be_computed_again(world):
    for hour in range(2):
        predict(world, "a", hour=hour)
    with world.store.write() as conn:
        for window, state in zip(world.windows(), ("sealed", "gap"), strict=True):
            upsert_window(conn, replace(window, state=state, dirty=False))
    label(world, {"a": "yes"})
    join(world)
    assert [(w.state, w.dirty, w.label_rows) for w in world.windows()] == [("sealed", True, 1), ("gap", True, 1)]


def test_a_trickle_leaves_few_segments_and_few_parts(world):
    ids = [f"r{n}" for n in range(60)]
    predict(world, *ids)
    for n, id in enumerate(ids):
        label(world, {id: "yes", f"nobody-{n}": "no"})
        join(world)
    with world.store.read() as conn:
        kept = segments(conn, model_id=world.model.id)
        parts = window_label_heads(conn, version_id=world.version.id, window_start_us=START_US)
    assert sum(segment.rows for segment in kept) == 120
    assert max(len(kept), len(parts)) <= 6
    assert found(world, *ids) == dict.fromkeys(ids, "yes")
    assert unmatched(world.store, model_id=world.model.id) == 60


def test_a_segment_holds_no_more_labels_than_stated_and_a_full_one_is_left_alone(world):
    for n in range(6):
        label(world, {f"r{n}-{m}": "yes" for m in range(7)})
        join(world, limits=JoinLimits(segment_rows=10))
    with world.store.read() as conn:
        kept = segments(conn, model_id=world.model.id)
    assert max(segment.rows for segment in kept) <= 10
    assert sum(segment.rows for segment in kept) == 42


def test_each_run_is_read_once_a_pass_however_many_batches_wait(world):
    for hour in range(12):
        predict(world, f"r{hour}", hour=hour)
    for n in range(50):
        label(world, {f"nobody-{n}": "yes"})
    assert [(p.labels, p.runs_read) for p in join(world)] == [(50, 12)]
    predict(world, "nobody-3", hour=13)
    assert [(p.labels, p.windows, p.runs_read) for p in join(world)] == [(0, 1, 1)]


IDS = [f"r{n}" for n in range(6)]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("predict"), st.lists(st.sampled_from(IDS), min_size=1, max_size=4), st.integers(0, 2)),
        st.tuples(
            st.just("label"),
            st.lists(st.tuples(st.sampled_from(IDS), st.sampled_from(["yes", "no", None])), min_size=1, max_size=4),
        ),
        st.just(("fold",)),
        st.just(("join",)),
        st.just(("split",)),
    ),
    max_size=14,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_any_interleaving_of_predictions_labels_folds_and_joins_gives_the_same_labels(store, steps):
    """Against a dictionary: the last label of each id, in every window that holds the id."""
    world = make_world(store, name=f"m{uuid.uuid4().hex}")
    last, windows = {}, {0: set(), 1: set(), 2: set()}
    for step in steps:
        if step[0] == "predict":
            _, ids, hour = step
            world.post(rows_of(ids, [START_US + hour * HOUR_US + n for n in range(len(ids))]))
            windows[hour] |= set(ids)
        elif step[0] == "label":
            label(world, step[1])
            last |= dict(step[1])
        elif step[0] == "fold":
            fold(world)
        elif step[0] == "join":
            Joiner(store).join(model_id=world.model.id)  # one pass by a joiner that knows nothing of those before
        else:
            Joiner(store, limits=JoinLimits(rows=2, catch_up_keys=1, block_keys=1, segment_rows=3)).join(
                model_id=world.model.id
            )
    fold(world)
    join(world)
    for hour, ids in windows.items():
        assert found(world, *ids, hour=hour) == {id: last[id] for id in ids & last.keys()}
    waits = {id for id, value in last.items() if value is not None and not any(id in ids for ids in windows.values())}
    assert unmatched(store, model_id=world.model.id) >= len(waits)
