"""Whole explanations of judged windows: columns, evidence, direction, since when, how rare, in words."""

import json
import re
from copy import copy
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.explain.explain import Case, explain
from monitor.model.results import ResultRow
from monitor.model.time import HOUR_US, rfc3339
from monitor.model.window import WindowSpec
from tests.explain.world import START_US, World, broken, raw, story


@pytest.fixture(scope="module")
def world():
    return World()


def healthy(count, *, seed=100):
    rng = np.random.default_rng(seed)
    return [raw(rng) for _ in range(count)]


def hot(rng, by=30.0, **changed):
    window = raw(rng)
    return window | {"temp": window["temp"] + by} | changed


def test_an_alarm_names_its_column_direction_numbers_beginning_and_rarity(world):
    rng = np.random.default_rng(9)
    before = [*healthy(20), hot(rng), hot(rng)]
    found = world.explain(hot(rng), before=before)
    temp = story(found, "temp")
    assert (found.status, found.failing, temp.status, temp.share) == ("alert", 1, "alert", 1.0)
    assert (temp.direction.kind, temp.direction.change) == ("location", "higher")
    assert temp.since.start_us == START_US - 2 * HOUR_US
    numbers = r"(39|40)\.\d to (69|70)\.\d, and above everything in the reference \(\d\d\.\d\) in \d+ % of rows"
    assert re.fullmatch(
        r"drift is in alert in the window of 2027-01-15 08:00 UTC, 400 rows: 1 of 6 columns\. "
        rf"`temp`: higher: median {numbers}, since 2027-01-15 06:00 UTC\. "
        r"Healthy traffic of this model goes this far rarer than once in 5 days, "
        r"which is as far as 120 healthy windows can tell\. False alarms are budgeted at 6 per month\.",
        found.sentence,
    ), found.sentence


def test_where_columns_move_slowly_it_says_that_more_false_alarms_may_come(world):
    slow = copy(world)
    slow.calibration = replace(world.calibration, memory=40.0, slowest="price")
    window = hot(np.random.default_rng(9))
    said = slow.explain(window).sentence.removeprefix(world.explain(window).sentence[:-1])
    assert said == (
        "; more may come, since columns move so slowly that 120 windows of `price` are worth about 3 independent ones."
    )
    slow.calibration = replace(world.calibration, memory=12.0, slowest="price")  # ten independent ones are enough
    assert slow.explain(window).sentence == world.explain(window).sentence


def test_evidence_is_shared_by_surprise_and_adds_up(world):
    rng = np.random.default_rng(9)
    window = hot(rng, by=30.0)
    window["price"] = window["price"] * 1.5
    found = world.explain(window)
    shares = {each.column: each.share for each in found.columns}
    assert set(shares) == {"temp", "price"}
    assert sum(shares.values()) == pytest.approx(1.0)
    values = {each.column: each.value for each in found.columns}
    for name, share in shares.items():
        assert share == pytest.approx(values[name] / sum(values.values()))
    assert [each.column for each in found.columns] == sorted(values, key=values.get, reverse=True)
    assert f"`temp` ({shares['temp']:.0%}".replace("%", " %") in found.sentence


@settings(max_examples=25, deadline=None)
@given(lasted=st.integers(0, 15), by=st.floats(8.0, 40.0), seed=st.integers(0, 2**32))
def test_the_beginning_is_within_a_window_of_the_true_one(world, lasted, by, seed):
    rng = np.random.default_rng(seed)
    before = [*healthy(20, seed=seed), *(hot(rng, by=by) for _ in range(lasted))]
    found = world.explain(hot(rng, by=by), before=before)
    since = story(found, "temp").since
    assert abs(since.start_us - (START_US - lasted * HOUR_US)) <= HOUR_US
    assert since.earliest_us <= since.start_us <= since.latest_us


def test_what_was_so_in_every_window_looked_at_began_before(world):
    rng = np.random.default_rng(9)
    found = world.explain(hot(rng), before=[hot(rng) for _ in range(10)])
    temp = story(found, "temp")
    assert (temp.since.before_all, temp.since.start_us) == (True, START_US - 10 * HOUR_US)
    assert "since 2027-01-14 22:00 UTC or before, the oldest of 11 windows looked at" in temp.words


