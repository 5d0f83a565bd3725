"""Explanations from what is stored: merged windows, cells that are gone, checks without columns."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.evaluate.context import Contexts
from monitor.evaluate.explaining import Explainer
from monitor.evaluate.relayout import request_relayout
from monitor.model.errors import NotFound
from monitor.model.time import HOUR_US
from monitor.store import Store
from monitor.store.profiles import delete_profiles
from tests.evaluate.traffic import START_US, World, hour_of_rows, make_world, set_usual_reference


@pytest.fixture
def world(store: Store) -> World:
    made = make_world(store)
    set_usual_reference(made, hours=60)
    return made


def explainer(world: World) -> Explainer:
    return Explainer(world.store, contexts=Contexts())


def run(world: World, hours, *, rows, shift=0.0):
    """Posts the hours and lets them be judged; the raw ages."""
    ages = []
    for hour in hours:
        table = hour_of_rows(hour, rows=rows, shift=shift)
        world.clock.now_us = START_US + hour * HOUR_US + HOUR_US - 1
        world.post(table)
        world.tick_after(hour)
        ages.append(table["age"].to_numpy())
    return ages


def test_a_window_of_few_rows_is_explained_by_the_rows_it_was_judged_with(world):
    ages = run(world, range(3), rows=30, shift=60.0)
    found = explainer(world).explain(version_id=world.version.id, start_us=START_US + 2 * HOUR_US, check="drift")
    story = next(each for each in found.explanation.columns if each.column == "age")
    together = np.concatenate(ages[1:])  # two windows have the fifty rows that a check asks for
    above = next(fact for fact in story.facts if fact.measure == "share above the range")
    mean = next(fact for fact in story.facts if fact.measure == "mean")
    assert found.explanation.status == "alert"
    assert mean.current == pytest.approx(together.mean(), rel=1e-9)
    assert above.current == pytest.approx(np.mean(together > above_all(world)), abs=1e-9)
    assert found.explanation.rows == 30


def above_all(world: World) -> float:
    tables = [hour_of_rows(hour, rows=100, seed=500 + hour, name="ref") for hour in range(-60, 0)]
    return max(float(np.max(table["age"].to_numpy())) for table in tables)


def test_where_the_counts_are_gone_columns_values_and_evidence_are_left(world):
    run(world, range(2), rows=200, shift=30.0)
    before, after = explained_without_counts(world)
    pairs = list(zip(before.columns, after.columns, strict=True))
    assert [(a.column, a.value, a.share) for a, _ in pairs] == [(b.column, b.value, b.share) for _, b in pairs]
    assert {b.direction for _, b in pairs} == {None}
    assert after.sentence.startswith("drift is in alert in the window of 2026-03-02 01:00 UTC, 200 rows: ")
    assert after.rarity is None


def explained_without_counts(world):
    one = {"version_id": world.version.id, "start_us": START_US + HOUR_US, "check": "drift"}
    before = explainer(world).explain(**one).explanation
    with world.store.write() as conn:
        assert delete_profiles(conn, version_id=world.version.id) == 2
    return before, explainer(world).explain(**one).explanation


def test_after_a_relayout_the_window_is_explained_in_its_new_cells(world):
    ages = run(world, range(2), rows=200, shift=30.0)
    with world.store.write() as conn:
        request_relayout(conn, version_id=world.version.id, number=None, now_us=world.clock.now_us)
    for _ in range(4):
        world.clock.now_us += 1_000_000
        world.runner.tick()
    found = explainer(world).explain(version_id=world.version.id, start_us=START_US + HOUR_US, check="drift")
    (age, *_) = found.explanation.columns
    above = next(fact for fact in age.facts if fact.measure == "share above the range")
    assert above.current == pytest.approx(np.mean(ages[1] > above_all(world)), abs=1e-9)


def test_a_window_nobody_judged_and_a_check_that_did_not_are_not_found(world):
    run(world, range(1), rows=200)
    for start_us, check in ((START_US + 5 * HOUR_US, None), (START_US, "fairness")):
        with pytest.raises(NotFound, match="judge"):
            explainer(world).explain(version_id=world.version.id, start_us=start_us, check=check)


def test_an_hour_without_rows_is_explained_by_its_volume(world):
    run(world, range(3), rows=200)
    for hour in (3, 4):
        world.tick_after(hour)
    found = explainer(world).explain(version_id=world.version.id, start_us=START_US + 3 * HOUR_US, check="volume")
    assert (found.explanation.status, found.explanation.columns[0].facts[0].current) == ("alert", 0.0)
    assert "0 rows, the bound is 1" in found.explanation.sentence


def test_a_shift_that_only_sums_of_windows_show_is_explained_by_those_windows(store):
    """An hour that alarms by itself is in no sum, so it is not in what is told of one either."""
    world = make_world(store, name="slow")
    set_usual_reference(world, hours=60)
    ages = run(world, range(6), rows=100)
    run(world, [6], rows=100, shift=60.0)
    ages += [np.empty(0), *run(world, range(7, 20), rows=100, shift=4.0)]
    hour, age = first_told_of_a_sum(world, hours=range(8, 20))
    last = hour - (START_US // HOUR_US + hour + 1) % max(1, age.windows // 4)  # of the hours at the scale's last look
    together = np.concatenate(ages[max(last - age.windows + 1, 0) : last + 1])
    median = next(fact for fact in age.facts if fact.measure == "median")
    assert median.current == pytest.approx(np.median(together), abs=0.2)
    assert (age.direction.change, f"over the last {age.windows} windows" in age.words) == ("higher", True)


def first_told_of_a_sum(world, *, hours):
    """(hour, story) of the first hour whose ages fail by a sum of windows."""
    for hour in hours:
        found = explainer(world).explain(
            version_id=world.version.id, start_us=START_US + hour * HOUR_US, check="drift"
        ).explanation  # fmt: skip
        for each in found.columns:
            if each.column == "age" and each.share is not None and each.windows > 1:
                return hour, each
    raise AssertionError("no hour failed by a sum")
