from __future__ import annotations

from monitor.model.time import DAY_US, HOUR_US, MINUTE_US
from monitor.store.verdicts import get_states, list_transitions
from tests.evaluate.traffic import START_US, hour_of_rows, make_world, rows_of


def states(world):
    with world.store.read() as conn:
        return {check: state for (check, _), state in get_states(conn, version_id=world.version.id).items()}


def transitions(world):
    with world.store.read() as conn:
        stored = list_transitions(conn)
    return [(s.transition.check, s.transition.from_status, s.transition.status) for s in reversed(stored)]


def test_a_window_is_not_judged_before_its_end_and_lateness(world):
    world.post(hour_of_rows(0))
    world.clock.now_us = world.close_of(0) - 1
    world.runner.tick()
    assert world.result(0) is None
    world.clock.now_us += 1
    world.runner.tick()
    assert [(w.state, w.revision, w.rows) for w in world.windows()] == [("closed", 1, 200)]
    assert world.result(0).reference_number == 1


def test_a_window_is_judged_once(world):
    world.post(hour_of_rows(0))
    assert world.tick_after(0).windows == 1
    assert world.runner.tick().windows == 0
    assert world.result(0).revision == 1


def test_late_rows_compute_the_window_again_and_count_as_late(world):
    world.post(hour_of_rows(0))
    world.tick_after(0)
    before = world.numbers(0)
    world.clock.now_us += MINUTE_US
    world.post(hour_of_rows(0, rows=50, name="late"))
    world.runner.tick()
    window = world.windows()[0]
    assert (window.state, window.revision, window.rows, window.late_rows) == ("revised", 2, 250, 50)
    assert world.result(0).revision == 2
    assert world.numbers(0) != before


def test_a_repeat_of_what_is_there_revises_nothing(world):
    world.post(hour_of_rows(0))
    world.tick_after(0)
    world.post(hour_of_rows(0))
    world.clock.now_us += MINUTE_US
    world.runner.tick()
    window = world.windows()[0]
    assert (window.revision, window.rows, window.deduplicated) == (1, 200, 200)


def test_drift_alarms_and_resolves_when_healthy_windows_follow(world):
    for hour, shift in enumerate([0.0, 30.0, 30.0, 0.0]):
        world.post(hour_of_rows(hour, rows=400, shift=shift), received_us=START_US + hour * HOUR_US)
        world.tick_after(hour)
    assert ("drift", "ok", "alert") in transitions(world)
    assert ("drift", "alert", "ok") in transitions(world)
    with world.store.read() as conn:
        first = [s for s in list_transitions(conn) if s.transition.status == "alert"][-1].transition
    assert first.window_start_us == START_US + HOUR_US
    assert "age" in [column.column for column in first.columns]


def test_history_has_results_and_pages_nobody(world):
    world.clock.now_us = START_US + 30 * DAY_US
    for hour in range(3):
        world.post(hour_of_rows(hour, rows=400, shift=30.0))
    world.runner.tick()
    assert world.result(2).status == "alert"
    assert transitions(world) == []
    assert states(world) == {}


def test_a_feed_two_hours_late_still_alarms(world):
    for hour in range(6):
        late_us = START_US + (hour + 3) * HOUR_US
        world.clock.now_us = late_us
        world.post(hour_of_rows(hour, rows=400, shift=30.0 if hour == 5 else 0.0))
        world.runner.tick()
    assert states(world)["drift"].status == "alert"
    assert states(world)["drift"].window_start_us == START_US + 5 * HOUR_US


def test_a_feed_that_is_always_late_is_missed_when_it_is_later_than_usual(world):
    for hour in range(6):
        world.clock.now_us = START_US + (hour + 3) * HOUR_US
        world.post(hour_of_rows(hour))
        world.runner.tick()
    assert states(world)["volume"].status == "ok"
    world.clock.now_us = START_US + 9 * HOUR_US
    world.runner.tick()
    assert states(world)["volume"].status == "ok"
    world.clock.now_us = START_US + 9 * HOUR_US + 6 * MINUTE_US
    world.runner.tick()
    assert states(world)["volume"].status == "alert"


def test_an_older_window_computed_later_moves_no_verdict(world):
    world.post(hour_of_rows(3, rows=400))
    world.tick_after(3)
    world.post(hour_of_rows(1, rows=400, shift=30.0))
    world.clock.now_us += MINUTE_US
    world.runner.tick()
    assert world.result(1).status == "alert"
    assert states(world)["drift"].status == "ok"
    assert states(world)["drift"].window_start_us == START_US + 3 * HOUR_US


def test_windows_missed_while_the_jobs_stood_still_are_caught_up_in_order(world):
    for hour in range(5):
        world.post(hour_of_rows(hour, shift=30.0 if hour == 1 else 0.0))
    tally = world.tick_after(4)
    assert tally.windows == 5
    assert [w.revision for w in world.windows()] == [1] * 5
    assert transitions(world)[:2] == [("drift", "ok", "alert"), ("drift", "alert", "ok")]


