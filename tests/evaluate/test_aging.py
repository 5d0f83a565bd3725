"""What has had its time goes: rows, after them what labels are joined to; and what was found stays as it was found."""

from __future__ import annotations

import json

import pytest
import sqlalchemy as sa

from monitor.evaluate.aging import age
from monitor.evaluate.compact import compact_version
from monitor.evaluate.context import Contexts
from monitor.evaluate.gaps import gap_waiting, gap_window
from monitor.model.entities import LegalHold
from monitor.model.errors import Held, InvalidInput
from monitor.model.retention import Retention
from monitor.model.time import DAY_US, HOUR_US, MINUTE_US
from monitor.store import holds, tables
from monitor.store.batches import count_rows
from monitor.store.quarantine import list_quarantine
from monitor.verify import verify_store
from tests.evaluate.joining import fold
from tests.evaluate.traffic import START_US, hour_of_rows, make_world, rows_of

RETENTION = Retention(rows_us=30 * MINUTE_US, unlabelled_us=10 * DAY_US)  # a turn is a minute
pytestmark = pytest.mark.usefixtures("soon")


def aged(world, *, hours=1, retention=RETENTION, now_us=None):
    """Ages the version when the rows of so many hours, each received at its end, have had their time and their turn."""
    when = START_US + hours * HOUR_US + retention.rows_us + retention.turn_us if now_us is None else now_us
    return age(world.store, contexts=Contexts(), version_id=world.version.id, retention=retention, now_us=when)


def hours(world, count, *, rows=50):
    for hour in range(count):
        world.clock.now_us = START_US + (hour + 1) * HOUR_US
        world.post(hour_of_rows(hour, rows=rows))
        world.tick_after(hour)


def stored(world):
    with world.store.read() as conn:
        return count_rows(conn, version_id=world.version.id)


def batches(world):
    with world.store.read() as conn:
        return conn.execute(sa.select(sa.func.count()).select_from(tables.log_batch)).scalar()


def aside(world):
    with world.store.read() as conn:
        return list_quarantine(conn, version_id=world.version.id)


def test_rows_past_their_time_go_their_windows_are_sealed_and_the_rest_is_as_before(world):
    hours(world, 3)
    results = [world.numbers(hour) for hour in range(3)]
    assert aged(world, hours=2).windows == 2
    assert [w.state for w in world.windows()] == ["sealed", "sealed", "closed"]
    assert stored(world) == (50, 0)
    assert [(w.rows, w.dropped, w.retained) for w in world.windows()] == [
        (50, 50, "outcomes"), (50, 50, "outcomes"), (50, None, None)
    ]  # fmt: skip
    assert [world.numbers(hour) for hour in range(3)] == results
    assert verify_store(world.store) == []


def test_nothing_goes_before_its_time_and_what_is_due_waits_for_its_turn(world):
    hours(world, 2)
    usual = Retention()
    due_us = START_US + HOUR_US + 30 * DAY_US
    found = [aged(world, retention=usual, now_us=when).windows for when in (due_us - 1, due_us, due_us + DAY_US - 1)]
    assert found == [0, 0, 0]
    assert aged(world, retention=usual, now_us=due_us + DAY_US).windows == 2  # the second with the first


def test_the_age_of_a_window_is_that_of_its_newest_receipt(world):
    hours(world, 2)
    world.clock.now_us = START_US + 20 * DAY_US
    world.post(rows_of(["late"], [START_US + 5]))
    world.tick_after(500)
    assert aged(world, hours=2).windows == 1
    assert [w.state for w in world.windows()] == ["revised", "sealed"]
    assert stored(world) == (51, 0)
    assert verify_store(world.store) == []


def test_a_batch_of_many_windows_is_written_again_with_the_rows_that_are_kept(world):
    hours(world, 8, rows=20)
    compact_version(world.store, version_id=world.version.id)
    assert batches(world) == 1
    assert aged(world, hours=5).rows == 100
    assert (batches(world), stored(world)) == (1, (60, 0))
    assert [w.state for w in world.windows()] == ["sealed"] * 5 + ["closed"] * 3
    assert verify_store(world.store) == []


def test_a_row_that_comes_to_a_sealed_window_is_quarantined_and_counted_nowhere(world):
    hours(world, 2)
    aged(world)
    before = [(w.rows, w.deduplicated, w.revision) for w in world.windows()]
    world.post(rows_of(["late", "in time"], [START_US + 7, START_US + 5 * HOUR_US]))
    fold(world)
    (row,) = aside(world)
    assert (row.code, json.loads(row.raw)["id"]) == ("too_late", "late")
    assert set(json.loads(row.raw)) == {"id", "timestamp", "age", "spend", "region", "prediction"}
    assert [(w.rows, w.deduplicated, w.revision) for w in world.windows()][:2] == before
    assert verify_store(world.store) == []
    assert stored(world) == (52, 0)  # the fold took both
    aged(world)
    assert stored(world) == (51, 0)
    assert verify_store(world.store) == []


