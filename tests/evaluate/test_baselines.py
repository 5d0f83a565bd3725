"""Windows held against other windows: the numbers, what is left out, what happens when the others change."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import ks_2samp

from monitor import check
from monitor.columns.roles import Roles
from monitor.evaluate.context import Contexts
from monitor.evaluate.explaining import Explainer
from monitor.evaluate.learning import Learner
from monitor.evaluate.reference import set_reference
from monitor.model.checks import parse_checks
from monitor.model.entities import Version
from monitor.model.time import HOUR_US
from monitor.store.marks import put_mark
from monitor.store.models import get_model, insert_version, update_model, update_version
from monitor.store.results import unpack_rows
from tests.evaluate.test_simulate import tried
from tests.evaluate.test_status import status_of
from tests.evaluate.traffic import START_US, hour_of_rows, make_world, set_usual_reference

ROLLING = {"kind": "rolling", "windows": 3, "gap": 0, "min_windows": 2}
SAME_HOUR = {"kind": "same_hour", "windows": 3, "min_windows": 2}


def world_with(store, baseline, *, hours=72, rows=100, name="churn", **settings):
    """A world whose model is held against the baseline, with a reference of so many hours."""
    settings = {"false_alarms": "1 per day", "baseline": baseline} | settings
    world = make_world(store, model={"settings": settings}, name=name)
    set_usual_reference(world, hours=hours, rows=rows)
    return world


def judge(world, hours, **how):
    for hour in hours:
        world.post(hour_of_rows(hour, **{"rows": 100} | how))
        world.tick_after(hour)


def rows_at(world, hour):
    return unpack_rows(world.result(hour).payload)


def row_of(world, hour, *, column, metric):
    return next(row for row in rows_at(world, hour) if (row.column, row.metric) == (column, metric))


def psi(current, reference):
    """Population stability index of two lists of categories, the unseen one more, half a row more in each."""
    names = [*sorted(set(reference)), "(unseen)"]
    p, q = (np.array([list(side).count(name) + 0.5 for name in names]) for side in (current, reference))
    p, q = p / p.sum(), q / q.sum()
    return float(((p - q) * np.log(p / q)).sum())


def test_the_numbers_are_those_of_the_raw_rows_of_both_sides(store):
    world = world_with(store, ROLLING)
    judge(world, range(6))
    now, then = hour_of_rows(5, rows=100), pa.concat_batches([hour_of_rows(hour, rows=100) for hour in (2, 3, 4)])
    region = row_of(world, 5, column="region", metric="psi")
    assert region.value == pytest.approx(psi(now["region"].to_pylist(), then["region"].to_pylist()))
    exact = ks_2samp(now["age"].to_numpy(), then["age"].to_numpy()).statistic
    ks = row_of(world, 5, column="age", metric="ks")
    assert ks.lower - 1e-12 <= exact <= ks.upper + 1e-12
    assert (ks.reference_rows, ks.method["baseline"]) == (300, {"kind": "rolling", "windows": 3, "rows": 300})


def test_the_numbers_of_categories_and_shares_are_those_of_check_with_the_same_rows(store):
    world = world_with(store, ROLLING)
    judge(world, range(6))
    then = pa.concat_batches([hour_of_rows(hour, rows=100) for hour in (2, 3, 4)])
    apart = check(
        reference=pa.Table.from_batches([then]).drop_columns(["timestamp", "id"]),
        current=pa.Table.from_batches([hour_of_rows(5, rows=100)]).drop_columns(["timestamp", "id"]),
        prediction="prediction",
    ).to_dict()["results"]
    exact = ("region", "prediction"), ("psi", "l_infinity", "missing", "invalid")
    alone = {(r["column"], r["metric"]): (r["value"], r["rows"], r["reference_rows"]) for r in apart}
    stored = {(r.column, r.metric): (r.value, r.rows, r.reference_rows) for r in rows_at(world, 5)}
    compared = [(column, metric) for column in exact[0] for metric in exact[1]]
    assert [stored[key] for key in compared] == [alone[key] for key in compared]


def test_too_few_windows_are_unknown_with_how_many_there_are_of_how_many(store):
    world = world_with(store, SAME_HOUR, hours=120)
    judge(world, [0, 24, 48])
    short = next(row for row in rows_at(world, 24) if row.check == "drift")
    assert (short.status, short.reason, short.rows, short.needs) == ("unknown", "baseline_too_short", 1, 2)
    assert {row.check for row in rows_at(world, 24) if row.status == "ok"} == {"volume", "schema"}
    enough = row_of(world, 48, column="age", metric="psi")
    assert (enough.status, enough.reference_rows, enough.method["baseline"]["windows"]) == ("ok", 200, 2)


def test_a_baseline_is_calibrated_with_the_reference_and_judges_at_once(store):
    world = world_with(store, SAME_HOUR, hours=120)
    judge(world, [0, 24, 48])
    surprise = row_of(world, 48, column="age", metric="surprise")
    assert (surprise.status, surprise.reason) == ("ok", None)
    judge(world, [72], shift=80.0)
    assert row_of(world, 72, column="age", metric="surprise").status == "alert"


def test_windows_in_alert_are_left_out_unless_told_otherwise(store):
    kept = {}
    for skip in ("alert", "none"):
        world = world_with(store, ROLLING | {"skip": skip}, name=skip)
        judge(world, range(4))
        judge(world, [4], shift=80.0)
        judge(world, [5])
        assert world.result(4).status == "alert"
        kept[skip] = row_of(world, 5, column="age", metric="psi").method["baseline"]["rows"]
    assert kept == {"alert": 200, "none": 300}


def test_late_rows_of_an_earlier_window_have_the_later_ones_judged_again_and_no_others(store):
    world = world_with(store, ROLLING, hours=50)  # too short for sums of windows, which reach further
    judge(world, range(8))
    world.post(hour_of_rows(2, rows=50, seed=99, name="late"), received_us=world.clock())
    world.clock.now_us += HOUR_US
    world.runner.tick()
    assert [window.revision for window in world.windows()] == [1, 1, 2, 2, 2, 2, 1, 1]
    assert row_of(world, 5, column="age", metric="psi").reference_rows == 350
    world.runner.tick()
    assert [window.revision for window in world.windows()] == [1, 1, 2, 2, 2, 2, 1, 1]


def test_an_alert_that_late_rows_bring_takes_the_window_out_of_later_baselines(store):
    world = world_with(store, ROLLING)
    judge(world, range(6))
    world.post(hour_of_rows(3, rows=300, seed=9, shift=80.0, name="late"), received_us=world.clock())
    world.clock.now_us += HOUR_US
    world.runner.tick()
    assert world.result(3).status == "alert"
    assert [row_of(world, hour, column="age", metric="psi").reference_rows for hour in (4, 5)] == [200, 200]


def everything(world, hours):
    return {hour: world.numbers(hour) for hour in hours}


def test_the_order_in_which_hours_arrive_changes_nothing(store):
    """Ever the same rows and the same calibration: one after the other, backwards, or all in one go."""
    hours = range(6)
    found = []
    for name, order in (("forth", list(hours)), ("back", list(hours)[::-1]), ("at-once", None)):
        world = world_with(store, ROLLING, name=name)
        batches = [hour_of_rows(hour, rows=100, shift=80.0 if hour == 3 else 0.0) for hour in hours]
        if order is None:
            world.post(pa.concat_batches(batches))
        for position in order or ():
            world.post(batches[position])
            world.tick_after(5)
        world.tick_after(5)
        world.runner.tick()
        found.append(everything(world, hours))
    assert found[1] == found[0]
    assert found[2] == found[0]


def test_a_version_has_its_own_baseline_and_a_check_its_own_before_that(store):
    world = world_with(
        store, {"kind": "previous"},
        checks=[
            {"name": "drift", "kind": "drift"},
            {"name": "age", "kind": "drift", "columns": ["age"], "baseline": {"kind": "reference"}},
        ],
    )  # fmt: skip
    with store.write() as conn:
        update_version(conn, replace(world.version, settings={"baseline": ROLLING}))
    judge(world, range(4))
    assert row_of(world, 3, column="spend", metric="psi").method["baseline"]["kind"] == "rolling"
    assert "baseline" not in row_of(world, 3, column="age", metric="psi").method
    assert row_of(world, 3, column="age", metric="psi").reference_rows == 7_200


def test_the_budget_is_shared_between_what_is_held_against_different_things(store):
    world = world_with(
        store, None,
        checks=[
            {"name": "drift", "kind": "drift"},
            {"name": "age", "kind": "drift", "columns": ["age"], "baseline": ROLLING},
        ],
    )  # fmt: skip
    judge(world, range(4))
    spent = {
        row.check: row.method["false_alarms_per_month"]
        for row in rows_at(world, 3)
        if row.column == "" and row.kind == "drift"
    }  # fmt: skip
    assert spent == {"drift": pytest.approx(22.5), "age": pytest.approx(7.5)}  # four columns, one of them apart


def test_volume_can_be_held_against_the_same_hour(store):
    world = world_with(
        store, SAME_HOUR, checks=[{"name": "rows", "kind": "volume", "threshold": {"alert": {"drop": 30}}}]
    )  # fmt: skip
    judge(world, [0, 24], rows=100)
    judge(world, [48], rows=60)
    assert [row.status for row in rows_at(world, 24)] == ["unknown"]
    found = rows_at(world, 48)[0]
    assert (found.status, found.threshold, found.value) == ("alert", 70.0, 60.0)


def test_a_baseline_set_later_is_learned_after_the_next_window(store):
    world = world_with(store, None)
    judge(world, range(5))
    with store.write() as conn:
        model = get_model(conn, name=world.model.name)
        update_model(conn, replace(model, settings=model.settings | {"baseline": ROLLING}, updated_us=world.clock()))
    judge(world, [5, 6])
    assert row_of(world, 5, column="age", metric="surprise").reason == "learning"
    assert row_of(world, 6, column="age", metric="surprise").status == "ok"


def another_version(world, baseline=None, *, hours=50):
    """A second version of the world's model, with the same reference."""
    with world.store.write() as conn:
        settings = {} if baseline is None else {"baseline": baseline}
        version = insert_version(
            conn, Version(model_id=world.model.id, name="2", created_us=START_US, settings=settings)
        )
    other = replace(world, version=version)
    set_usual_reference(other, hours=hours)
    return other


