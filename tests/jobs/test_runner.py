from __future__ import annotations

import threading
import time

import pytest

from monitor.evaluate.guard import Moved
from monitor.evaluate.window import Evaluator
from monitor.jobs import upkeep
from monitor.jobs.runner import JobRunner
from monitor.jobs.settings import JobSettings
from monitor.model.errors import FenceLost
from monitor.model.time import DAY_US, HOUR_US, SECOND_US
from monitor.store import models, runs
from monitor.store.batches import count_rows
from monitor.store.runs import claim, finish, get_run, list_open
from monitor.store.verdicts import get_states
from monitor.telemetry import Telemetry
from tests.evaluate.traffic import PATIENT, START_US, hour_of_rows, make_world, set_usual_reference

RETRYING = JobSettings(fold_interval_us=0, retry_us=0, tick_us=50_000, workers=1, slow_us=200_000)


def of_version(fail_for, original):
    def evaluate(self, *, version_id, **more):
        if version_id == fail_for:
            raise ZeroDivisionError("a column nobody can compute")
        return original(self, version_id=version_id, **more)

    return evaluate


def outcomes(telemetry, step):
    return {
        sample.labels["outcome"]: sample.value
        for metric in telemetry.step_runs.collect()
        for sample in metric.samples
        if sample.name.endswith("_total") and sample.labels["step"] == step
    }


def poison(monkeypatch, world):
    monkeypatch.setattr(Evaluator, "evaluate", of_version(world.version.id, Evaluator.evaluate))


def test_a_poison_model_delays_no_other_and_its_window_becomes_a_gap(store, monkeypatch):
    worlds = [make_world(store, settings=RETRYING, name=f"m{n}") for n in range(3)]
    for world in worlds:
        set_usual_reference(world)
        world.post(hour_of_rows(0))
    poison(monkeypatch, worlds[0])
    runner = worlds[0].runner
    worlds[0].clock.now_us = worlds[0].close_of(0)
    for _ in range(7):
        runner.tick()
        time.sleep(0.002)  # the retry is not before now
    assert [world.windows()[0].state for world in worlds] == ["gap", "closed", "closed"]
    gap = worlds[0].windows()[0]
    assert "ZeroDivisionError: a column nobody can compute" in gap.reason
    assert not gap.dirty
    assert worlds[0].result(0).status == "unknown"
    assert {row[1:3] for row in worlds[0].numbers(0).values()} == {("unknown", "failed")}
    assert outcomes(worlds[0].telemetry, "evaluate") == {"failed": 5.0, "done": 2.0}


def test_a_gap_leaves_the_verdict_in_force_and_says_failed(store, monkeypatch):
    world = make_world(store, settings=RETRYING)
    set_usual_reference(world)
    world.post(hour_of_rows(0))
    world.tick_after(0)
    with monkeypatch.context() as patch:
        poison(patch, world)
        world.post(hour_of_rows(1))
        for _ in range(7):
            world.tick_after(1)
            time.sleep(0.002)
    with store.read() as conn:
        state = get_states(conn, version_id=world.version.id)["drift", ""]
    assert (state.status, state.unknown_reason) == ("ok", "failed")
    world.post(hour_of_rows(1, rows=10, name="later"))
    world.tick_after(1)
    window = world.windows()[1]
    assert (window.state, window.rows, window.reason) == ("revised", 210, None)


def test_rows_that_cannot_be_folded_make_gaps_and_stay(store, monkeypatch):
    from monitor.evaluate.fold import Folder

    world = make_world(store, settings=RETRYING)
    set_usual_reference(world)
    world.post(hour_of_rows(0))

    def broken(self, **more):
        raise OSError("the batch cannot be read")

    with monkeypatch.context() as patch:
        patch.setattr(Folder, "prepare", broken)
        for _ in range(7):
            world.tick_after(0)
            time.sleep(0.002)
    window = world.windows()[0]
    assert (window.state, window.rows) == ("gap", 0)
    assert "the batch cannot be read" in window.reason
    with store.read() as conn:
        assert count_rows(conn, version_id=world.version.id) == (0, 200)
    world.clock.now_us += HOUR_US  # the next hour tries again
    world.runner.tick()
    assert (world.windows()[0].state, world.windows()[0].rows) == ("revised", 200)


def test_a_run_left_behind_in_its_last_attempt_is_swept_into_a_gap(store):
    world = make_world(store, settings=RETRYING)
    set_usual_reference(world)
    world.post(hour_of_rows(0))
    world.runner.folder.fold_slice(version_id=world.version.id, now_us=world.clock())
    for attempt in range(5):
        with store.write() as conn:
            held = claim(
                conn, job="evaluate", subject=str(world.version.id), scheduled_us=world.close_of(0),
                owner=f"crashed-{attempt}", lease_us=-1,
            )  # fmt: skip
            assert held.attempt == attempt + 1
    time.sleep(0.002)
    world.tick_after(0)
    assert world.windows()[0].state == "gap"
    assert world.windows()[0].reason == "the process that ran it stopped"


