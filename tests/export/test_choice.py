"""Which columns are kept: in the contract's order, within the bound, and without coming and going."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.export.choice import Choice, parse_columns
from monitor.model.errors import ConfigurationError
from monitor.model.time import DAY_US, HOUR_US
from tests.export.fleet import NOW, facts, plain_columns, state
from tests.export.test_page import composer

SERIES = 6  # of each plain column


def chosen(made_by: Choice, *fleet, taken: int = 0, now_us: int = NOW) -> list[str]:
    found, _ = made_by.choose(fleet, taken=taken, now_us=now_us)
    return [candidate.column.column for candidate in found]


def choice(columns: str = "all", max_series: int = 50_000) -> Choice:
    return Choice(limit=parse_columns(columns), max_series=max_series)


def version(count: int, *, failing: int = 0, importance=None, **more):
    return replace(facts(), columns=plain_columns(count, failing=failing, importance=importance), **more)


def test_columns_in_alert_come_first_then_the_important_then_by_name():
    fleet = version(5, failing=1, importance={"c002": 0.9, "c001": 0.1})
    assert chosen(choice(), fleet) == ["c004", "c002", "c001", "c000", "c003"]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [("all", 30), ("failing", 3), ("top:20", 20), ("top:2", 2)],
)
def test_export_columns_limits_a_version(columns, expected):
    assert len(chosen(choice(columns), version(30, failing=3))) == expected


@pytest.mark.parametrize("text", ["", "top", "top:0", "top:-1", "top:x", "none", "ALL"])
def test_an_unreadable_choice_stops_the_start(text):
    with pytest.raises(ConfigurationError, match="expected all, failing or top:N"):
        parse_columns(text)


def test_a_column_once_exported_stays_a_day_and_not_longer():
    made_by = choice("failing")
    assert chosen(made_by, version(3, failing=1)) == ["c002"]
    healthy = version(3)
    assert chosen(made_by, healthy, now_us=NOW + HOUR_US) == ["c002"]
    assert chosen(made_by, healthy, now_us=NOW + DAY_US - 1) == ["c002"]
    assert chosen(made_by, healthy, now_us=NOW + DAY_US) == []


def test_a_column_that_was_exported_keeps_its_place_before_others_of_the_same_rank():
    made_by = choice("all", max_series=2 * SERIES)
    assert chosen(made_by, version(4, failing=1)) == ["c003", "c000"]
    assert chosen(made_by, version(4), now_us=NOW + HOUR_US) == ["c000", "c003"]
    assert chosen(made_by, version(4, importance={"c001": 1.0}), now_us=NOW + 2 * HOUR_US) == ["c000", "c003"]


def test_what_does_not_fit_is_counted():
    found, dropped = choice("all", max_series=20).choose([version(10)], taken=0, now_us=NOW)
    assert (len(found), dropped) == (3, 7 * SERIES)


@pytest.mark.limit("DRIFTLINE_MAX_SERIES")
def test_failing_checks_are_never_left_out_and_models_come_before_checks_and_columns():
    fleet = [replace(version(10), model=replace(facts(f"m{n}").model, id=n), version=replace(facts().version, id=n))
             for n in range(1, 11)]  # fmt: skip
    for limit in (1, 10, 40, 55, 69, 80, 1000):
        lines, dropped = composer(max_series=limit).compose(fleet, now_us=NOW)
        families = [family for family, _ in lines]
        assert families.count("driftline_check_failing") == 10
        assert len(lines) <= max(limit, 10)
        # ten checks, sixty model series (info, stale, three of the window, the drifted share), ten counts, then columns
        assert families.count("driftline_check_columns_failing") == min(10, max(0, limit - 70))
        assert len(lines) + dropped == 10 + 60 + 10 + 100 * SERIES


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.integers(1, 8), st.integers(0, 3)), min_size=1, max_size=12),
    st.integers(1, 60),
    st.sampled_from(["all", "failing", "top:2"]),
)
def test_whatever_happens_the_bound_holds_and_no_series_is_written_twice(history, limit, columns):
    made_by = composer(columns, max_series=limit)
    for hour, (count, failing) in enumerate(history):
        fleet = [replace(version(count, failing=min(failing, count)), states=(state(),))]
        lines, _ = made_by.compose(fleet, now_us=NOW + hour * 600_000_000)
        assert len(lines) <= limit
        assert len({text.rpartition(" ")[0] for _, text in lines}) == len(lines)