@pytest.mark.parametrize(("check", "column", "kind", "change", "words"), [
    ("missing", "temp", "missing", "more", "missing in 25 % of rows, in the reference 0 %"),
    ("invalid", "temp", "invalid", "more", "invalid in 25 % of rows, in the reference 0 %"),
    ("unseen", "origin", "unseen", "more", "categories that the reference does not have in 25 % of rows: `ORD` 25 %"),
    ("schema", "temp", "gone", "more", "gone: missing in 100 % of rows, in the reference 0 %"),
])  # fmt: skip
def test_quality_and_schema_are_told_by_their_shares(world, check, column, kind, change, words):
    rng = np.random.default_rng(9)
    window, bad = raw(rng), np.arange(400) < (400 if check == "schema" else 100)
    if check == "unseen":
        window[column] = np.where(bad, "ORD", window[column])
    elif check == "invalid":
        window[column] = broken(window[column], at=bad)
    else:
        window[column] = pa.array(window[column], mask=bad)
    found = world.explain(window, check=check, before=healthy(8))
    told = story(found, column)
    assert (told.direction.kind, told.direction.change) == (kind, change)
    assert told.words == f"{words}, first in this window"
    assert found.status == "alert"


def test_a_window_without_rows_is_told_by_its_rows(world):
    none = {name: pa.array([], pa.string() if name == "origin" else pa.float64()) for name in world.raw}
    found = world.explain(none, check="volume")
    assert found.sentence == (
        "volume is in alert in the window of 2027-01-15 08:00 UTC, 0 rows. 0 rows, the bound is 1."
    )
    assert (found.columns[0].direction.kind, found.columns[0].direction.change) == ("rows", "fewer")


def test_a_fixed_threshold_has_no_rarity_and_shares_by_how_far_it_is_passed(world):
    rng = np.random.default_rng(9)
    window = hot(rng, by=30.0)
    window["price"] = window["price"] * 3.0
    checks = [{"name": "psi", "kind": "drift", "metric": "psi", "threshold": 0.2}]
    found = world.explain(window, check="psi", checks=checks)
    values = {each.column: each.value for each in found.columns}
    assert set(values) == {"temp", "price"}
    assert (found.rarity, found.budget, found.calibration) == (None, None, None)
    assert story(found, "temp").share == pytest.approx(values["temp"] / sum(values.values()))
    assert "Healthy traffic" not in found.sentence


def test_a_window_within_its_thresholds_says_what_came_closest(world):
    found = world.explain(raw(np.random.default_rng(77)))
    assert (found.status, found.failing, [each.share for each in found.columns]) == ("ok", 0, [None] * 3)
    assert found.sentence.startswith("drift is ok in the window of 2027-01-15 08:00 UTC, 400 rows. `")
    assert ": surprise " in found.sentence


def test_what_was_not_decided_says_why(world):
    found = world.explain(raw(np.random.default_rng(77), rows=20))
    assert found.sentence.startswith("drift could not be decided (few_rows) in the window of")


def test_many_columns_are_told_three_and_named_five(world):
    rng = np.random.default_rng(9)
    window = {name: (values + values.std() * 4 if name != "origin" else np.full(400, "SWF"))
              for name, values in raw(rng).items()}  # fmt: skip
    found = world.explain(window)
    assert found.failing == 6
    head, _, rest = found.sentence.partition("Also ")
    assert (head.count("of the evidence"), rest.count("`") // 2) == (3, 3)


def test_times_of_day_are_written_as_such_and_are_later_or_earlier(world):
    rng = np.random.default_rng(9)
    window = raw(rng) | {"hour": rng.integers(12, 22, 400).astype(float)}
    told = story(world.explain(window, units={"hour": "hour of day"}), "hour")
    assert told.words.startswith("later: median 1")
    assert re.search(r"median \d\d:\d\d to \d\d:\d\d", told.words), told.words


def test_one_column_alone_can_be_asked_for(world):
    found = world.explain(hot(np.random.default_rng(9)), column="price")
    assert [each.column for each in found.columns] == ["price"]
    assert found.columns[0].share is None


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), by=st.floats(-50.0, 50.0), rows=st.integers(50, 600), lost=st.floats(0.0, 1.0))
def test_words_have_no_wrong_plural_no_nan_and_numbers_that_json_knows(world, seed, by, rows, lost):
    rng = np.random.default_rng(seed)
    window = raw(rng, rows=rows)
    window["temp"] = pa.array(window["temp"] + by, mask=rng.random(rows) < lost)
    for check in ("drift", "missing", "schema", "unseen"):
        found = world.explain(window, check=check, before=healthy(4))
        assert not re.search(r"\b1 (rows|columns|windows|days|hours|values)\b", found.sentence), found.sentence
        assert not re.search(r"\bnan\b|\binf\b|None", found.sentence), found.sentence
        assert ".." not in found.sentence
        json.dumps(found.to_json(), allow_nan=False)