def test_a_window_is_given_up_and_shown_as_a_gap_together_or_not_at_all(store, monkeypatch):
    world = make_world(store, settings=RETRYING)
    set_usual_reference(world)
    world.post(hour_of_rows(0))
    world.runner.folder.fold_slice(version_id=world.version.id, now_us=world.clock())
    named = {"job": "evaluate", "subject": str(world.version.id), "scheduled_us": world.close_of(0)}
    for attempt in range(5):
        with store.write() as conn:
            claim(conn, **named, owner=f"crashed-{attempt}", lease_us=-1)
    time.sleep(0.002)

    def crash(*_, **more):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(upkeep, "gap_window", crash)
        with pytest.raises(KeyboardInterrupt):
            world.tick_after(0)
    with store.read() as conn:
        assert get_run(conn, **named).state == "running"
    world.clock.now_us += RETRYING.sweep_every_us
    world.runner.tick()
    assert world.windows()[0].state == "gap"
    with store.read() as conn:
        assert get_run(conn, **named).state == "failed"


def test_a_window_that_always_changes_while_it_is_judged_becomes_a_gap(store, monkeypatch):
    world = make_world(store, settings=RETRYING)
    set_usual_reference(world)
    world.post(hour_of_rows(0))

    def moved(self, **more):
        raise Moved("window 0 changed while it was read")

    monkeypatch.setattr(Evaluator, "evaluate", moved)
    for _ in range(12):
        world.tick_after(0)
        time.sleep(0.002)
    gap = world.windows()[0]
    assert (gap.state, gap.reason) == ("gap", "window 0 changed while it was read")


def test_windows_behind_one_that_somebody_else_has_wait_for_it(store):
    world = make_world(store)
    set_usual_reference(world)
    for hour in range(3):
        world.post(hour_of_rows(hour))
    with store.write() as conn:
        held = claim(conn, job="evaluate", subject=str(world.version.id), scheduled_us=world.close_of(1), owner="other",
                     lease_us=60 * SECOND_US)  # fmt: skip
    assert world.tick_after(2).windows == 1
    assert [world.result(hour) is None for hour in range(3)] == [False, True, True]
    with store.write() as conn:
        runs.release(conn, held)
    assert world.runner.tick().windows == 2


def test_another_process_that_has_the_window_is_left_to_it(store):
    world = make_world(store)
    set_usual_reference(world)
    world.post(hour_of_rows(0))
    with store.write() as conn:
        claim(conn, job="evaluate", subject=str(world.version.id), scheduled_us=world.close_of(0), owner="other",
              lease_us=60 * SECOND_US)  # fmt: skip
    assert world.tick_after(0).windows == 0
    assert world.result(0) is None