def test_work_on_a_sealed_window_that_fails_for_good_leaves_what_was_found_of_it(world):
    hours(world, 2)
    aged(world)
    before, revision = world.numbers(0), world.windows()[0].revision
    world.post(rows_of(["late"], [START_US + 7]))
    with world.store.write() as conn:
        gap_waiting(conn, version_id=world.version.id, reason="a fold failed", now_us=world.clock())
    with world.store.write() as conn:
        gap_window(conn, window=world.windows()[0], reason="labels could not be counted", now_us=world.clock())
    window = world.windows()[0]
    assert (window.state, window.dirty, window.reason) == ("sealed", False, "labels could not be counted")
    assert window.revision == revision + 2, "labels that come later are tried as ever"
    assert world.numbers(0) == before, "its rows are gone: nobody can find it again"
    fold(world)
    assert verify_store(world.store) == []


def test_rows_that_wait_to_be_folded_keep_their_window_open(world):
    hours(world, 2)
    world.post(rows_of(["waits"], [START_US + 7]))
    assert aged(world, hours=2).windows == 1
    fold(world)
    assert [w.rows for w in world.windows()] == [51, 50]
    assert aside(world) == []


def test_a_fold_that_has_read_a_window_which_is_sealed_meanwhile_takes_its_rows_aside(world):
    from monitor.evaluate.guard import Moved

    hours(world, 1)
    folder, now_us = world.runner.folder, world.clock()
    aged(world)
    world.post(rows_of(["late"], [START_US + 7]))
    with world.store.write() as conn:
        conn.execute(sa.update(tables.window).values(state="closed"))
    prepared = folder.prepare(version_id=world.version.id, now_us=now_us)
    with world.store.write() as conn:
        conn.execute(sa.update(tables.window).values(state="sealed"))
    with pytest.raises(Moved):
        folder.commit(prepared)
    fold(world)
    assert [row.code for row in aside(world)] == ["too_late"]
    assert verify_store(world.store) == []


def test_a_legal_hold_keeps_everything_also_when_it_begins_between_two_steps(world):
    hours(world, 2)
    hold = LegalHold(since_us=1, by="", reason="case 1")
    with world.store.write() as conn:
        holds.put_hold(conn, model_id=world.model.id, hold=hold)
    with pytest.raises(Held):
        aged(world)
    world.runner.tick(START_US + 60 * DAY_US)
    assert stored(world) == (100, 0)
    with world.store.write() as conn:
        holds.end_hold(conn, model_id=world.model.id)
    assert aged(world, hours=2).rows == 100


def test_what_is_to_be_computed_again_is_not_sealed_before_it_is(world):
    hours(world, 2)
    with world.store.write() as conn:
        conn.execute(sa.update(tables.window).where(tables.window.c.start_us == START_US).values(dirty=True))
    assert aged(world, hours=2).windows == 1
    assert [w.state for w in world.windows()] == ["closed", "sealed"]


def test_the_jobs_do_it_by_themselves_and_go_on_when_more_is_due(world):
    hours(world, 3)
    world.clock.now_us = START_US + 32 * DAY_US
    world.runner.tick()
    assert [w.state for w in world.windows()] == ["sealed"] * 3
    assert stored(world) == (0, 0)
    assert world.telemetry.step_runs.labels(step="retention", outcome="done")._value.get() >= 1


def test_a_reference_of_rows_that_are_gone_is_refused_and_says_so(world):
    from monitor.evaluate.stored_reference import set_stored_reference

    hours(world, 2)
    aged(world)
    with pytest.raises(InvalidInput, match="is sealed"):
        set_stored_reference(
            world.store, version_id=world.version.id, from_us=START_US, to_us=START_US + HOUR_US, now_us=world.clock()
        )


def test_a_window_is_not_sealed_before_it_is_over(store):
    short = Retention(rows_us=10 * MINUTE_US, unlabelled_us=DAY_US, results_us=DAY_US)
    world = make_world(store)
    world.clock.now_us = START_US + MINUTE_US
    world.post(rows_of(["a"], [START_US]))
    fold(world)
    with store.write() as conn:
        conn.execute(sa.update(tables.window).values(dirty=False))
    now_us = START_US + 40 * MINUTE_US
    ages = [age(store, contexts=Contexts(), version_id=world.version.id, retention=short, now_us=when).windows
            for when in (now_us, now_us + 30 * MINUTE_US)]  # fmt: skip
    assert ages == [0, 1]
