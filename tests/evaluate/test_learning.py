"""When a calibration is made again, and from what: pure rules first, then both databases."""

from __future__ import annotations

import math

import numpy as np
import pytest

from monitor.evaluate.context import Contexts
from monitor.evaluate.learning import Learner
from monitor.evaluate.redo import WEEK_US, Healthy, last_turn_us, occurrence_due, wanted
from monitor.jobs.runner import JobRunner
from monitor.model.entities import Model
from monitor.model.time import DAY_US, HOUR_US
from monitor.model.window import WindowSpec
from monitor.store.calibrations import get_calibration
from monitor.store.marks import put_mark
from monitor.store.runs import claim
from monitor.telemetry import Telemetry
from tests.alert.drawing import Traffic, calibrated
from tests.evaluate.test_status import status_of
from tests.evaluate.traffic import PATIENT, START_US, hour_of_rows, make_world, set_usual_reference

HOURLY = Model(name="m", window=WindowSpec(length="1h"))
VERSION = 7
TURN_US = last_turn_us(version_id=VERSION, now_us=START_US + WEEK_US)


def taught(windows, *, rows=1_000):
    return calibrated(Traffic(rng=np.random.default_rng(1), columns=2, rows=rows).history(windows))


def known(calibration, *, since, rows=1_000, made_us=TURN_US - DAY_US):
    return Healthy(
        calibration=calibration, made_us=made_us,
        since=[(START_US + hour * HOUR_US, rows) for hour in reversed(range(since))],
    )  # fmt: skip


def due(healthy, *, now_us=TURN_US + HOUR_US):
    return occurrence_due(healthy, model=HOURLY, version_id=VERSION, now_us=now_us)


def test_a_calibration_is_made_again_at_the_versions_turn_of_the_week_and_once():
    long = taught(720)
    assert due(known(long, since=5)) == TURN_US
    assert due(known(long, since=5), now_us=TURN_US + 6 * DAY_US) == TURN_US  # missed ones are caught up as one
    assert due(known(long, since=5, made_us=TURN_US)) is None
    assert due(known(long, since=0)) is None


