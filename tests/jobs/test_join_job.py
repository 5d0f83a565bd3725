from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest

from monitor.evaluate.fold import Folder
from monitor.evaluate.join import Joiner
from monitor.jobs.runner import JobRunner
from monitor.jobs.settings import JobSettings
from monitor.model.time import HOUR_US, SECOND_US
from monitor.store import models
from monitor.store.labels import waiting_models
from monitor.store.runs import claim, get_run
from monitor.telemetry import Telemetry
from tests.evaluate.labelling import labels_in, post_labels, unmatched
from tests.evaluate.traffic import PATIENT, START_US, hour_of_rows, make_world, rows_of, set_usual_reference
from tests.jobs.test_runner import outcomes

AT_ONCE = replace(PATIENT, retry_us=0)


def label(world, labels):
    return post_labels(world.store, labels, model_id=world.model.id, received_us=world.clock())


def found(world, *ids, hour=0):
    return labels_in(world.store, ids, version_id=world.version.id, start_us=START_US + hour * HOUR_US)


def waiting(world):
    with world.store.read() as conn:
        return [(one.model_id, one.rows) for one in waiting_models(conn)]


def test_a_tick_folds_joins_and_then_computes_the_window_once(store):
    world = make_world(store, settings=AT_ONCE)
    set_usual_reference(world)
    label(world, {"r-0-1": "yes"})
    world.runner.tick()
    world.post(hour_of_rows(0))
    done = world.tick_after(0)
    assert (done.folds, done.joins, done.windows) == (1, 1, 1)
    assert found(world, "r-0-1") == {"r-0-1": "yes"}
    assert [(w.revision, w.label_rows, w.dirty) for w in world.windows()] == [(1, 1, False)]


def test_a_window_that_gets_a_label_is_computed_again_in_the_same_tick(store):
    world = make_world(store, settings=AT_ONCE)
    set_usual_reference(world)
    world.post(hour_of_rows(0))
    world.tick_after(0)
    label(world, {"r-0-1": "yes"})
    done = world.runner.tick()
    assert (done.joins, done.windows) == (1, 1)
    assert [(w.revision, w.dirty) for w in world.windows()] == [(2, False)]
    assert outcomes(world.telemetry, "join") == {"done": 1.0}


def test_labels_wait_for_others_before_they_are_joined(store):
    world = make_world(store, settings=JobSettings(fold_interval_us=0))
    world.post(rows_of(["a", "b"], [START_US, START_US + 1]))
    world.tick_after(0)
    label(world, {"a": "yes"})
    assert world.runner.tick().joins == 0
    world.clock.now_us += 9 * SECOND_US
    label(world, {"b": "no"})
    assert world.runner.tick().joins == 0
    world.clock.now_us += SECOND_US
    assert world.runner.tick().joins == 1
    assert found(world, "a", "b") == {"a": "yes", "b": "no"}
    assert [w.revision for w in world.windows()] == [2]


def test_joining_takes_a_small_share_of_the_time(store, monkeypatch):
    world = make_world(store, settings=JobSettings(fold_interval_us=0))
    original, passes = Joiner.join, []

    def slow(self, **more):
        done = original(self, **more)
        if done is not None:
            passes.append(world.clock())
            time.sleep(0.12 if len(passes) == 1 else 0)
        return done

    settings = replace(PATIENT, gather_us=1)
    world.runner = JobRunner(store, world.telemetry, now_us=world.clock, settings=settings)
    monkeypatch.setattr(Joiner, "join", slow)
    for n in range(30):
        label(world, {f"r{n}": "yes"})
        world.clock.now_us += SECOND_US // 10
        world.runner.tick()
    assert passes[1] - passes[0] >= 12 * SECOND_US // 10
    assert waiting(world) == [] or passes[-1] < world.clock()


def test_a_trickle_of_labels_computes_a_window_a_few_times(store):
    world = make_world(store, settings=JobSettings(fold_interval_us=0), model={"settings": {}})
    hours = 10
    for hour in range(hours):
        world.post(rows_of([f"r-{hour}-{n}" for n in range(10)], [START_US + hour * HOUR_US + n for n in range(10)]))
    world.tick_after(hours - 1)
    assert {w.revision for w in world.windows()} == {1}
    for n in range(10 * hours):  # one label a batch, 25 batches a second, each for another window than the one before
        label(world, {f"r-{n % hours}-{n // hours}": "yes"})
        world.clock.now_us += SECOND_US // 25
        if n % 5 == 0:
            world.runner.tick()
    world.clock.now_us += 20 * SECOND_US
    world.runner.tick()
    assert max(w.revision for w in world.windows()) <= 3
    assert [w.label_rows for w in world.windows()] == [10] * hours


