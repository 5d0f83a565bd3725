"""The false alarms that a fixed threshold is told to cost are those that numpy counts in the raw values."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2

from monitor.evaluate.context import Contexts
from monitor.evaluate.fixed_rates import FixedRates, healthy_windows
from monitor.evaluate.simulate import Simulator
from monitor.evaluate.window import Evaluator
from monitor.model.checks import parse_checks
from monitor.store import models
from monitor.store.marks import put_mark
from tests.evaluate.test_simulate import run_hours, set_checks
from tests.evaluate.traces import everything
from tests.evaluate.traffic import hour_of_rows, make_world, set_usual_reference

PSI = {"name": "psi", "kind": "drift"}


def psi_of(current, reference):
    """The population stability index of raw counts, ½ added to each."""
    p, q = ((c + 0.5) / (c.sum() + len(c) / 2) for c in (current, reference))
    return float(((p - q) * np.log(p / q)).sum())


def counted(values, ends):
    """Counts of raw numbers in (−inf, ends₀], (ends₀, ends₁], …, (endsₙ, inf)."""
    return np.bincount(np.searchsorted(ends, values, side="left"), minlength=len(ends) + 1)


def decile_ends(values, edges):
    """The first layout edge at or above each tenth of the reference."""
    below = np.searchsorted(np.sort(values), edges, side="right")
    tenths = np.ceil(np.arange(1, 10) * len(values) / 10)
    return np.unique(edges[np.searchsorted(below, tenths)])


def category_counts(values):
    return np.array([(values == name).sum() for name in ("east", "north", "south")] + [0])  # the last: unseen


def raw(hours, **kind):
    """Hour → its raw ages and regions."""
    tables = {hour: hour_of_rows(hour, **kind) for hour in hours}
    return {hour: (t["age"].to_numpy(), np.array(t["region"].to_pylist())) for hour, t in tables.items()}


def episodes(over):
    return sum(now and not before for before, now in zip([False, *over], over, strict=False))


def counter(world):
    """What counts the rates, and the simulator whose one place it takes."""
    contexts = Contexts()
    simulator = Simulator(world.store, evaluator=Evaluator(world.store, contexts=contexts))
    return FixedRates(world.store, contexts=contexts, simulator=simulator), simulator


def rates_of(world, shapes):
    rates, _ = counter(world)
    found = rates.of_model(world.model, checks=parse_checks(shapes), now_us=world.clock())
    return {one.check.name: one for one in found}


def edges_of(world, name):
    with world.store.read() as conn:
        layout = Contexts().load(conn, version_id=world.version.id).layout
    return next(column.edges for column in layout.columns if column.name == name)


def fixed(**more):
    """One check a column, so that the alarms of each are counted by themselves."""
    return [{**PSI, "name": f"psi-{column}", "columns": [column], **more} for column in ("age", "region")]


def expected(current, reference, *, ends, limit):
    """Column → in alarm or not, window by window, by numpy on raw values; ``reference`` hour → what it is held to."""
    ages = [psi_of(counted(now[0], ends), counted(reference[h][0], ends)) for h, now in current.items()]
    regions = [psi_of(category_counts(now[1]), category_counts(reference[h][1])) for h, now in current.items()]
    return {"psi-age": [v > limit for v in ages], "psi-region": [v > limit for v in regions]}


def agree(found, over, *, source):
    assert (found.source, found.tally.whole.decided) == (source, len(over))
    assert (found.tally.whole.in_alarm, found.tally.whole.episodes) == (sum(over), episodes(over))


@pytest.mark.parametrize("limit", [0.02, 0.05, 0.1])
def test_the_rate_on_production_windows_is_what_numpy_counts_in_raw_values(store, limit):
    world = make_world(store)
    set_usual_reference(world, hours=4, rows=400)
    run_hours(world, [(100, 0.0)] * 12)
    before = everything(store)
    found = rates_of(world, fixed(threshold=limit))
    assert everything(store) == before
    reference = {hour: raw([hour], rows=400, seed=500 + hour, name="ref")[hour] for hour in range(-4, 0)}
    whole = tuple(np.concatenate(parts) for parts in zip(*reference.values(), strict=True))
    current = raw(range(12), rows=100)
    ends = decile_ends(whole[0], edges_of(world, "age"))
    over = expected(current, dict.fromkeys(current, whole), ends=ends, limit=limit)
    for name, alarms in over.items():
        agree(found[name], alarms, source="production")
    assert 0 < sum(map(sum, over.values())) < 24 or limit != 0.05


@pytest.mark.parametrize("limit", [0.05, 0.1, 0.2])
def test_the_rate_on_the_references_own_windows_is_held_against_the_reference_less_the_fold(store, limit):
    world = make_world(store)
    set_usual_reference(world, hours=20, rows=100)
    found = rates_of(world, fixed(threshold=limit))
    own = {hour: raw([hour], rows=100, seed=500 + hour, name="ref")[hour] for hour in range(-20, 0)}
    fold = {hour: position * 5 // 20 for position, hour in enumerate(own)}
    rest = {
        hour: tuple(np.concatenate([own[h][c] for h in own if fold[h] != fold[hour]]) for c in (0, 1)) for hour in own
    }
    whole = np.concatenate([ages for ages, _ in own.values()])
    ends = decile_ends(whole, edges_of(world, "age"))
    over = expected(own, rest, ends=ends, limit=limit)
    for name, alarms in over.items():
        agree(found[name], alarms, source="reference")
    assert 0 < sum(map(sum, over.values())) < 40 or limit != 0.1


def test_shares_and_rows_of_the_references_own_windows_are_those_of_its_rows(store):
    world = make_world(store)
    set_usual_reference(world, hours=20, rows=100)
    shapes = [
        {"name": "range", "kind": "quality", "metric": "out_of_range", "columns": ["age"], "threshold": 0.0},
        {"name": "rows", "kind": "volume", "threshold": {"alert": {"below": 101}}},
        {"name": "more", "kind": "volume", "metric": "rows", "threshold": {"warning": {"above": 99}}},
        {"name": "ks", "kind": "drift", "metric": "ks", "threshold": 0.1},
    ]
    found = rates_of(world, shapes)
    own = {hour: raw([hour], rows=100, seed=500 + hour, name="ref")[hour][0] for hour in range(-20, 0)}
    fold = {hour: position * 5 // 20 for position, hour in enumerate(own)}
    rest = {hour: np.concatenate([own[h] for h in own if fold[h] != fold[hour]]) for hour in own}
    edges = edges_of(world, "age")

    def outside(hour):  # in a cell of the layout beyond those that the rest fills
        cells, others = np.searchsorted(edges, own[hour]), np.searchsorted(edges, rest[hour])
        return (cells < others.min()).any() or (cells > others.max()).any()

    agree(found["range"], [outside(hour) for hour in own], source="reference")
    assert any(outside(hour) for hour in own)
    agree(found["rows"], [True] * 20, source="reference")
    assert found["more"].level == "warning"
    assert (found["more"].tally.whole.in_warning, found["more"].tally.whole.warning_episodes) == (20, 1)
    assert (found["ks"].source, found["ks"].tally) == (None, None)
    assert "do not say ks" in found["ks"].reason


def test_windows_that_only_a_fixed_threshold_condemned_are_held_healthy_and_those_of_auto_are_not(store):
    world = make_world(store)
    set_usual_reference(world, hours=40)
    strict = [
        {"name": "drift", "kind": "drift"},
        {"name": "out", "kind": "quality", "metric": "missing", "threshold": -1},
    ]
    set_checks(world, strict)
    run_hours(world, [(200, 0.0), (200, 30.0), (200, 0.0)])
    assert [world.result(hour).status for hour in range(3)] == ["alert", "alert", "alert"]
    with store.read() as conn:
        healthy = healthy_windows(conn, version_id=world.version.id, rated=frozenset(), most=10)
    assert [w.start_us for w in healthy] == [world.result(0).window_start_us, world.result(2).window_start_us]


def test_what_people_said_of_a_window_comes_before_what_its_checks_say(store):
    world = make_world(store)
    set_usual_reference(world, hours=40)
    set_checks(world, [{"name": "drift", "kind": "drift"}])
    run_hours(world, [(200, 0.0), (200, 30.0), (200, 0.0)])
    starts = [world.result(hour).window_start_us for hour in range(3)]
    with store.write() as conn:
        for start_us, healthy in ((starts[0], False), (starts[1], True)):
            put_mark(conn, version_id=world.version.id, start_us=start_us, healthy=healthy, reason="", by="", at_us=1)
        found = healthy_windows(conn, version_id=world.version.id, rated=frozenset(), most=10)
    assert [w.start_us for w in found] == starts[1:]


def test_what_is_set_is_answered_though_its_rate_cannot_be_counted_now(store, monkeypatch):
    world = make_world(store)
    set_usual_reference(world)
    rates, simulator = counter(world)
    asked = {"checks": parse_checks([PSI | {"threshold": 0.2}]), "now_us": world.clock(), "wait_seconds": 0.0}
    with simulator.claimed():
        (busy,) = rates.of_model(world.model, **asked)
    assert (busy.tally, busy.reason) == (None, "another simulation runs: ask checks/simulate later")
    monkeypatch.setattr(FixedRates, "of_version", lambda *_, **__: 1 / 0)
    (failed,) = rates.of_model(world.model, **asked)
    assert (failed.tally, failed.reason) == (None, "counting failed: the server's log says why")


def test_without_a_version_or_a_window_nothing_is_known_yet(store):
    world = make_world(store)
    found = rates_of(world, fixed(threshold=0.1))
    assert {(one.source, one.tally, one.reason) for one in found.values()} == {(None, None, "no history")}
    with store.write() as conn:
        models.delete_model(conn, name="churn")
    found = rates_of(world, fixed(threshold=0.1))
    assert {one.reason for one in found.values()} == {"no history"}
    assert rates_of(world, [{"name": "drift", "kind": "drift"}]) == {}


def test_the_interval_of_a_rate_is_that_of_scipy(store):
    world = make_world(store)
    set_usual_reference(world, hours=4, rows=400)
    run_hours(world, [(100, 0.0)] * 8)
    found = rates_of(world, fixed(threshold=0.05))["psi-age"]
    rate = found.tally.whole.alarms(windows_per_month=720.0)
    k, months = found.tally.whole.episodes, 8 / 720
    lower = chi2.ppf(0.025, 2 * k) / 2 if k else 0.0
    assert (rate.per_month, rate.lower, rate.upper) == pytest.approx(
        (k / months, lower / months, chi2.ppf(0.975, 2 * k + 2) / 2 / months)
    )
