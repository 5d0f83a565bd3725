"""Checks tried on stored windows: the statuses the service records when the same checks are set, and no trace."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from monitor.evaluate import simulate
from monitor.evaluate.context import Contexts
from monitor.evaluate.simulate import Simulator, Trial
from monitor.evaluate.window import Evaluator
from monitor.model.checks import default_checks, parse_checks
from monitor.model.errors import InvalidInput, Unavailable
from monitor.model.time import HOUR_US
from monitor.store import models, tables
from monitor.store.results import get_result, unpack_rows
from monitor.store.verdicts import delete_states, get_states
from tests.evaluate.scored_traffic import binary_world, labelled, scored
from tests.evaluate.traces import everything
from tests.evaluate.traffic import START_US, hour_of_rows, make_world, set_usual_reference

CHECKS = (
    {"name": "drift", "kind": "drift"},
    {"name": "psi", "kind": "drift", "threshold": {"warning": 0.05, "alert": 0.2}},
    {"name": "age", "kind": "drift", "metric": "ks", "columns": ["age"], "threshold": 0.1, "hold": 2},
    {"name": "most", "kind": "drift", "metric": "js", "threshold": 0.05, "share": 0.5, "min_rows": 150},
    {"name": "range", "kind": "quality", "metric": "out_of_range", "threshold": 0.01},
    {"name": "missing", "kind": "quality", "metric": "missing"},
    {"name": "volume", "kind": "volume", "threshold": {"alert": {"below": 100}}},
    {"name": "schema", "kind": "schema"},
    {"name": "off", "kind": "drift", "threshold": 0.001, "enabled": False},
)


def simulator_of(world):
    return Simulator(world.store, evaluator=Evaluator(world.store, contexts=Contexts()))


def tried(world, checks, *, from_us=None, to_us=None):
    """The trial of the checks, and the judgements behind it."""
    simulator = simulator_of(world)
    stretch = simulator.stretch(version_id=world.version.id, from_us=from_us, to_us=to_us)
    trial, judged = Trial([simulate.given(checks)]), []
    for one in simulator.retry(
        simulator.windows(stretch), version_id=world.version.id, sets=[checks], now_us=world.clock()
    ):
        trial.add(one)
        judged.append(one)
    return trial, judged


def run_hours(world, hours):
    """Posts and judges windows of (rows, shift), one an hour."""
    for hour, (rows, shift) in enumerate(hours):
        world.clock.now_us = world.close_of(hour)
        world.post(hour_of_rows(hour, rows=rows, shift=shift))
        world.tick_after(hour)


def set_checks(world, shapes):
    with world.store.write() as conn:
        model = models.get_model(conn, name=world.model.name)
        model.settings["checks"] = shapes
        models.update_model(conn, model)
        states = get_states(conn, version_id=world.version.id)
        delete_states(conn, version_id=world.version.id, keys=list(states))


def recorded(world, hours):
    """Hour → (status, rows) as stored, and (check → its verdict in force after it), after evaluating in order."""
    evaluator, found = Evaluator(world.store, contexts=Contexts()), []
    for hour in range(hours):
        start_us, now_us = START_US + hour * HOUR_US, world.close_of(hour)
        if evaluator.evaluate(version_id=world.version.id, start_us=start_us, now_us=now_us) is None:
            evaluator.evaluate_silence(
                version_id=world.version.id, start_us=start_us, end_us=start_us + HOUR_US, now_us=now_us
            )
        with world.store.read() as conn:
            result = get_result(conn, version_id=world.version.id, window_start_us=start_us)
            states = get_states(conn, version_id=world.version.id)
        found.append((result, {check: state.status for (check, _), state in states.items()}))
    return found


hours = st.lists(
    st.tuples(st.sampled_from([30, 80, 200]), st.sampled_from([0.0, 4.0, 30.0])), min_size=1, max_size=5
)  # fmt: skip


@given(hours=hours, chosen=st.lists(st.sampled_from(CHECKS), min_size=1, unique_by=lambda c: c["name"]))
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_a_trial_says_what_the_service_records_when_the_same_checks_are_set(store, hours, chosen):
    with store.read() as conn:
        name = f"m{len(models.list_models(conn))}"
    world = make_world(store, name=name)
    set_usual_reference(world)
    run_hours(world, hours)
    checks = parse_checks(chosen)
    before = everything(store)
    trial, judged = tried(world, checks)
    assert everything(store) == before
    set_checks(world, chosen)
    real = recorded(world, len(hours))
    assert [one.judged[0].rows for one in judged] == [unpack_rows(result.payload) for result, _ in real]
    assert [one.judged[0].status for one in judged] == [result.status for result, _ in real]
    for check in (c for c in checks if c.enabled):
        tally = trial.tallies[0][check.name]
        in_force = [states[check.name] for _, states in real]
        assert tally.whole.in_alarm == in_force.count("alert")
        assert tally.whole.in_warning == in_force.count("warning")
        began = [now == "alert" and before != "alert" for before, now in zip(["ok", *in_force], in_force, strict=False)]
        assert tally.whole.episodes == sum(began)
        for (column, metric), one in tally.columns.items():
            rows = [r for result, _ in real for r in unpack_rows(result.payload)]
            own = [r for r in rows if (r.check, r.column, r.metric) == (check.name, column, metric)]
            assert one.statuses == Counter(r.status for r in own)
            assert one.reasons == Counter(r.reason for r in own if r.status == "unknown")


def test_a_window_without_a_row_is_tried_as_it_was_judged(store):
    world = make_world(store)
    set_usual_reference(world)
    run_hours(world, [(200, 0.0)])
    Evaluator(store, contexts=Contexts()).evaluate_silence(
        version_id=world.version.id, start_us=START_US + HOUR_US, end_us=START_US + 2 * HOUR_US,
        now_us=world.close_of(1),
    )  # fmt: skip
    world.post(hour_of_rows(2))
    world.tick_after(2)
    trial, judged = tried(world, None)
    stored = [world.result(hour) for hour in range(3)]
    assert [one.window.rows for one in judged] == [200, 0, 200]
    assert [one.judged[0].rows for one in judged] == [unpack_rows(result.payload) for result in stored]
    assert trial.tallies[0]["volume"].whole.statuses == Counter(ok=2, alert=1)
    assert trial.recorded == Counter(result.status for result in stored)


def test_the_range_is_half_open_and_a_range_without_beginning_has_the_newest_windows(store, monkeypatch):
    monkeypatch.setattr(simulate, "USUAL_WINDOWS", 3)
    monkeypatch.setattr(simulate, "MOST_WINDOWS", 4)
    monkeypatch.setattr(simulate, "_PAGE", 2)
    world = make_world(store)
    set_usual_reference(world)
    run_hours(world, [(60, 0.0)] * 5)

    def starts(**span):
        _, judged = tried(world, None, **span)
        return [(one.window.start_us - START_US) // HOUR_US for one in judged]

    assert starts() == [2, 3, 4]
    assert starts(to_us=START_US + 4 * HOUR_US) == [1, 2, 3]
    assert starts(from_us=START_US + HOUR_US, to_us=START_US + 3 * HOUR_US) == [1, 2]
    assert starts(from_us=START_US + HOUR_US) == [1, 2, 3, 4]
    with pytest.raises(InvalidInput, match="more than 4 judged windows"):
        starts(from_us=START_US)


def test_a_gap_is_undecided_and_rows_that_are_gone_are_told(store):
    world = make_world(store)
    set_usual_reference(world)
    run_hours(world, [(200, 0.0), (200, 0.0)])
    with store.write() as conn:
        conn.execute(sa.update(tables.window).where(tables.window.c.start_us == START_US).values(state="gap"))
        conn.execute(sa.delete(tables.window).where(tables.window.c.start_us == START_US + HOUR_US))
    trial, judged = tried(world, None)
    assert [one.reason for one in judged] == [None, "gone"]
    assert trial.skipped == Counter(gone=1)
    assert trial.tallies[0]["drift"].whole.reasons == Counter(failed=1)


def test_one_simulation_runs_at_a_time(store):
    simulator = simulator_of(make_world(store))
    with simulator.claimed(), pytest.raises(Unavailable, match="another simulation"), simulator.claimed():
        pass
    with simulator.claimed():
        pass


def test_episodes_end_when_the_verdict_in_force_does_and_hold_delays_them(store):
    world = make_world(store)
    set_usual_reference(world)
    run_hours(world, [(200, shift) for shift in (0.0, 30.0, 0.0, 30.0, 30.0, 0.0)])
    at_once = {"name": "now", "kind": "drift", "columns": ["age"], "threshold": 0.5}
    trial, _ = tried(world, parse_checks([at_once, at_once | {"name": "held", "hold": 2, "metric": "ks"}]))
    now, held = (trial.tallies[0][name].whole for name in ("now", "held"))
    assert (now.statuses["alert"], now.in_alarm, now.episodes) == (3, 3, 2)
    assert (held.statuses["alert"], held.in_alarm, held.episodes) == (3, 1, 1)
    assert held.first == held.last == [START_US + 4 * HOUR_US]
    found = now.alarms(windows_per_month=720.0)
    assert found.per_month == 2 / (6 / 720)
    bounds = chi2.ppf(0.025, 4) / 2, chi2.ppf(0.975, 6) / 2
    assert np.allclose((found.lower, found.upper), np.array(bounds) / (6 / 720))


def test_no_checks_of_its_own_means_the_default_ones(store):
    world = make_world(store)
    set_usual_reference(world)
    run_hours(world, [(200, 0.0)])
    trial, _ = tried(world, None)
    assert set(trial.tallies[0]) == {check.name for check in default_checks()}


def test_checks_of_performance_are_tried_on_the_labels_that_came(store):
    world = binary_world(store)
    for hour, noise in enumerate((0.0, 0.0, 1.0)):
        batch, truth = scored(hour, noise=noise)
        world.clock.now_us = world.close_of(hour)
        world.post(labelled(batch, truth))
        world.tick_after(hour)
    chosen = [
        {"name": "auc", "kind": "performance", "metric": "roc_auc", "threshold": {"alert": {"below": 0.6}}},
        {"name": "guess", "kind": "estimate", "metric": "roc_auc", "threshold": {"alert": {"below": 0.6}}},
    ]
    before = everything(store)
    trial, judged = tried(world, parse_checks(chosen))
    assert everything(store) == before
    auc, guess = (trial.tallies[0][name].whole for name in ("auc", "guess"))
    assert (auc.statuses, auc.in_alarm, auc.episodes) == (Counter(ok=2, alert=1), 1, 1)
    assert guess.statuses == Counter(ok=3)
    set_checks(world, chosen)
    evaluator = Evaluator(store, contexts=Contexts())
    for hour in range(3):
        evaluator.evaluate(
            version_id=world.version.id, start_us=START_US + hour * HOUR_US, now_us=world.clock(), afresh=True
        )
    assert [one.judged[0].rows for one in judged] == [unpack_rows(world.result(hour).payload) for hour in range(3)]


def test_longer_scales_see_what_the_given_checks_would_have_left_for_them(store):
    """Hour 2 alarms by itself under the checks in force, and so is in none of their sums, but in those of the given."""
    world = make_world(store)
    set_usual_reference(world, hours=60)
    run_hours(world, [(100, 30.0 if hour == 2 else 3.0) for hour in range(6)])
    chosen = [{"name": "regions", "kind": "drift", "columns": ["region"]}]
    tried_in_force, _ = tried(world, None)
    _, judged = tried(world, parse_checks(chosen))
    set_checks(world, chosen)
    real = recorded(world, 6)
    assert [one.judged[0].rows for one in judged] == [unpack_rows(result.payload) for result, _ in real]
    assert any("scale" in row.method for one in judged for row in one.judged[0].rows)
    assert tried_in_force.tallies[0]["drift"].whole.statuses["alert"] >= 1