def test_labels_that_cannot_be_joined_wait_and_are_tried_five_times_an_hour(store, monkeypatch):
    worlds = [make_world(store, settings=AT_ONCE, name=f"m{n}") for n in range(3)]
    for world in worlds:
        world.post(rows_of(["a"], [START_US]))
        label(world, {"a": "yes"})
    original = Joiner.join

    def broken(self, *, model_id, **more):
        if model_id == worlds[0].model.id:
            raise ZeroDivisionError("labels nobody can join")
        return original(self, model_id=model_id, **more)

    runner = worlds[0].runner
    worlds[0].clock.now_us = worlds[0].close_of(0)
    with monkeypatch.context() as patch:
        patch.setattr(Joiner, "join", broken)
        for _ in range(7):
            runner.tick()
            time.sleep(0.002)  # the retry is not before now
    assert outcomes(worlds[0].telemetry, "join")["failed"] == 5.0
    assert [found(world, "a") for world in worlds] == [{}, {"a": "yes"}, {"a": "yes"}]
    assert [w.revision for world in worlds for w in world.windows()] == [1, 1, 1]
    assert waiting(worlds[0]) == [(worlds[0].model.id, 1)]
    subject, hour_us = f"m{worlds[0].model.id}", worlds[0].clock() // HOUR_US * HOUR_US
    with store.read() as conn:
        failed = get_run(conn, job="join", subject=subject, scheduled_us=hour_us)
    assert (failed.state, failed.error) == ("failed", "ZeroDivisionError: labels nobody can join")
    worlds[0].clock.now_us += HOUR_US
    runner.tick()
    assert found(worlds[0], "a") == {"a": "yes"}


def test_rows_that_cannot_be_folded_keep_no_label_waiting(store, monkeypatch):
    world = make_world(store, settings=AT_ONCE)
    world.post(rows_of(["a"], [START_US]))
    world.tick_after(0)

    def broken(self, **more):
        raise OSError("the batch cannot be read")

    monkeypatch.setattr(Folder, "prepare", broken)
    world.post(rows_of(["b"], [START_US + HOUR_US]))
    label(world, {"a": "yes"})
    world.tick_after(1)
    assert found(world, "a") == {"a": "yes"}


def test_a_join_that_another_process_has_is_left_to_it(store):
    world = make_world(store, settings=AT_ONCE)
    label(world, {"a": "yes"})
    with store.write() as conn:
        claim(conn, job="join", subject=f"m{world.model.id}", scheduled_us=world.clock() // HOUR_US * HOUR_US,
              owner="other", lease_us=60 * SECOND_US)  # fmt: skip
    assert world.runner.tick().joins == 0
    assert waiting(world) == [(world.model.id, 1)]


def test_runners_at_once_join_every_label_once(store):
    world = make_world(store, settings=AT_ONCE)
    ids = [f"r{n}" for n in range(40)]
    world.post(rows_of(ids, [START_US + n for n in range(len(ids))]))
    world.tick_after(0)
    runners = [JobRunner(store, Telemetry(), now_us=world.clock, settings=AT_ONCE) for _ in range(3)]
    failures = []

    def work(runner):
        try:
            for _ in range(10):
                runner.tick()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(runner,)) for runner in runners]
    for thread in threads:
        thread.start()
    for id in ids:
        label(world, {id: "yes"})
    for thread in threads:
        thread.join()
    world.runner.tick()
    assert failures == []
    assert found(world, *ids) == dict.fromkeys(ids, "yes")
    assert [w.label_rows for w in world.windows()] == [len(ids)]
    assert unmatched(store, model_id=world.model.id) == 0


@pytest.mark.parametrize("step", ["before", "after"])
def test_a_restart_on_either_side_of_a_join_loses_no_label(store, step):
    world = make_world(store, settings=AT_ONCE)
    label(world, {"a": "yes"})
    if step == "after":
        world.runner.tick()
    world.runner = JobRunner(store, Telemetry(), now_us=world.clock, settings=AT_ONCE)
    world.post(rows_of(["a"], [START_US]))
    world.tick_after(0)
    assert found(world, "a") == {"a": "yes"}


def test_a_deleted_model_is_not_joined(store):
    world = make_world(store, settings=AT_ONCE)
    label(world, {"a": "yes"})
    with store.write() as conn:
        held = claim(conn, job="join", subject=f"m{world.model.id}", scheduled_us=0, owner="o", lease_us=10**9)
        models.delete_model(conn, name="churn")
    assert world.runner.tick().joins == 0
    assert world.runner._labels.run(world.model.id, now_us=world.clock()) == 0
    with store.read() as conn:
        run = get_run(conn, job="join", subject=f"m{world.model.id}", scheduled_us=0)
    assert (run.state, run.fence > held.fence) == ("failed", True)


def test_started_jobs_join_in_the_background(store):
    world = make_world(store, settings=JobSettings(fold_interval_us=0, tick_us=50_000, gather_us=0))
    world.post(rows_of(["a"], [START_US]))
    label(world, {"a": "yes"})
    world.clock.now_us = world.close_of(0)
    world.runner.start()
    try:
        until = time.monotonic() + 10
        while found(world, "a") == {} and time.monotonic() < until:
            time.sleep(0.02)
    finally:
        world.runner.stop(grace_seconds=5.0)
    assert found(world, "a") == {"a": "yes"}