def test_two_runners_on_one_database_compute_each_window_once(store):
    world = make_world(store)
    set_usual_reference(world)
    for hour in range(6):
        world.post(hour_of_rows(hour, rows=60))
    world.clock.now_us = world.close_of(5)
    others = [JobRunner(store, Telemetry(), now_us=world.clock, settings=PATIENT) for _ in range(3)]
    tallies = []

    def work(runner):
        tallies.append(runner.tick())

    threads = [threading.Thread(target=work, args=(runner,)) for runner in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    world.runner.tick()
    assert [window.revision for window in world.windows()] == [1] * 6
    assert [window.rows for window in world.windows()] == [60] * 6


def test_a_paused_process_that_wakes_after_its_lease_writes_nothing(store):
    world = make_world(store)
    set_usual_reference(world)
    world.post(hour_of_rows(0))
    world.runner.folder.fold_slice(version_id=world.version.id, now_us=world.clock())
    subject = str(world.version.id)
    with store.write() as conn:
        old = claim(conn, job="evaluate", subject=subject, scheduled_us=world.close_of(0), owner="a", lease_us=-1)
    time.sleep(0.002)
    world.tick_after(0)
    with pytest.raises(FenceLost):
        world.runner.evaluator.evaluate(
            version_id=world.version.id, start_us=START_US, now_us=world.clock(),
            guard=lambda conn: runs.finish(conn, old),
        )  # fmt: skip
    assert (world.windows()[0].revision, world.result(0).revision) == (1, 1)


def test_a_deleted_model_is_not_worked_on(store):
    world = make_world(store)
    set_usual_reference(world)
    world.post(hour_of_rows(0))
    with store.write() as conn:
        models.delete_model(conn, name="churn")
    assert world.tick_after(0).windows == 0


def test_ten_thousand_rows_fold_before_the_window_closes_but_at_most_once_an_interval(store):
    settings = JobSettings(fold_rows=100, fold_interval_us=60 * SECOND_US)
    world = make_world(store, settings=settings)
    set_usual_reference(world)
    world.post(hour_of_rows(0, rows=99, name="a"))
    assert world.runner.tick().folds == 0
    world.post(hour_of_rows(0, rows=1, name="b"))
    assert world.runner.tick().folds == 1
    world.post(hour_of_rows(0, rows=150, name="c"))
    assert world.runner.tick().folds == 0
    world.clock.now_us += 60 * SECOND_US
    assert world.runner.tick().folds == 1


def test_started_jobs_fold_and_judge_in_the_background_and_stop_in_time(store):
    world = make_world(store, settings=RETRYING)
    set_usual_reference(world)
    world.post(hour_of_rows(0))
    world.clock.now_us = world.close_of(0)
    world.runner.start()
    try:
        world.runner.wake()
        until = time.monotonic() + 10
        while world.result(0) is None and time.monotonic() < until:
            time.sleep(0.02)
        assert world.runner.behind() is None
    finally:
        began = time.monotonic()
        world.runner.stop(grace_seconds=5.0)
    assert time.monotonic() - began < 5.0
    assert world.result(0).revision == 1
    with store.read() as conn:
        assert list_open(conn, jobs=["fold", "evaluate"]) == []


def test_a_slow_model_in_the_background_delays_no_other(store, monkeypatch):
    worlds = [make_world(store, settings=RETRYING, name=f"m{n}") for n in range(3)]
    for world in worlds:
        set_usual_reference(world)
        world.post(hour_of_rows(0))
    release = threading.Event()
    original = Evaluator.evaluate

    def slow(self, *, version_id, **more):
        if version_id == worlds[0].version.id:
            release.wait(10)
        return original(self, version_id=version_id, **more)

    monkeypatch.setattr(Evaluator, "evaluate", slow)
    worlds[0].clock.now_us = worlds[0].close_of(0)
    worlds[0].runner.start()
    try:
        until = time.monotonic() + 8
        while any(w.result(0) is None for w in worlds[1:]) and time.monotonic() < until:
            time.sleep(0.02)
        assert worlds[0].result(0) is None
        assert all(world.result(0) is not None for world in worlds[1:])
    finally:
        release.set()
        worlds[0].runner.stop(grace_seconds=5.0)


def test_the_job_table_does_not_grow_for_ever(store):
    world = make_world(store)
    set_usual_reference(world)
    world.post(hour_of_rows(0))
    world.tick_after(0)
    with store.read() as conn:
        assert get_run(conn, job="evaluate", subject=str(world.version.id), scheduled_us=world.close_of(0)) is not None
    world.clock.now_us = time.time_ns() // 1_000 + 8 * DAY_US
    world.runner.tick()
    with store.read() as conn:
        assert get_run(conn, job="evaluate", subject=str(world.version.id), scheduled_us=world.close_of(0)) is None


def test_small_batches_are_compacted_by_the_jobs(store):
    world = make_world(store)
    set_usual_reference(world)
    for part in range(10):
        world.post(hour_of_rows(0, rows=5, name=f"p{part}"))
    world.tick_after(0)
    world.clock.now_us += HOUR_US
    world.runner.tick()
    from monitor.store.batches import overlapping

    with store.read() as conn:
        kept = overlapping(conn, version_id=world.version.id, start_us=0, end_us=2**62)
    assert [(batch.rows, batch.codec) for batch in kept] == [(50, "zstd")]


def test_a_verdict_is_a_step_that_counts_once_its_window_is_written(store, monkeypatch):
    world = make_world(store, settings=RETRYING)
    set_usual_reference(world)
    world.post(hour_of_rows(0))
    began = time.time()
    world.tick_after(0)
    assert outcomes(world.telemetry, "verdict") == {"done": 1.0}
    seen = {s.labels["step"]: s.value for m in world.telemetry.step_last_success.collect() for s in m.samples}
    assert began <= seen["verdict"] <= time.time()

    def taken_over(conn, held):
        if held.job == "evaluate":
            raise FenceLost("taken over")
        finish(conn, held)

    monkeypatch.setattr("monitor.jobs.attempts.finish", taken_over)
    world.post(hour_of_rows(1))
    world.tick_after(1)
    after = outcomes(world.telemetry, "verdict")
    assert after.pop("done") == 1.0
    assert set(after) == {"lost"}  # what was rolled back is no verdict