def test_the_structured_form_has_what_the_sentence_says(world):
    rng = np.random.default_rng(9)
    shape = world.explain(hot(rng), before=[*healthy(20), hot(rng)]).to_json()
    (temp,) = shape["columns"]
    assert temp["since"] == {
        "window_start": rfc3339(START_US - HOUR_US), "earliest": rfc3339(START_US - HOUR_US),
        "latest": rfc3339(START_US - HOUR_US), "windows": 22, "kind": "step",
    }  # fmt: skip
    assert temp["direction"] == {"kind": "location", "change": "higher"}
    assert [fact["measure"] for fact in temp["facts"]] == ["median", "share above the range"]
    assert shape["rarity"]["kind"] == "rarer_than"
    assert shape["rarity"]["once_in_seconds"] == 120 * 3_600


def test_columns_with_one_story_are_told_together(world):
    rng = np.random.default_rng(9)
    window, lost = raw(rng), np.arange(400) < 60
    for name in ("temp", "price", "hour"):
        window[name] = pa.array(window[name], mask=lost)
    found = world.explain(window, check="missing")
    assert (
        ": 3 of 6 columns. `temp`, `price` and `hour` (100 % of the evidence): "
        "missing in 15 % of rows, in the reference 0 %. Healthy"
    ) in found.sentence


def test_what_broke_needs_no_rarity_and_says_so(world):
    window = raw(np.random.default_rng(9))
    window["temp"] = pa.array(window["temp"], mask=np.arange(400) < 300)
    found = world.explain(window, check="missing")
    assert (found.status, found.rarity, found.budget) == ("alert", None, None)
    assert found.sentence.endswith(
        "missing in 75 % of rows, in the reference 0 %. "
        "That is half of the rows more than in the reference: it broke, whatever is usual."
    )


def row_of_worth(**changed):
    fields = {
        "column": "", "metric": "roc_auc", "check": "performance", "kind": "performance", "value": 0.5321,
        "lower": 0.4711, "upper": 0.5912, "threshold": 0.5402, "rows": 770, "reference_rows": 9_000, "status": "alert",
        "method": {"reference": 0.728, "bad": "below"},
    }  # fmt: skip
    return ResultRow(**(fields | changed))


def worth(row):
    return explain(
        Case(check=row.check, kind=row.kind, status=row.status, results=(row,), rows=770,
             window=WindowSpec(length="1d", timezone="America/New_York"), start_us=START_US)
    )  # fmt: skip


def test_performance_is_told_with_its_interval_the_reference_and_the_threshold():
    found = worth(row_of_worth())
    assert found.sentence == (
        "performance is in alert in the window of 2027-01-15, 770 rows. "
        "`roc_auc` is 0.532 (0.471 to 0.591 with 95 %), 0.728 on the reference, the threshold is 0.540."
    )
    (model,) = found.columns
    assert (model.direction.kind, model.direction.change) == ("performance", "lower")
    assert (model.facts[0].reference, model.facts[0].current) == (0.728, 0.5321)


def test_an_estimate_says_that_it_is_one():
    found = worth(row_of_worth(kind="estimate", check="estimate"))
    assert "estimated `roc_auc` is 0.532" in found.sentence


def test_what_was_found_over_several_windows_is_told_of_their_sum(world):
    rng = np.random.default_rng(9)
    windows = [hot(rng, by=3.0) for _ in range(24)]
    found = world.explain(windows[-1], before=[*healthy(30), *windows[:-1]], scale=24, together=windows)
    temp = story(found, "temp")
    every = np.concatenate([window["temp"] for window in windows])
    assert (temp.windows, temp.direction.change) == (24, "higher")
    assert temp.facts[0].current == pytest.approx(np.median(every), abs=0.1)
    assert "over the last 24 windows (24 hours)" in temp.words
    assert abs(temp.since.start_us - (START_US - 23 * HOUR_US)) <= 2 * HOUR_US
