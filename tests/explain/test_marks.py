"""What result rows say of why, for metrics: the five worst columns of each failing check."""

import numpy as np
import pyarrow as pa
import pytest

from monitor.alert.judge import judge, wanted_metrics
from monitor.drift.compare import compare
from monitor.explain.marks import with_marks
from monitor.model.checks import default_checks
from monitor.quality.shares import measure
from tests.explain.world import SCHEMA, World, raw, story


@pytest.fixture(scope="module")
def world():
    return World()


def judged(world, columns):
    sides = world.sides(columns)
    measured = compare(world.layout, world.reference, sides.current, metrics=wanted_metrics(default_checks()))
    judgement = judge(
        checks=default_checks(), schema=SCHEMA, layout=world.layout, reference=world.reference, current=sides.current,
        calibration=world.calibration,
        measurements=measured + measure(world.layout, world.reference, sides.current),
    )  # fmt: skip
    return judgement.rows, with_marks(judgement.rows, sides=sides)


def test_a_failing_column_carries_its_evidence_direction_and_rarity(world):
    window = raw(np.random.default_rng(9))
    window["temp"] = window["temp"] + 30.0
    window["price"] = pa.array(window["price"], mask=np.arange(400) < 60)
    rows, marked = judged(world, window)
    told = {(row.check, row.column, row.metric): row.method["why"] for row in marked if "why" in row.method}
    assert set(told) == {("drift", "temp", "surprise"), ("missing", "price", "missing")}
    hours = 120 * 3_600
    assert told["drift", "temp", "surprise"] == {
        "evidence": 1.0, "way": "higher", "once_in_seconds": hours, "bound": True,
    }  # fmt: skip
    assert told["missing", "price", "missing"]["way"] == "missing more often"
    explained = story(world.explain(window), "temp")
    assert (explained.share, explained.direction.change) == (1.0, "higher")
    bare = [row.method | {"why": None} for row in marked]
    assert [row.method | {"why": None} for row in rows] == bare


def test_a_window_in_which_nothing_fails_is_left_as_it_is(world):
    rows, marked = judged(world, raw(np.random.default_rng(77)))
    assert marked == rows


def test_no_more_than_five_columns_are_marked_and_their_shares_are_of_all(world):
    window = {name: (values + values.std() * 4 if name != "origin" else np.full(400, "SWF"))
              for name, values in raw(np.random.default_rng(9)).items()}  # fmt: skip
    _, marked = judged(world, window)
    told = [row.method["why"]["evidence"] for row in marked if "why" in row.method and row.check == "drift"]
    assert (len(told), 0.5 < sum(told) < 1.0) == (5, True)