def test_a_version_is_held_against_the_same_window_of_another_and_judged_again_when_that_changes(store):
    old = world_with(store, None, hours=50)
    judge(old, range(3))
    new = another_version(old, {"kind": "version", "version": "1"})
    judge(new, range(3), name="new", seed=7)
    told = row_of(new, 2, column="age", metric="psi")
    assert (told.reference_rows, told.method["baseline"]) == (100, {"kind": "version", "windows": 1, "rows": 100})
    exact = ks_2samp(
        hour_of_rows(2, rows=100, seed=7)["age"].to_numpy(), hour_of_rows(2, rows=100)["age"].to_numpy()
    ).statistic  # fmt: skip
    ks = row_of(new, 2, column="age", metric="ks")
    assert ks.lower - 1e-12 <= exact <= ks.upper + 1e-12
    old.post(hour_of_rows(1, rows=50, seed=9, name="late"))
    for _ in range(2):
        new.clock.now_us += HOUR_US
        new.runner.tick()
    assert [row_of(new, hour, column="age", metric="psi").reference_rows for hour in range(3)] == [100, 150, 100]
    assert "baseline" not in row_of(old, 2, column="age", metric="psi").method


def test_a_version_that_is_not_there_is_too_short_a_baseline(store):
    world = world_with(store, {"kind": "version", "version": "gone"}, hours=50)
    judge(world, range(2))
    drift = next(row for row in rows_at(world, 1) if row.check == "drift")
    assert (drift.status, drift.reason, drift.rows, drift.needs) == ("unknown", "baseline_too_short", 0, 1)