def test_turns_are_a_week_apart_and_spread_over_it():
    turns = [last_turn_us(version_id=id, now_us=START_US) for id in range(1_000)]
    assert all(0 <= START_US - turn < WEEK_US for turn in turns)
    assert last_turn_us(version_id=3, now_us=turns[3] + WEEK_US) == turns[3] + WEEK_US
    by_day = np.bincount([(START_US - turn) // DAY_US for turn in turns], minlength=7)
    assert by_day.max() < 2 * 1_000 / 7


def test_a_short_history_is_gone_through_again_whenever_a_quarter_more_has_come():
    short = taught(100)
    quiet_us = TURN_US + HOUR_US
    assert due(known(short, since=24, made_us=quiet_us), now_us=quiet_us) is None
    assert due(known(short, since=25, made_us=quiet_us), now_us=quiet_us) == quiet_us - quiet_us % HOUR_US + 100
    assert wanted(known(taught(720), since=0), model=HOURLY) == math.inf


def test_two_and_a_half_times_the_volume_for_a_day_is_reason_enough_and_less_or_shorter_is_not():
    long, at_us = taught(720), TURN_US + HOUR_US
    made = {"made_us": at_us}
    assert due(known(long, since=24, rows=2_500, **made), now_us=at_us) == at_us - at_us % HOUR_US + 720
    assert due(known(long, since=23, rows=2_500, **made), now_us=at_us) is None
    assert due(known(long, since=24, rows=2_499, **made), now_us=at_us) is None


def calibration_of(world):
    with world.store.read() as conn:
        return Contexts().load(conn, version_id=world.version.id).calibration


def judge_hours(world, hours, *, rows=100, shift=0.0):
    for hour in hours:
        world.post(hour_of_rows(hour, rows=rows, shift=shift))
        world.tick_after(hour)


@pytest.fixture
def world(store):
    return make_world(store)


def test_healthy_windows_join_the_references_own_and_windows_in_alarm_stay_out(world):
    set_usual_reference(world, hours=60)
    judge_hours(world, range(4))
    judge_hours(world, range(4, 6), shift=80.0)
    assert world.result(5).status == "alert"
    Learner(world.store, contexts=Contexts()).learn(version_id=world.version.id, now_us=world.clock())
    made = calibration_of(world)
    healthy = sum(world.result(hour).status != "alert" for hour in range(6))
    assert (made.own, made.windows) == (60, 60 + healthy)
    assert healthy <= 4
    shown = status_of(world)["calibration"]
    assert (shown["reference_windows"], shown["false_alarms_per_month"]) == (60, pytest.approx(30.0))
    assert shown["scales"] == [
        {"windows": 1, "every": 1, "extrapolated": False}, {"windows": 3, "every": 1, "extrapolated": False},
        {"windows": 8, "every": 2, "extrapolated": True}, {"windows": 24, "every": 6, "extrapolated": True},
    ]  # fmt: skip
    assert (shown["from"], shown["windows"]) == ("reference and production", 60 + healthy)


def test_with_no_healthy_window_left_the_version_is_learning_again(world):
    set_usual_reference(world, timed=False)
    judge_hours(world, range(31))
    assert calibration_of(world).windows == 30
    with world.store.write() as conn:
        for window in world.windows():
            put_mark(
                conn, version_id=world.version.id, start_us=window.start_us, healthy=False, reason="x", by="", at_us=1
            )
    learner = Learner(world.store, contexts=Contexts())
    learner.relearn(version_id=world.version.id, now_us=world.clock())
    assert calibration_of(world) is None
    assert status_of(world)["next"]["why"].startswith("learning: 0 of 30 healthy windows")
    with world.store.write() as conn:
        put_mark(conn, version_id=world.version.id, start_us=START_US, healthy=None, reason="x", by="", at_us=2)
    learner.relearn(version_id=world.version.id, now_us=world.clock())
    assert (calibration_of(world).windows, calibration_of(world).state) == (1, "learning")


def made_us_of(world):
    with world.store.read() as conn:
        version = world.runner.evaluator._contexts.load(conn, version_id=world.version.id).version
        return get_calibration(conn, version_id=version.id, reference_id=version.reference_id).made_us


def test_at_its_turn_of_the_week_a_version_is_calibrated_once_by_whichever_process(world):
    set_usual_reference(world, hours=60)
    turn_us = last_turn_us(version_id=world.version.id, now_us=START_US + WEEK_US)
    last = (turn_us - START_US) // HOUR_US
    first = max(last - 3, 0)
    other = JobRunner(world.store, Telemetry(), now_us=world.clock, settings=PATIENT)
    judge_hours(world, range(first, last))
    assert (made_us_of(world), calibration_of(world).windows) == (START_US, 60)
    judge_hours(world, range(last, last + 2))
    made_us = made_us_of(world)
    assert made_us >= turn_us
    assert calibration_of(world).windows > 60
    for runner in (other, world.runner):
        world.post(hour_of_rows(last + 2, rows=100, name=str(id(runner))))
        world.clock.now_us = max(world.clock.now_us, world.close_of(last + 2))
        runner.tick()
    assert made_us_of(world) == made_us
    with world.store.write() as conn:
        again = claim(conn, job="calibrate", subject=str(world.version.id), scheduled_us=turn_us, owner="x", lease_us=1)
    assert again is None


def test_a_window_computed_again_after_a_calibration_keeps_its_measures_and_gets_the_surprise_of_today(world):
    set_usual_reference(world, hours=60)
    judge_hours(world, range(6))
    before = values_of(world, hour=0)
    Learner(world.store, contexts=Contexts()).learn(version_id=world.version.id, now_us=world.clock())
    again(world, hour=0)
    after = values_of(world, hour=0)
    assert {metric for (_, metric), value in after.items() if value != before[_, metric]} == {"surprise"}
    again(world, hour=0)
    assert values_of(world, hour=0) == after  # the calibration in force decides, however often


def values_of(world, *, hour):
    """(column, metric) → value of the hour's result."""
    return {(column, metric): found[0] for (_, column, metric), found in world.numbers(hour).items()}


def again(world, *, hour):
    world.runner.evaluator.evaluate(
        version_id=world.version.id, start_us=START_US + hour * HOUR_US, now_us=world.clock(), afresh=True
    )  # fmt: skip
