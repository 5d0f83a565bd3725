"""Windows judged by their sums too: what they find, whom they alarm, and that order changes nothing."""

from __future__ import annotations

import pytest

from monitor.columns.roles import Roles
from monitor.evaluate import ruling
from monitor.evaluate.guard import Moved
from monitor.evaluate.reference import set_reference
from monitor.model.time import HOUR_US, MINUTE_US
from monitor.store.results import unpack_rows
from tests.evaluate.scored_traffic import binary_world, by_id, scored, send_labels
from tests.evaluate.traffic import START_US, hour_of_rows, make_world, set_usual_reference

HOURS = 6


def taught_world(store, *, name="churn"):
    """A world whose reference is long enough to teach sums of three windows, and to reach 8 and 24."""
    world = make_world(store, name=name)
    set_usual_reference(world, hours=60)
    return world


def scales_of(world, hour):
    """(column, scale) of the hour's surprises that sums of windows said."""
    rows = unpack_rows(world.result(hour).payload)
    return {(row.column, row.method["scale"]) for row in rows if "scale" in row.method}


def same(world, other):
    for hour in range(HOURS):
        ours, theirs = world.numbers(hour), other.numbers(hour)
        assert ours.keys() == theirs.keys()
        for key, (value, *said) in ours.items():
            assert theirs[key][1:] == tuple(said), (hour, key)
            assert theirs[key][0] == (None if value is None else pytest.approx(value, rel=1e-9, abs=1e-9)), (hour, key)


def judged_in_order(store, *, shifts=()):
    world = taught_world(store)
    for hour in range(HOURS):
        world.post(hour_of_rows(hour, rows=100, shift=dict(shifts).get(hour, 0.0)))
        world.tick_after(hour)
    return world


@pytest.mark.parametrize("order", [(5, 4, 3, 2, 1, 0), (0, 1, 3, 4, 5, 2), (2, 5, 0, 1, 4, 3)])
def test_hours_that_arrive_in_another_order_are_judged_the_same(store, order):
    """Hour 2 alarms by itself and so is in no sum, whenever it comes."""
    shifts = {2: 30.0}
    expected = judged_in_order(store, shifts=shifts)
    assert any(scales_of(expected, hour) for hour in range(3, HOURS))
    world = taught_world(store, name="other")
    world.tick_after(HOURS)
    for hour in order:
        world.clock.now_us += 1
        world.post(hour_of_rows(hour, rows=100, shift=shifts.get(hour, 0.0)))
        world.runner.tick()
    same(world, expected)


def test_late_rows_of_an_hour_reach_the_hours_that_were_judged_with_it_and_no_earlier_ones(store):
    expected = judged_in_order(store)
    world = taught_world(store, name="other")
    for hour in range(HOURS):
        rows = hour_of_rows(hour, rows=100)
        world.post(rows.slice(0, 40) if hour == 2 else rows)
        world.tick_after(hour)
    world.clock.now_us += 1
    world.post(hour_of_rows(2, rows=100).slice(40))
    world.runner.tick()
    same(world, expected)
    assert [window.revision for window in world.windows()] == [1, 1, 2, 2, 2, 2]


def test_a_shift_too_small_for_one_hour_is_found_in_several(store):
    world = judged_in_order(store, shifts=dict.fromkeys(range(HOURS), 4.0))
    found = [
        (hour, row.method["scale"])
        for hour in range(HOURS)
        for row in unpack_rows(world.result(hour).payload)
        if row.column == "age" and row.status == "alert" and row.metric == "surprise" and "scale" in row.method
    ]
    assert found
    first = found[0][0]
    assert all(world.numbers(hour)["drift", "age", "surprise"][1] != "alert" for hour in range(first))


def test_an_hour_that_alarms_by_itself_is_told_of_once(store):
    world = judged_in_order(store, shifts={2: 60.0})
    statuses = [world.numbers(hour)["drift", "age", "surprise"][1] for hour in range(HOURS)]
    assert statuses[2] == "alert"
    assert "alert" not in statuses[:2] + statuses[3:]


def test_what_an_earlier_hour_changed_is_judged_again_even_where_labels_came_too(store):
    """Labels alone leave what was said of the data; here rows of the hour before came with them."""
    world = binary_world(store, hours=60)
    batches = [scored(hour, rows=200) for hour in range(4)]
    for hour, (batch, _) in enumerate(batches):
        world.post(batch.slice(0, 50) if hour == 2 else batch)
        world.tick_after(hour)
    before = world.numbers(3)
    world.clock.now_us += 1
    world.post(batches[2][0].slice(50))
    send_labels(world, by_id(*batches[3]))
    world.runner.tick()
    expected = binary_world(store, hours=60, name="whole")
    for hour, (batch, _) in enumerate(batches):
        expected.post(batch)
        expected.tick_after(hour)
    drift = {key: value for key, value in expected.numbers(3).items() if key[0] == "drift"}
    assert {key: value for key, value in before.items() if key[0] == "drift"} != drift
    assert {key: value for key, value in world.numbers(3).items() if key[0] == "drift"} == drift


def test_late_rows_after_a_new_reference_leave_what_is_closed_to_the_old_one(store):
    """They are judged by the new one, and so is nothing that added them up under the old."""
    world = judged_in_order(store)
    tables = [hour_of_rows(hour, rows=100, seed=900 + hour, name="second") for hour in range(-60, 0)]
    set_reference(
        store, version_id=world.version.id, source=lambda: iter(tables), roles=Roles(), now_us=world.clock() + 1
    )  # fmt: skip
    world.clock.now_us += MINUTE_US
    world.post(hour_of_rows(0, rows=5, seed=7, name="late"))
    for _ in range(2):
        world.runner.tick()
        world.clock.now_us += MINUTE_US
    assert [(w.revision, w.reference_number) for w in world.windows()] == [(2, 2)] + [(1, 1)] * (HOURS - 1)


def test_an_hour_is_not_written_with_sums_of_hours_that_were_judged_meanwhile(store, monkeypatch):
    world = taught_world(store)
    for hour in range(HOURS - 1):
        rows = hour_of_rows(hour, rows=100)
        world.post(rows.slice(0, 40) if hour == HOURS - 2 else rows)
        world.tick_after(hour)
    world.clock.now_us += 1
    world.post(hour_of_rows(HOURS - 2, rows=100).slice(40))
    world.post(hour_of_rows(HOURS - 1, rows=100))
    now_us = world.close_of(HOURS - 1)
    world.runner.folder.fold_slice(version_id=world.version.id, now_us=now_us)
    judge, others = ruling.judged_of, [START_US + (HOURS - 2) * HOUR_US]

    def slowly(seen, **more):
        if others:  # another worker, between this one's read and its write
            world.runner.evaluator.evaluate(version_id=world.version.id, start_us=others.pop(), now_us=now_us)
        return judge(seen, **more)

    monkeypatch.setattr(ruling, "judged_of", slowly)
    with pytest.raises(Moved, match="judged meanwhile"):
        world.runner.evaluator.evaluate(
            version_id=world.version.id, start_us=START_US + (HOURS - 1) * HOUR_US, now_us=now_us
        )
    world.tick_after(HOURS - 1)
    expected = taught_world(store, name="other")
    for hour in range(HOURS):
        expected.post(hour_of_rows(hour, rows=100))
        expected.tick_after(hour)
    same(world, expected)