def test_what_both_versions_had_is_what_a_version_baseline_is_calibrated_by(store):
    old = world_with(store, None, hours=50)
    new = another_version(old, {"kind": "version", "version": "1"})
    for hour in range(34):
        old.post(hour_of_rows(hour, rows=100))
        new.post(hour_of_rows(hour, rows=100, seed=3_000 + hour, name="new"))
        new.tick_after(hour)
    Learner(store, contexts=Contexts()).learn(version_id=new.version.id, now_us=new.clock())
    with store.read() as conn:
        context = Contexts().load(conn, version_id=new.version.id)
    (calibration,) = context.taught.values()
    assert (calibration.windows, calibration.state) == (34, "calibrated")


def test_fixed_windows_are_summed_whatever_window_is_judged(store):
    window = {"kind": "windows", "from": "2026-03-02T01:00:00Z", "to": "2026-03-02T04:00:00Z"}
    world = world_with(store, None, hours=50)
    judge(world, range(5))
    with store.write() as conn:
        model = get_model(conn, name=world.model.name)
        update_model(conn, replace(model, settings=model.settings | {"baseline": window}, updated_us=world.clock()))
    judge(world, [5, 6])
    told = [row_of(world, hour, column="age", metric="ks").method["baseline"] for hour in (5, 6)]
    assert told == [{"kind": "windows", "windows": 3, "rows": 300}] * 2
    then = np.concatenate([hour_of_rows(hour, rows=100)["age"].to_numpy() for hour in (1, 2, 3)])
    exact = ks_2samp(hour_of_rows(6, rows=100)["age"].to_numpy(), then).statistic
    ks = row_of(world, 6, column="age", metric="ks")
    assert ks.lower - 1e-12 <= exact <= ks.upper + 1e-12
    assert row_of(world, 6, column="age", metric="surprise").status == "ok"