def test_a_window_with_few_rows_is_judged_with_the_ones_before_it(world):
    for hour in range(3):
        world.post(hour_of_rows(hour, rows=30))
        world.tick_after(hour)
    alone = world.numbers(0)["drift", "age", "surprise"]
    together = world.numbers(2)["drift", "age", "surprise"]
    assert (alone[1], alone[2], alone[3]) == ("unknown", "few_rows", 30)
    assert together[1] != "unknown"
    assert together[3] == 60  # the newest of the others is enough
    assert world.numbers(2)["volume", "", "rows"][0] == 30.0
    assert world.result(2).rows == 30


def test_late_rows_of_a_window_reach_the_small_windows_judged_with_it(world):
    for hour in range(3):
        world.post(hour_of_rows(hour, rows=30))
        world.tick_after(hour)
    world.post(hour_of_rows(1, rows=30, name="late", shift=50.0))
    world.clock.now_us += MINUTE_US
    world.runner.tick()
    assert [w.revision for w in world.windows()] == [1, 2, 2]
    assert world.numbers(2)["drift", "age", "surprise"][3] == 90


def test_silence_after_live_traffic_is_no_volume(world):
    world.post(hour_of_rows(0))
    world.tick_after(0)
    world.tick_after(1)
    assert world.result(1).rows == 0
    assert states(world)["volume"].status == "alert"
    assert states(world)["drift"].status == "ok"  # the last decided one stays in force
    assert states(world)["drift"].unknown_reason is not None
    assert len(world.windows()) == 1  # shown, not stored


def test_rows_that_end_the_silence_resolve_it(world):
    world.post(hour_of_rows(0))
    world.tick_after(0)
    world.tick_after(1)
    world.post(hour_of_rows(2))
    world.tick_after(2)
    assert states(world)["volume"].status == "ok"


def test_rows_of_a_silent_window_that_come_late_are_judged(world):
    world.post(hour_of_rows(0))
    world.tick_after(0)
    world.tick_after(1)
    world.post(hour_of_rows(1))
    world.clock.now_us += MINUTE_US
    world.runner.tick()
    assert world.result(1).rows == 200
    assert states(world)["volume"].status == "ok"


def test_silence_is_noticed_for_a_day_and_then_left_to_staleness(world):
    world.post(hour_of_rows(0))
    world.tick_after(0)
    world.clock.now_us = START_US + 10 * DAY_US
    assert world.runner.tick().windows == 0
    world.clock.now_us = world.close_of(0)
    judged = 0
    for hour in range(1, 40):
        judged += world.tick_after(hour).windows
    assert judged <= 24


def test_loaded_history_that_ends_is_no_silence(world):
    world.clock.now_us = START_US + 10 * DAY_US
    world.post(hour_of_rows(0))
    world.runner.tick()
    world.clock.now_us += 5 * HOUR_US
    world.runner.tick()
    assert states(world) == {}


def test_a_retired_version_is_not_missed(world):
    from dataclasses import replace

    from monitor.store.models import update_version

    world.post(hour_of_rows(0))
    world.tick_after(0)
    with world.store.write() as conn:
        update_version(conn, replace(world.version, state="retired"))
    world.tick_after(3)
    assert states(world)["volume"].status == "ok"


def test_without_a_reference_everything_but_volume_is_unknown_with_the_reason(store):
    world = make_world(store)
    world.post(hour_of_rows(0))
    world.tick_after(0)
    known = states(world)
    assert known["volume"].status == "ok"
    assert {check: state.unknown_reason for check, state in known.items() if check != "volume"} == {
        "drift": "no_reference", "missing": "no_reference", "invalid": "no_reference", "unseen": "no_reference",
        "schema": "no_reference",
    }  # fmt: skip


def test_a_check_that_is_taken_out_ends_its_alert(world):
    from dataclasses import replace

    from monitor.store.models import get_model, update_model

    world.post(hour_of_rows(0, rows=400, shift=30.0))
    world.tick_after(0)
    with world.store.write() as conn:
        model = get_model(conn, name="churn")
        update_model(conn, replace(model, settings={"checks": [{"name": "volume", "kind": "volume"}]}))
    world.post(hour_of_rows(1, rows=400, shift=30.0))
    world.tick_after(1)
    assert list(states(world)) == ["volume"]
    with world.store.read() as conn:
        assert [s.transition.check for s in list_transitions(conn, state="firing")] == []


def test_one_row_on_each_edge_belongs_to_the_window_that_it_starts(world):
    world.post(rows_of(["a", "b", "c"], [START_US, START_US + HOUR_US - 1, START_US + HOUR_US]))
    world.tick_after(1)
    assert [w.rows for w in world.windows()] == [2, 1]
