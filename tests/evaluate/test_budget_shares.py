"""One budget for all checks, whatever they are held against and in whatever segments they are judged. Pure."""

from __future__ import annotations

import pytest

from monitor.evaluate.groups import groups_of
from monitor.model.checks import default_checks, parse_checks
from monitor.model.entities import Model, Version
from monitor.model.schema import Column, Schema
from monitor.model.window import WindowSpec

SCHEMA = Schema(
    columns=(
        Column(name="age", type="numeric"), Column(name="spend", type="numeric"),
        Column(name="plan", type="categorical"),
        Column(name="region", type="categorical", role="context"),
    )
)  # fmt: skip
ROLLING = {"kind": "rolling", "windows": 3, "gap": 0, "min_windows": 2}
SEGMENTS = ("region=EU", "region=US", "evening")
DRIFT = {"name": "drift", "kind": "drift"}
MISSING = {"name": "missing", "kind": "quality", "metric": "missing"}


def groups(*shapes, segments=SEGMENTS, **settings):
    model = Model(name="m", window=WindowSpec(length="1h"), settings=settings)
    return groups_of(parse_checks(shapes), model=model, version=Version(model_id=1, name="1"), schema=SCHEMA,
                     segments=segments)  # fmt: skip


def rates(found, *, per_month=1.0):
    """(segment, check) → false alarms a month, of every check where it is judged."""
    return {
        (segment, check.name): group.spending.allowed(per_month=per_month, windows_per_month=720.0)[check.name]
        for segment, own in found.items() for group in own for check in group.checks
    }  # fmt: skip


@pytest.mark.parametrize(
    ("shapes", "settings"),
    [
        ([DRIFT, MISSING], {}),
        ([DRIFT | {"segments": ["*"]}, MISSING], {}),
        ([DRIFT | {"segments": ["region=*"]}, MISSING | {"segments": ["", "evening"]}], {}),
        ([DRIFT | {"segments": ["*"]}, MISSING | {"segments": ["*"], "baseline": ROLLING}], {}),
        ([DRIFT | {"segments": ["*"], "columns": ["age"]}, MISSING | {"segments": ["evening"]}], {"baseline": ROLLING}),
    ],
    ids=["all traffic", "one everywhere", "apart", "two baselines", "another baseline"],
)
def test_the_shares_of_all_groups_of_all_segments_are_one(shapes, settings):
    assert sum(group.share for own in groups(*shapes, **settings).values() for group in own) == pytest.approx(1.0)


def test_a_groups_share_is_its_part_of_the_tests():
    found = groups(DRIFT | {"segments": ["*"]}, MISSING)
    of_drift, of_missing = 2 * 3, 3  # each feature by its distribution and its range; each by its missing values
    total = 4 * of_drift + of_missing
    assert {segment: [group.share for group in own] for segment, own in found.items()} == {
        "": [pytest.approx((of_drift + of_missing) / total)],
        **{segment: [pytest.approx(of_drift / total)] for segment in SEGMENTS},
    }


def test_segments_that_no_check_is_judged_in_cost_nothing():
    assert list(groups(DRIFT, MISSING)) == [""]
    assert groups(DRIFT, MISSING)[""][0].share == 1.0


def test_a_check_that_is_not_judged_in_all_traffic_is_in_no_group_of_it():
    found = groups(DRIFT | {"segments": ["evening"]}, MISSING)
    assert [check.name for group in found[""] for check in group.checks] == ["missing"]
    assert [check.name for group in found["evening"] for check in group.checks] == ["drift"]


def test_a_check_with_a_budget_of_its_own_has_it_once_for_all_its_segments():
    found = rates(
        groups(DRIFT | {"segments": ["*"], "false_alarms": "1 per 5 months"}, MISSING), per_month=1.0
    )  # fmt: skip
    assert {place: found[place] for place in found if place[1] == "drift"} == {
        (segment, "drift"): pytest.approx(0.2 / 4) for segment in ("", *SEGMENTS)
    }


@pytest.mark.parametrize("own", [None, "1 per 5 months", "1 per month"])
def test_the_rates_of_all_places_are_the_budget_at_most(own):
    """By Boole's inequality the chance of any alarm is at most the sum, whatever ties segments together."""
    drift = DRIFT | {"segments": ["*"]} | ({"false_alarms": own} if own else {})
    found = groups(drift, MISSING | {"segments": ["", "region=*"]})
    every = rates(found)
    joint = {  # checks without a budget of their own have one threshold together where they are judged
        segment: max(
            rate for (place, check), rate in every.items() if place == segment and not (own and check == "drift")
        )
        for segment in found
        if own is None or segment != "evening"
    }
    alone = [rate for (_, check), rate in every.items() if own and check == "drift"]
    floor = 0.05 if own == "1 per month" else 0.0  # the least that is left to checks without a budget of their own
    assert sum(joint.values()) + sum(alone) <= 1.0 + floor + 1e-12


def test_a_segments_last_matching_check_decides_there_and_the_default_checks_are_of_all_traffic():
    everywhere, elsewhere = DRIFT | {"segments": ["*"]}, {"name": "ages", "kind": "drift", "columns": ["age"]}
    found = groups(everywhere, elsewhere | {"segments": ["evening"]})
    drift = {segment: own[0].share for segment, own in found.items()}
    assert drift["evening"] == pytest.approx(drift["region=EU"])  # age is tested once, by the later check
    every = groups_of(default_checks(), model=Model(name="m", window=WindowSpec(length="1h")),
                      version=Version(model_id=1, name="1"), schema=SCHEMA, segments=SEGMENTS)  # fmt: skip
    assert list(every) == [""]
