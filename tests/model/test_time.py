from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.model.errors import DriftlineError, InvalidInput
from monitor.model.names import nearest, valid_name
from monitor.model.time import DAY_US, format_duration, from_us, parse_duration, parse_instant, rfc3339, to_us

instants = st.integers(min_value=0, max_value=7_258_118_400_000_000)


@given(instants)
def test_an_instant_survives_datetime_and_rfc_3339(instant):
    assert to_us(from_us(instant)) == instant
    assert parse_instant(rfc3339(instant)) == instant


@given(st.integers(min_value=1, max_value=10**14))
def test_a_duration_survives_its_text(duration):
    assert parse_duration(format_duration(duration)) == duration


@pytest.mark.parametrize(
    ("text", "expected"), [("2026-03-01", 1772323200 * 10**6), ("2026-03-01 01:00:00+01:00", 1772323200 * 10**6)]
)
def test_dates_spaces_and_offsets_are_read(text, expected):
    assert parse_instant(text) == expected


@pytest.mark.parametrize("text", ["", "soon", "5", "-5m", "5y", "1.5h"])
def test_a_text_that_is_no_duration_is_refused_with_the_rule(text):
    with pytest.raises(InvalidInput, match="expected a whole number"):
        parse_duration(text)


def test_a_text_that_is_no_time_is_refused_with_an_example():
    with pytest.raises(InvalidInput, match="such as 2026-03-01T00:00:00Z"):
        parse_instant("yesterday")
    assert parse_duration("30d") == 30 * DAY_US


@pytest.mark.parametrize(
    "name", ["../../etc", "a/b", ".", "", "x" * 10_000, "'; DROP TABLE model", "{{7*7}}", "-a", "a b", "é", "a\x00"]
)
def test_names_outside_the_rule_are_refused_and_shortened_in_the_message(name):
    with pytest.raises(InvalidInput, match="model name") as caught:
        valid_name(name, kind="model")
    assert len(str(caught.value)) < 400


def test_names_inside_the_rule_pass():
    assert [valid_name(n, kind="model") for n in ("a", "CON", "churn-2.1_b", "9")] == ["a", "CON", "churn-2.1_b", "9"]


def test_a_hint_names_the_nearest_word_or_nothing():
    assert nearest("thresold", ["threshold", "name"]) == " (did you mean 'threshold'?)"
    assert nearest("zzz", ["threshold"]) == ""


def _all_errors(root):
    return [root, *(found for child in root.__subclasses__() for found in _all_errors(child))]


def test_every_error_says_whose_fault_it_is_by_its_status():
    errors = [error for error in _all_errors(DriftlineError) if error.__module__ == DriftlineError.__module__]
    statuses = {error.__name__: error.status for error in errors}
    assert len(statuses) >= 14
    client = {name for name, status in statuses.items() if 400 <= status < 500}
    assert client == {
        "ClientError", "Malformed", "Unauthenticated", "AccessDenied", "NotFound", "TooSlow", "Conflict", "Held",
        "PreconditionFailed", "TooLarge", "UnsupportedMedia", "InvalidInput", "QuotaExceeded", "Taken",
        "ProfilesMerged",
    }  # fmt: skip