def test_the_status_says_what_checks_are_held_against_and_what_that_cannot_see(store):
    world = world_with(
        store, None, hours=50,
        checks=[
            {"name": "drift", "kind": "drift"},
            {"name": "age", "kind": "drift", "columns": ["age"], "baseline": ROLLING},
        ],
    )  # fmt: skip
    judge(world, range(2))
    shown = status_of(world)["calibration"]
    assert [(one["checks"], one["baseline"]["kind"]) for one in shown["baselines"]] == [
        (["drift"], "reference"), (["age"], "rolling")
    ]  # fmt: skip
    assert (shown["baselines"][1]["state"], shown["baselines"][1]["windows"]) == ("calibrated", 48)
    assert "slower than its windows" in shown["baselines"][1]["blind"]
    assert shown["proposed"] is None


def test_a_baseline_is_proposed_where_traffic_has_a_season_and_changes_nothing(store):
    world = make_world(store)
    tables = [
        hour_of_rows(h, rows=100, seed=500 + h, shift=8.0 * np.sin(h * np.pi / 12), name="r") for h in range(-96, 0)
    ]
    made = set_reference(
        store, version_id=world.version.id, source=lambda: iter(tables), roles=Roles(), now_us=world.clock()
    )  # fmt: skip
    world.schema, world.schema_id = made.schema, made.reference.schema_id
    judge(world, [0])
    shown = status_of(world)["calibration"]
    assert shown["proposed"]["baseline"] == {
        "kind": "same_hour", "windows": 28, "gap": 0, "min_windows": 7, "skip": "alert"
    }  # fmt: skip
    assert shown["proposed"]["evidence"]["daily_p_value"] < 0.01
    assert [one["baseline"] for one in shown["baselines"]] == [{"kind": "reference"}]


def test_a_trial_says_what_the_service_records_of_checks_held_against_baselines(store):
    shapes = [
        {"name": "drift", "kind": "drift", "baseline": ROLLING},
        {"name": "psi", "kind": "drift", "columns": ["age"], "threshold": 1.0, "baseline": {"kind": "previous"}},
    ]
    world = world_with(store, None, hours=50, checks=shapes)
    judge(world, range(5))
    judge(world, [5], shift=80.0)
    trial, judged = tried(world, parse_checks(shapes))
    assert [one.judged[0].rows for one in judged] == [rows_at(world, hour) for hour in range(6)]
    assert trial.tallies[0]["psi"].whole.in_alarm == 1


def test_an_alert_is_explained_by_what_it_was_held_against(store):
    world = world_with(store, None, hours=50, checks=[{"name": "drift", "kind": "drift", "baseline": ROLLING}])
    judge(world, range(5), shift=3.0)
    judge(world, [5], shift=12.0)
    told = Explainer(store, contexts=Contexts()).explain(
        version_id=world.version.id, start_us=START_US + 5 * HOUR_US, dated=False
    )  # fmt: skip
    column = told.explanation.columns[0]
    measures = {fact.measure: fact.reference for fact in column.facts}
    then = np.concatenate([hour_of_rows(hour, rows=100, shift=3.0)["age"].to_numpy() for hour in (2, 3, 4)])
    assert measures["median"] == pytest.approx(np.median(then), abs=0.5)
    assert abs(np.median(then) - 40.0) > 1.0  # and not by the reference, whose median that is


def test_what_somebody_said_of_a_window_decides_whether_it_is_in_a_baseline(store):
    world = world_with(store, ROLLING, hours=50)
    judge(world, range(4))
    judge(world, [4], shift=80.0)
    with store.write() as conn:
        for hour, healthy in ((4, True), (3, False)):
            put_mark(
                conn, version_id=world.version.id, start_us=START_US + hour * HOUR_US, healthy=healthy, reason="known",
                by="", at_us=world.clock(),
            )  # fmt: skip
    judge(world, [5])
    told = row_of(world, 5, column="age", metric="psi").method["baseline"]
    assert told["windows"] == 2
    assert world.result(4).status == "alert"
