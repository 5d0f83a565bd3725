"""Directions and facts of constructed shifts, held against numpy on the raw values."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from monitor.explain.direction import Direction, find_direction
from monitor.explain.facts import facts_of
from tests.explain.world import AIRPORTS, SCHEMA, World, broken, raw

NAMES = [column.name for column in SCHEMA.columns]


@pytest.fixture(scope="module")
def world():
    return World()


def rows_of(changed):
    values = next(iter(changed.values()))
    return len(values[0] if isinstance(values, tuple) else values)


def direction(world, column, *, test="psi", **changed):
    rng = np.random.default_rng(1)
    sides = world.sides(raw(rng, rows=rows_of(changed), **changed))
    return find_direction(sides, column=NAMES.index(column), test=test)


def facts(world, column, *, test="psi", strays=False, unit="", **changed):
    rng = np.random.default_rng(1)
    sides = world.sides(raw(rng, rows=rows_of(changed), **changed))
    position = NAMES.index(column)
    found = find_direction(sides, column=position, test=test)
    return facts_of(sides, column=position, direction=found, unit=unit, strays=strays)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32), rows=st.integers(300, 2_000), up=st.booleans(),
    shift=st.floats(0.5, 12.0), column=st.sampled_from(["temp", "price"]),
)  # fmt: skip
def test_a_column_that_moves_is_said_to_be_higher_or_lower_as_its_mean_is(world, seed, rows, up, shift, column):
    rng = np.random.default_rng(seed)
    own = world.raw[column]
    values = rng.choice(own, rows) + (shift if up else -shift) * own.std()
    found = direction(world, column, **{column: values})
    assert (found.kind, found.change) == ("location", "higher" if values.mean() > own.mean() else "lower")


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), rows=st.integers(400, 2_000), factor=st.sampled_from([0.3, 0.5, 1.6, 2.0, 3.0]))
def test_a_column_that_spreads_or_gathers_about_its_middle_is_wider_or_narrower(world, seed, rows, factor):
    own = world.raw["temp"]
    values = np.median(own) + factor * (np.random.default_rng(seed).choice(own, rows) - np.median(own))
    found = direction(world, "temp", temp=values)
    assert (found.kind, found.change) == ("spread", "wider" if values.std() > own.std() else "narrower")


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), name=st.sampled_from(AIRPORTS), more=st.booleans())
def test_the_category_that_alone_gains_or_loses_is_named(world, seed, name, more):
    rng = np.random.default_rng(seed)
    rows = 1_500
    values = rng.choice(world.raw["origin"], rows)
    if more:
        values[rng.random(rows) < 0.3] = name
    else:
        others = [other for other in AIRPORTS if other != name]
        share = [np.mean(world.raw["origin"] == other) for other in others]
        gone = values == name
        values[gone] = rng.choice(others, gone.sum(), p=np.array(share) / sum(share))
    found = direction(world, "origin", origin=values)
    assert (found.kind, found.of, found.change) == ("category", name, "more" if more else "less")


def test_one_value_that_takes_over_is_named(world):
    rng = np.random.default_rng(2)
    spend = np.where(rng.random(800) < 0.95, 0.0, rng.exponential(10.0, 800))
    found = direction(world, "spend", spend=spend)
    assert (found.kind, found.of, found.change) == ("value", "0", "more")
    (fact,) = facts(world, "spend", spend=spend)
    assert fact.current == (spend == 0).mean()
    assert fact.reference == (world.raw["spend"] == 0).mean()
    now, before = (round(100 * np.mean(values == 0)) for values in (spend, world.raw["spend"]))
    assert fact.words == f"the value 0 in {now} % of rows, in the reference {before} %"


def test_a_flag_that_is_set_more_often_is_told_by_its_value(world):
    found = direction(world, "flag", flag=(np.random.default_rng(2).random(800) < 0.6).astype(float))
    assert (found.kind, found.change) == ("value", "more" if found.of == "1" else "less")


def test_a_range_in_the_middle_that_fills_up_is_named(world):
    rng = np.random.default_rng(4)
    own, rows = world.raw["temp"], 4_000
    values = rng.choice(own, rows)
    low, high = np.quantile(own, [0.4, 0.5])
    taken = rng.random(rows) < 0.3
    values[taken] = rng.uniform(low, high, taken.sum())
    found = direction(world, "temp", temp=values)
    assert (found.kind, found.change) == ("range", "more")
    (fact,) = facts(world, "temp", temp=values)
    inside = (values > low) & (values <= high)
    assert fact.current == pytest.approx(inside.mean(), abs=0.01)
    assert fact.reference == pytest.approx(0.1, abs=0.005)


@pytest.mark.parametrize(("change", "far"), [("above", 1_000.0), ("below", -1_000.0)])
def test_values_outside_the_range_are_said_to_lie_above_or_below_with_their_share(world, change, far):
    values = raw(np.random.default_rng(6), rows=1_000)["temp"]
    values[:250] = far
    found = direction(world, "temp", test="out_of_range", temp=values)
    assert (found.kind, found.change) == ("out_of_range", change)
    fact = facts(world, "temp", test="out_of_range", temp=values)[0]
    own = world.raw["temp"]
    outside = values > own.max() if change == "above" else values < own.min()
    assert fact.current == outside.mean()
    bound = own.max() if change == "above" else own.min()
    assert fact.words == f"{change} everything in the reference ({bound:.3g}) in 25 % of rows"


def test_values_on_both_sides_are_said_to_be_on_both(world):
    values = raw(np.random.default_rng(6), rows=1_000)["temp"]
    values[:100], values[100:200] = 1_000.0, -1_000.0
    assert direction(world, "temp", test="out_of_range", temp=values).change == "both"
    above, below = facts(world, "temp", test="out_of_range", temp=values)[:2]
    assert (above.words[:5], below.words[:5]) == ("above", "below")


def test_values_that_are_all_above_are_so_in_100_percent_of_rows(world):
    words = facts(world, "temp", test="out_of_range", temp=np.full(500, 200.0))[0].words
    assert words == f"above everything in the reference ({world.raw['temp'].max():.3g}) in 100 % of rows"


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), share=st.floats(0.05, 0.9))
def test_missing_values_are_told_by_their_share_of_the_rows(world, seed, share):
    rng = np.random.default_rng(seed)
    mask = rng.random(500) < share
    values = pa.array(rng.normal(40.0, 10.0, 500), mask=mask)
    found = direction(world, "temp", test="missing", temp=values)
    assert (found.kind, found.change) == ("missing", "more" if mask.any() else "")
    (fact,) = facts(world, "temp", test="missing", temp=values)
    assert (fact.reference, fact.current) == (0.0, mask.mean())


def test_invalid_values_are_told_apart_from_missing_ones(world):
    values = broken(raw(np.random.default_rng(6), rows=400)["temp"], at=np.arange(400) < 100)
    found = direction(world, "temp", test="invalid", temp=values)
    assert (found.kind, found.change) == ("invalid", "more")
    (fact,) = facts(world, "temp", test="invalid", temp=values)
    assert (fact.current, fact.words) == (0.25, "invalid in 25 % of rows, in the reference 0 %")


def test_new_categories_are_named_by_how_often_they_come(world):
    values = raw(np.random.default_rng(6), rows=1_000)["origin"].astype(object)
    values[:60], values[60:300] = "ORD", "BOS"
    assert direction(world, "origin", test="unseen", origin=values).kind == "unseen"
    (fact,) = facts(world, "origin", test="unseen", origin=values)
    assert fact.words == "categories that the reference does not have in 30 % of rows: `BOS` 24 %, `ORD` 6.0 %"


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), shift=st.floats(-30.0, 30.0), rows=st.integers(300, 1_500))
def test_a_median_is_numpys_to_within_its_cell(world, seed, shift, rows):
    values = np.random.default_rng(seed).normal(40.0 + shift, 10.0, rows)
    sides = world.sides(raw(np.random.default_rng(1), rows=rows, temp=values))
    fact = facts_of(sides, column=0, direction=Direction(kind="location", change="higher"))[0]
    assume(fact.measure == "median")  # where both are at one edge, the mean is told instead
    edges = world.layout.columns[0].edges
    for told, own in ((fact.reference, world.raw["temp"]), (fact.current, values)):
        bounds = np.concatenate([[own.min()], edges, [own.max()]])
        # numpy's median lies between two values, which may be in neighbouring cells
        low, high = np.sort(own)[[(len(own) - 1) // 2, len(own) // 2]]
        assert bounds[bounds < low].max(initial=own.min()) <= told <= bounds[bounds >= high].min(initial=own.max())


def test_where_the_median_stays_the_mean_is_told(world):
    rng = np.random.default_rng(3)
    spend = np.where(rng.random(2_000) < 0.6, 0.0, rng.exponential(25.0, 2_000))
    fact = facts(world, "spend", spend=spend)[0]
    assert fact.measure == "mean"
    assert fact.current == pytest.approx(spend.mean(), rel=1e-9)
    assert fact.reference == pytest.approx(world.raw["spend"].mean(), rel=1e-9)


def test_a_second_category_is_told_where_it_lost_what_the_first_gained(world):
    rng = np.random.default_rng(8)
    values = rng.choice(AIRPORTS, 3_000, p=[0.25, 0.45, 0.25, 0.05])
    told = facts(world, "origin", origin=values)
    assert [fact.measure for fact in told] in (
        ["share of JFK", "share of EWR"], ["share of EWR", "share of JFK"],
    )  # fmt: skip
    for fact in told:
        name = fact.measure.removeprefix("share of ")
        assert fact.current == pytest.approx(np.mean(values == name), abs=1e-12)
        assert fact.reference == pytest.approx(np.mean(world.raw["origin"] == name), abs=1e-12)


def test_where_the_median_lies_beyond_the_range_the_mean_is_told_exactly(world):
    values = raw(np.random.default_rng(6), rows=700)["temp"] + 80.0
    fact = facts(world, "temp", test="out_of_range", temp=values)[-1]
    assert (fact.measure, fact.current) == ("mean", pytest.approx(values.mean(), rel=1e-9))
    assert fact.reference == pytest.approx(world.raw["temp"].mean(), rel=1e-9)


def test_where_the_bulk_reaches_beyond_the_range_the_standard_deviation_is_told_exactly(world):
    values = 40.0 + 8.0 * (raw(np.random.default_rng(6), rows=700)["temp"] - 40.0)
    (fact,) = facts(world, "temp", temp=values)
    assert (fact.measure, fact.current) == ("standard deviation", pytest.approx(values.std(), rel=1e-6))
    assert fact.reference == pytest.approx(world.raw["temp"].std(), rel=1e-6)


@pytest.mark.parametrize("factor", [0.5, 1.6])
def test_the_bulk_is_told_by_its_quantiles_to_within_a_cell(world, factor):
    own = world.raw["temp"]
    values = np.median(own) + factor * (np.random.default_rng(5).choice(own, 2_000) - np.median(own))
    (fact,) = facts(world, "temp", temp=values)
    low, high = (0.25, 0.75) if "half" in fact.measure else (0.05, 0.95)
    for told, raw_values in ((fact.current, values), (fact.reference, own)):
        assert told == pytest.approx(np.quantile(raw_values, high) - np.quantile(raw_values, low), abs=0.3)
