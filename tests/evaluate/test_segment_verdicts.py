"""Segments judged beside all traffic: each as if it were a model of its own, and one budget for all."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace

import numpy as np
import pytest

from monitor.alert.codec import decode_calibration
from monitor.evaluate.context import Contexts
from monitor.evaluate.explaining import Explainer
from monitor.evaluate.gaps import gap_window
from monitor.evaluate.guard import Moved
from monitor.evaluate.learning import Learner
from monitor.evaluate.recompute import request_recompute
from monitor.evaluate.resegment import resegment
from monitor.model.time import HOUR_US
from monitor.store.calibrations import get_calibration
from monitor.store.models import get_model, get_version_by_id, update_model
from monitor.store.results import unpack_rows
from monitor.store.verdicts import get_states, list_transitions
from tests.evaluate.scored_traffic import binary_world, by_id, scored, send_labels
from tests.evaluate.sliced import (
    DRIFT,
    EU,
    MISSING,
    US,
    hour_of_regions,
    numbers_of,
    of_region,
    result_of,
    slice_world,
    sliced_world,
)
from tests.evaluate.traffic import START_US

ROLLING = {"kind": "rolling", "windows": 3, "gap": 0, "min_windows": 2}


def run(world, hours, *, swapped=(), rows=200, region=None):
    for hour in hours:
        table = hour_of_regions(hour, rows=rows, swapped=hour in swapped)
        world.post(table if region is None else of_region(table, region))
        world.tick_after(hour)


def together(world, slice, hours, *, region, swapped=(), rows=200):
    """Both worlds live through the same hours; they share runner and clock."""
    for hour in hours:
        table = hour_of_regions(hour, rows=rows, swapped=hour in swapped)
        world.post(table)
        slice.post(of_region(table, region))
        world.tick_after(hour)


def told(world):
    with world.store.read() as conn:
        stored = list_transitions(conn)
    changes = [s.transition for s in reversed(stored) if s.version_id == world.version.id]
    return [(c.check, c.segment, c.from_status, c.status) for c in changes]


def states(world):
    with world.store.read() as conn:
        return {key: state.status for key, state in get_states(conn, version_id=world.version.id).items()}


def change_model(world, **settings):
    with world.store.write() as conn:
        model = get_model(conn, name=world.model.name)
        changed = replace(model, settings=model.settings | settings, updated_us=world.clock())
        update_model(conn, changed)


def test_a_shift_in_one_segment_that_another_cancels_alarms_there_and_not_in_all_traffic(store):
    world = sliced_world(store, checks=[DRIFT | {"segments": ["", EU]}])
    run(world, range(3), swapped=[2])
    assert told(world) == [("drift", EU, "ok", "alert")]
    assert states(world) == {("drift", ""): "ok", ("drift", EU): "alert"}
    with world.store.read() as conn:
        (alert,) = [one.transition for one in list_transitions(conn)]
    assert (alert.window_start_us, alert.rows) == (START_US + 2 * HOUR_US, 100)
    assert alert.columns[0].column == "age"
    assert "in segment region=EU" in alert.explanation


@pytest.mark.parametrize("baseline", [{"kind": "reference"}, ROLLING], ids=["reference", "rolling"])
def test_a_segments_numbers_are_those_of_a_version_that_is_sent_its_rows_alone(store, baseline):
    world = sliced_world(store, baseline=baseline)
    slice = slice_world(world, "EU")
    together(world, slice, range(6), region="EU", swapped=[2, 5])
    for hour in range(6):
        ours, alone = numbers_of(world, hour, segment=EU), numbers_of(slice, hour, segment="")
        assert {key: pytest.approx(each, abs=1e-9) for key, each in alone.items()} == ours
    assert ("drift", "age", "surprise") in numbers_of(world, 5, segment=EU)
    assert [result_of(world, hour, segment=EU).status == "alert" for hour in range(6)] == [
        h in (2, 5) for h in range(6)
    ]


def test_a_segment_with_few_rows_is_judged_with_its_own_windows_before(store):
    world = sliced_world(store)
    slice = slice_world(world, "EU")
    together(world, slice, range(4), region="EU", rows=60)
    for hour in range(4):
        ours, alone = numbers_of(world, hour, segment=EU), numbers_of(slice, hour, segment="")
        assert {key: pytest.approx(each, abs=1e-9) for key, each in alone.items()} == ours
    merged = [merged_windows(world, hour, segment=EU) for hour in range(4)]
    assert merged == [1, 2, 2, 2]  # 30 rows an hour, of the 50 that its checks ask for


def test_a_segments_number_of_alarms_and_its_marks_are_those_of_its_own_history(store):
    world = sliced_world(store)
    slice = slice_world(world, "EU")
    together(world, slice, range(6), region="EU", swapped=[3])
    assert result_of(world, 3, segment=EU).status == "alert"
    learner = Learner(store, contexts=Contexts())
    for one in (world, slice):
        learner.learn(version_id=one.version.id, now_us=world.clock())
    ours, alone = (calibration(one, segment=name) for one, name in ((world, EU), (slice, "")))
    assert (ours.own, ours.windows, ours.until_us) == (40, 45, START_US + 5 * HOUR_US)
    same_calibration(ours, alone)


def test_a_window_in_alarm_in_all_traffic_teaches_no_segment_and_one_of_a_segment_teaches_the_others(store):
    world = sliced_world(store, checks=[DRIFT | {"segments": ["", EU, US]}])
    run(world, range(4))
    run(world, [4], swapped=[4])
    assert result_of(world, 4, segment="").status != "alert"
    Learner(store, contexts=Contexts()).learn(version_id=world.version.id, now_us=world.clock())
    assert [calibration(world, segment=name).windows for name in ("", EU, US)] == [45, 44, 44]


def test_a_segment_that_never_has_a_row_does_not_have_the_version_learn_again_and_again(store):
    world = sliced_world(store, baseline=ROLLING, hours=72)
    run(world, range(2))
    assert result_of(world, 1, segment="region=(other)").rows == 0
    learner = Learner(store, contexts=Contexts())
    assert learner.due(version_id=world.version.id, judged=2, now_us=world.clock()) is None


def test_a_segment_learns_as_soon_as_it_has_windows_enough_though_all_traffic_has_learned_before(store):
    world = sliced_world(store, timed=False)
    run(world, range(6), rows=60)  # 30 of each region: too few to learn from
    run(world, range(6, 31))
    assert [calibration(world, segment=name).state for name in ("", EU)] == ["calibrated", "learning"]
    run(world, range(31, 36))  # before all traffic learns again, with a quarter more windows
    assert [calibration(world, segment=name).windows for name in ("", EU)] == [36, 30]
    assert calibration(world, segment=EU).state != "learning"


def test_a_check_that_is_taken_out_of_a_segment_resolves_its_alert_there(store):
    world = sliced_world(store)
    run(world, range(3), swapped=[2])
    assert states(world)["drift", EU] == "alert"
    world.clock.now_us += 1
    change_model(world, checks=[DRIFT | {"segments": ["", US]}, MISSING])
    run(world, [3])
    assert ("drift", EU) not in states(world)
    with world.store.read() as conn:
        ended = [one for one in list_transitions(conn) if one.transition.segment == EU]
    assert [one.state for one in ended] == ["resolved"] * len(ended)
    assert ended[0].transition.explanation == "drift is no longer judged in segment region=EU"


def test_an_hour_that_a_segment_has_no_rows_in_is_undecided_there_and_alarms_where_its_volume_is_asked_for(store):
    world = sliced_world(store, checks=[DRIFT, {"name": "volume", "kind": "volume", "segments": ["", EU]}])
    run(world, range(2))
    run(world, [2], region="US")
    assert result_of(world, 2, segment=EU).rows == 0
    found = states(world)
    assert (found["volume", ""], found["volume", EU], found["drift", EU]) == ("ok", "alert", "ok")
    rows = {row.check: (row.status, row.reason) for row in unpack_rows(result_of(world, 2, segment=EU).payload)}
    assert (rows["volume"], rows["drift"]) == (("alert", None), ("unknown", "few_rows"))


def test_late_rows_judge_a_segment_again_as_if_they_had_come_in_time(store):
    world, other = sliced_world(store), None
    for hour in range(3):
        table = hour_of_regions(hour)
        world.post(table.slice(0, 120) if hour == 1 else table)
        world.tick_after(hour)
    world.clock.now_us += 1
    world.post(hour_of_regions(1).slice(120))
    world.runner.tick()
    other = slice_world(world, "EU")
    for hour in range(3):
        other.post(of_region(hour_of_regions(hour), "EU"))
    world.runner.tick()
    for hour in range(3):
        alone = numbers_of(other, hour, segment="")
        assert {key: pytest.approx(each, abs=1e-9) for key, each in alone.items()} == numbers_of(
            world, hour, segment=EU
        )


def test_a_segment_is_explained_by_its_own_rows(store):
    world = sliced_world(store, checks=[DRIFT | {"segments": ["", EU]}])
    run(world, range(3), swapped=[2])
    explainer = Explainer(store, contexts=Contexts())
    found = explainer.explain(version_id=world.version.id, start_us=START_US + 2 * HOUR_US, check="drift", segment=EU)
    age = next(each for each in found.explanation.columns if each.column == "age")
    ages = sorted(of_region(hour_of_regions(2, swapped=True), "EU").column("age").to_pylist())
    median = next(fact for fact in age.facts if fact.measure == "median")
    assert (age.direction.change, found.result.rows) == ("higher", 100)
    assert median.current == pytest.approx(np.median(ages), abs=0.5)
    assert "in segment region=EU" in found.explanation.sentence
    assert "Healthy traffic of this segment goes this far" in found.explanation.sentence
    whole = explainer.explain(version_id=world.version.id, start_us=START_US + 2 * HOUR_US, check="drift")
    assert (whole.explanation.status, whole.result.rows) == ("ok", 200)


def test_a_window_that_cannot_be_computed_is_undecided_in_every_segment(store):
    world = sliced_world(store)
    run(world, range(2))
    with world.store.write() as conn:
        gap_window(conn, window=world.windows()[-1], reason="no memory", now_us=world.clock())
    for segment in ("", EU, US):
        found = result_of(world, 1, segment=segment)
        assert (found.status, {row.reason for row in unpack_rows(found.payload)}) == ("unknown", {"failed"})
    assert states(world)["drift", EU] == "ok"  # the verdict decided before stays in force


def test_an_alert_of_one_segment_takes_the_window_out_of_that_segments_baselines_and_no_others(store):
    world = sliced_world(store, checks=[DRIFT | {"segments": ["", EU]}], baseline=ROLLING, hours=50)
    run(world, range(6), swapped=[3])
    told = {segment: [baseline_rows(world, hour, segment=segment) for hour in (4, 5)] for segment in ("", EU)}
    assert told == {"": [600, 600], EU: [200, 200]}


def test_an_alert_that_late_rows_bring_to_one_segment_has_later_windows_judged_again(store):
    world = sliced_world(store, checks=[DRIFT | {"segments": ["", EU]}], baseline=ROLLING, hours=50)
    run(world, [0, 1, 2])
    shifted = of_region(hour_of_regions(3, rows=400, swapped=True, name="late"), "EU")
    run(world, [3, 4])
    assert [baseline_rows(world, 4, segment=segment) for segment in ("", EU)] == [600, 300]
    world.clock.now_us += 1
    world.post(shifted)
    world.runner.tick()
    assert result_of(world, 3, segment=EU).status == "alert"
    assert baseline_rows(world, 4, segment=EU) == 200


def test_another_versions_segment_of_the_same_name_and_other_rows_is_not_comparable(store):
    world = sliced_world(store, checks=[DRIFT | {"segments": ["*"], "baseline": {"kind": "version", "version": "1"}}])
    slice = slice_world(world, "EU")  # what is neither EU nor US here is all but EU there
    together(world, slice, range(2), region="EU")
    reasons = {
        segment: {row.reason for row in unpack_rows(result_of(slice, 1, segment=segment).payload)}
        for segment in (EU, "region=(other)")
    }
    assert reasons[EU] != {"not_comparable"}
    assert reasons["region=(other)"] == {"not_comparable"}


def test_labels_leave_what_was_said_of_a_segment_as_it_was(store):
    high = [{"name": "high", "where": {"score": {"gte": 0.4}}}]
    checks = [DRIFT, {"name": "auc", "kind": "performance"}]
    world = binary_world(store, settings={"segments": high, "checks": checks})
    batch, truth = scored(0, rows=1_000)
    world.post(batch)
    world.tick_after(0)
    before = result_of(world, 0, segment="high")
    Learner(store, contexts=Contexts()).learn(version_id=world.version.id, now_us=world.clock())  # judged again: others
    send_labels(world, by_id(batch, truth))
    world.runner.tick()
    after, whole = result_of(world, 0, segment="high"), unpack_rows(result_of(world, 0, segment="").payload)
    assert (before.revision, after.revision, before.rows) == (1, 2, sum(np.asarray(batch["score"]) >= 0.4))
    assert unpack_rows(after.payload) == unpack_rows(before.payload)
    assert {"drift", "performance"} < {row.kind for row in whole}
    assert {row.kind for row in unpack_rows(after.payload)} == {"drift"}


def test_a_window_judged_again_says_nothing_of_a_segment_that_is_gone(store):
    world = sliced_world(store, checks=[DRIFT])
    run(world, range(2))
    assert result_of(world, 0, segment=US) is not None
    change_model(world, checks=[DRIFT | {"segments": ["", EU]}])
    with store.write() as conn:
        request_recompute(conn, version_id=world.version.id, from_us=None, to_us=None, now_us=world.clock())
    world.clock.now_us += 1
    world.runner.tick()
    assert [result_of(world, 0, segment=segment) is not None for segment in ("", EU, US)] == [True, True, False]
    assert result_of(world, 0, segment=EU).revision == 2


def test_a_window_that_is_judged_while_its_segments_change_is_read_again(store, monkeypatch):
    world = sliced_world(store)
    world.post(hour_of_regions(0))
    world.runner.folder.fold_slice(version_id=world.version.id, now_us=world.close_of(0))
    evaluator = world.runner.evaluator
    original = evaluator.profiles_of

    def overtaken(seen, **more):
        change_model(world, segments=[{"name": "young", "where": {"age": {"lt": 50}}}])
        resegment(store, version_id=world.version.id, now_us=world.clock(), progressing=lambda share: lambda conn: None)
        return original(seen, **more)

    monkeypatch.setattr(evaluator, "profiles_of", overtaken)
    with pytest.raises(Moved):
        evaluator.evaluate(version_id=world.version.id, start_us=START_US, now_us=world.close_of(0))
    monkeypatch.undo()
    world.tick_after(0)
    young = sum(np.asarray(hour_of_regions(0)["age"]) < 50)
    assert [result_of(world, 0, segment=segment) for segment in (EU, US)] == [None, None]
    assert result_of(world, 0, segment="young").rows == young


def test_the_order_in_which_records_arrive_changes_nothing_in_any_segment(store):
    """Ever the same rows and the same calibration, as for all traffic."""
    found = []
    for name, order in (("forth", [0, 1, 2, 3]), ("back", [3, 1, 2, 0])):
        world = sliced_world(store, baseline=ROLLING, name=name, hours=72)
        for hour in order:
            world.post(hour_of_regions(hour, swapped=hour == 2))
            world.tick_after(3)
        world.tick_after(3)
        found.append({(h, s): numbers_of(world, h, segment=s) for h in range(4) for s in ("", EU, US)})
    assert found[0] == found[1]


def merged_windows(world, hour, *, segment):
    rows = unpack_rows(result_of(world, hour, segment=segment).payload)
    return max(row.method.get("merged_windows", 1) for row in rows)


def baseline_rows(world, hour, *, segment):
    rows = unpack_rows(result_of(world, hour, segment=segment).payload)
    return next(row for row in rows if (row.column, row.metric) == ("age", "psi")).method["baseline"]["rows"]


def calibration(world, *, segment):
    with world.store.read() as conn:
        _, version = get_version_by_id(conn, id=world.version.id)
        stored = get_calibration(conn, version_id=version.id, reference_id=version.reference_id, segment=segment)
    return decode_calibration(stored.payload)


def same_calibration(ours, alone):
    """Every number of two calibrations is the same."""
    for one in fields(ours):
        a, b = getattr(ours, one.name), getattr(alone, one.name)
        for x, y in zip(numbers(a), numbers(b), strict=True):
            np.testing.assert_allclose(x, y, atol=1e-9, err_msg=one.name)


def numbers(value):
    """The numbers in a value, whatever it is made of."""
    if is_dataclass(value):
        return [number for one in fields(value) for number in numbers(getattr(value, one.name))]
    if isinstance(value, tuple | list):
        return [number for each in value for number in numbers(each)]
    return [np.asarray(value, dtype=float)] if isinstance(value, int | float | np.ndarray) else []
