"""When nobody is told of a check: what a silence and a snooze hold back, and what they do not."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.alert.holding import held_back, undecided_is_held_back
from monitor.model.errors import InvalidInput
from monitor.model.results import SEVERITY_ORDER, CheckState, ColumnEvidence
from monitor.model.silences import MOST_SILENCE_US, Silence, Snooze

NAMES = ("price_eur", "price_usd", "age")


def state(*, check="drift", segment="", status="alert", columns=(), failing=None):
    return CheckState(
        check=check, kind="drift", segment=segment, severity="warning", status=status, unknown_reason=None, since_us=0,
        window_start_us=0, window_end_us=1, value=None, threshold=None, rows=9, needs=None,
        columns_failing=len(columns) if failing is None else failing,
        columns=tuple(ColumnEvidence(column=name, metric="psi", value=1.0, threshold=0.2) for name in columns),
    )  # fmt: skip


def silence(*, start_us=10, end_us=20, **more):
    return Silence(id=1, model_id=1, reason="maintenance", start_us=start_us, end_us=end_us, **more)


def snooze(*, status="alert", until_us=20, **more):
    known = {"check": "drift", "segment": ""} | more
    return Snooze(transition_id=5, status=status, reason="known", until_us=until_us, **known)


def held(found=None, *, silences=(), snoozes=(), now_us=15, version="1"):
    return held_back(found or state(), version=version, silences=silences, snoozes=snoozes, now_us=now_us)


def test_a_silence_holds_from_its_start_to_its_end_and_ends_by_itself():
    assert [held(silences=[silence()], now_us=now) is not None for now in (9, 10, 19, 20)] == [False, True, True, False]
    ended = silence(ended_us=12)
    assert [held(silences=[ended], now_us=now) is not None for now in (11, 12)] == [True, False]
    assert (held(silences=[silence()]).by, held(silences=[silence()]).until_us) == ("silence", 20)


@pytest.mark.parametrize(
    ("matchers", "holds"),
    [({}, True), ({"versions": ("1",)}, True), ({"versions": ("2",)}, False), ({"checks": ("dr*",)}, True),
     ({"checks": ("missing", "drift")}, True), ({"checks": ("missing",)}, False), ({"segments": ("",)}, True),
     ({"segments": ("region=*",)}, False), ({"versions": ("1",), "checks": ("missing",)}, False)],
)  # fmt: skip
def test_every_matcher_that_is_given_must_match(matchers, holds):
    assert (held(silences=[silence(**matchers)]) is not None) == holds


@pytest.mark.parametrize(
    ("matchers", "holds"),
    [({}, True), ({"checks": ("dr*",)}, True), ({"checks": ("missing",)}, False), ({"versions": ("2",)}, False),
     ({"segments": ("region=*",)}, False), ({"columns": ("*",)}, False), ({"end_us": 15}, False)],
)  # fmt: skip
def test_that_a_check_is_undecided_is_held_back_by_what_silences_checks_and_not_by_what_silences_columns(
    matchers, holds
):
    quiet = [silence(**matchers)]
    assert undecided_is_held_back(state(columns=("age",)), version="1", silences=quiet, now_us=15) == holds


@given(st.lists(st.sampled_from(NAMES), unique=True), st.sampled_from(["price_*", "age", "*", "x"]), st.integers(0, 5))
def test_columns_are_held_back_while_all_that_are_behind_the_verdict_are_among_them(columns, pattern, unlisted):
    found = state(columns=columns, failing=len(columns) + unlisted)
    every = bool(columns) and not unlisted and all(fnmatchcase(name, pattern) for name in columns)
    assert (held(found, silences=[silence(columns=(pattern,))]) is not None) == every


def test_columns_that_are_only_at_warning_are_not_behind_an_alert():
    found = state(columns=("price_eur", "age"), failing=1)  # the worst first: age is only at warning
    assert held(found, silences=[silence(columns=("price_*",))]) is not None


@given(st.sampled_from(["warning", "alert"]), st.sampled_from(["ok", "warning", "alert"]))
def test_a_snooze_holds_what_is_no_worse_than_what_was_snoozed(snoozed, now):
    found = held(state(status=now), snoozes=[snooze(status=snoozed)])
    assert (found is not None) == (SEVERITY_ORDER[now] <= SEVERITY_ORDER[snoozed])


def test_a_snooze_is_of_its_check_and_segment_and_ends():
    assert held(snoozes=[snooze(check="missing")]) is None
    assert held(snoozes=[snooze(segment="region=EU")]) is None
    assert held(snoozes=[snooze()], now_us=20) is None
    assert (held(snoozes=[snooze()]).by, held(snoozes=[snooze()]).id) == ("snooze", 5)


def test_of_several_what_ends_last_is_shown():
    assert held(silences=[silence(end_us=30)], snoozes=[snooze(until_us=25)]).by == "silence"
    assert held(silences=[silence(end_us=30)], snoozes=[snooze(until_us=35)]).by == "snooze"


@pytest.mark.parametrize(
    ("fields", "says"),
    [({"end_us": 10}, "end"), ({"end_us": 11 + MOST_SILENCE_US}, "90 days"), ({"checks": ("",)}, "checks has ''"),
     ({"columns": (4,)}, "columns has '4'"), ({"segments": ("x" * 257,)}, "segments has"),
     ({"versions": ("a",) * 101}, "101 entries")],
)  # fmt: skip
def test_a_silence_that_cannot_be_meant_is_refused(fields, says):
    with pytest.raises(InvalidInput, match=says):
        silence(**fields)
