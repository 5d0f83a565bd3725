"""What is on the page, in which words, and that no name and no repeat can break it."""

from __future__ import annotations

import math
import subprocess
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from monitor.export.choice import Choice, parse_columns
from monitor.export.columns import columns_of
from monitor.export.page import Composer, render
from monitor.model.time import DAY_US, HOUR_US
from tests.export.fleet import NOW, facts, row, state
from tests.export.test_rules import promtool  # noqa: F401 -- a fixture


def composer(columns: str = "all", max_series: int = 50_000) -> Composer:
    return Composer(choice=Choice(limit=parse_columns(columns), max_series=max_series), max_series=max_series)


def page(*fleet, now_us: int = NOW, made_by: Composer | None = None) -> str:
    lines, _ = (made_by or composer()).compose(fleet, now_us=now_us)
    return render(lines).decode()


def series(text: str) -> dict[str, float]:
    """Every line of the page, name and labels as written: {series: value}; fails on a repeated one."""
    lines = [line for line in text.split("\n")[:-1] if not line.startswith("#")]
    names = [line.rpartition(" ")[0] for line in lines]
    assert len(set(names)) == len(names)
    return {name: float(line.rpartition(" ")[2]) for name, line in zip(names, lines, strict=True)}


DRIFTED = [
    row("", "surprise", 8.0, threshold=3.2, status="alert"),
    row("age", "surprise", 9.5, threshold=4.0, status="alert"),
    row("age", "psi", 0.31),
    row("age", "ks", 0.2),
    row("age", "missing", 0.25, check="missing", kind="quality", status="warning"),
    row("plan", "surprise", None, status="unknown", reason="constant"),
    row("fee", "surprise", 0.5, threshold=4.0),
]


def test_the_drifted_share_counts_columns_that_moved_beside_others_though_none_is_in_alert_alone():
    rows = [row(name, "surprise", 3.5, threshold=4.0, method={"drifted": True}) for name in ("age", "fee")]
    found = series(page(facts(rows=[*rows, row("plan", "surprise", 1.0, threshold=4.0)])))
    assert found['driftline_columns_drifted_ratio{model="churn",version="1",segment=""}'] == 2 / 3


def test_a_version_is_shown_as_the_contract_names_it():
    found = series(page(facts(rows=DRIFTED, states=(state(status="alert", columns_failing=1),))))
    v = 'model="churn",version="1"'
    assert found == {
        f'driftline_model_info{{{v},team="crm",task="none",state="live"}}': 1,
        f"driftline_model_stale{{{v}}}": 0,
        f'driftline_window_rows{{{v},segment=""}}': 1000,
        f"driftline_window_start_timestamp_seconds{{{v}}}": NOW / 1e6 - 3600,
        f"driftline_window_end_timestamp_seconds{{{v}}}": NOW / 1e6,
        f'driftline_check_failing{{{v},segment="",check="drift",severity="warning"}}': 1,
        f'driftline_check_columns_failing{{{v},segment="",check="drift"}}': 1,
        f'driftline_columns_drifted_ratio{{{v},segment=""}}': 0.5,
        f'driftline_drift_score{{{v},segment="",column="",metric="surprise"}}': 8.0,
        f'driftline_drift_threshold{{{v},segment="",column="",metric="surprise"}}': 3.2,
        f'driftline_column_status{{{v},segment="",column="age",check="drift"}}': 2,
        f'driftline_column_status{{{v},segment="",column="age",check="missing"}}': 1,
        f'driftline_drift_score{{{v},segment="",column="age",metric="surprise"}}': 9.5,
        f'driftline_drift_score{{{v},segment="",column="age",metric="psi"}}': 0.31,
        f'driftline_drift_threshold{{{v},segment="",column="age",metric="surprise"}}': 4.0,
        f'driftline_quality_ratio{{{v},segment="",column="age",metric="missing"}}': 0.25,
        f'driftline_column_status{{{v},segment="",column="plan",check="drift"}}': 3,
        f'driftline_column_status{{{v},segment="",column="fee",check="drift"}}': 0,
        f'driftline_drift_score{{{v},segment="",column="fee",metric="surprise"}}': 0.5,
        f'driftline_drift_threshold{{{v},segment="",column="fee",metric="surprise"}}': 4.0,
    }


def test_a_segment_has_series_of_its_own_beside_those_of_all_traffic():
    eu = "region=EU"
    rows = [row("age", "surprise", 1.0, threshold=4.0), row("", "surprise", 1.0, threshold=3.0)]
    there = [
        row("age", "surprise", 9.5, threshold=5.0, status="alert", segment=eu),
        row("", "surprise", 8.0, threshold=4.0, status="alert", segment=eu),
    ]
    shown = facts(rows=rows + there, states=(state(), state(status="alert", columns_failing=1, segment=eu)))
    shown = replace(shown, window=replace(shown.window, segment_rows={eu: 40}))
    found = series(page(shown))
    v = 'model="churn",version="1"'
    expected = {
        f'driftline_window_rows{{{v},segment="S"}}': (1000, 40),
        f'driftline_check_failing{{{v},segment="S",check="drift",severity="warning"}}': (0, 1),
        f'driftline_check_columns_failing{{{v},segment="S",check="drift"}}': (0, 1),
        f'driftline_columns_drifted_ratio{{{v},segment="S"}}': (0.0, 1.0),
        f'driftline_drift_score{{{v},segment="S",column="",metric="surprise"}}': (1.0, 8.0),
        f'driftline_drift_threshold{{{v},segment="S",column="age",metric="surprise"}}': (4.0, 5.0),
        f'driftline_column_status{{{v},segment="S",column="age",check="drift"}}': (0, 2),
    }
    assert {name: (found[name.replace('"S"', '""')], found[name.replace('"S"', f'"{eu}"')]) for name in expected} == (
        expected
    )


def test_a_hundred_segments_keep_their_checks_and_stay_within_max_series():
    segments = [f"region=R{n:03}" for n in range(100)]
    rows = [row(f"c{n}", "surprise", 1.0, threshold=4.0, segment=name) for name in segments for n in range(20)]
    shown = facts(rows=rows, states=tuple(state(segment=name) for name in segments))
    found = series(page(shown, made_by=composer(max_series=300)))
    assert sum(name.startswith("driftline_check_failing") for name in found) == 100
    assert len(found) <= 300


@pytest.mark.parametrize(
    ("severity", "status", "expected"),
    [
        ("critical", "ok", {"warning": 0, "critical": 0}),
        ("critical", "warning", {"warning": 1, "critical": 0}),
        ("critical", "alert", {"warning": 1, "critical": 1}),
        ("warning", "warning", {"warning": 1}),
        ("warning", "alert", {"warning": 1}),
        ("critical", "unknown", {"warning": 0, "critical": 0}),
        ("none", "alert", {}),
    ],
)
def test_a_check_says_each_severity_it_may_raise(severity, status, expected):
    found = series(page(facts(states=(state(severity=severity, status=status),))))
    failing = {name.split('severity="')[1][:-2]: value for name, value in found.items() if "check_failing" in name}
    assert failing == expected


def test_an_undecided_check_keeps_its_verdict_and_names_its_reason_which_stays_a_day_at_zero():
    def unknown(text: str) -> dict[str, float]:
        return {name.split('reason="')[1][:-2]: v for name, v in series(text).items() if "check_unknown" in name}

    made_by = composer()
    undecided = facts(states=(state(status="alert", unknown_reason="few_rows"),))
    first = page(undecided, made_by=made_by)
    assert unknown(first) == {"few_rows": 1}
    assert (
        series(first)['driftline_check_failing{model="churn",version="1",segment="",check="drift",severity="warning"}']
        == 1
    )
    assert unknown(page(facts(), made_by=made_by, now_us=NOW + HOUR_US)) == {"few_rows": 0}
    assert unknown(page(facts(), made_by=made_by, now_us=NOW + DAY_US)) == {}


def test_a_stale_version_loses_its_drift_and_keeps_its_checks():
    fresh, stale = facts(rows=DRIFTED), facts(rows=DRIFTED, age_us=3 * HOUR_US + 301_000_000)
    lost = set(series(page(fresh))) - set(series(page(stale)))
    assert {name.split("{")[0] for name in lost} == {
        "driftline_columns_drifted_ratio", "driftline_column_status", "driftline_drift_score",
        "driftline_drift_threshold", "driftline_quality_ratio",
    }  # fmt: skip
    assert series(page(stale))['driftline_model_stale{model="churn",version="1"}'] == 1
    almost = facts(rows=DRIFTED, age_us=3 * HOUR_US + 300_000_000)
    assert series(page(almost))['driftline_model_stale{model="churn",version="1"}'] == 0


def test_a_version_that_never_had_a_record_becomes_stale_too():
    silent = replace(facts(), window=None, newest_end_us=None)
    assert series(page(silent, now_us=NOW + 4 * HOUR_US))['driftline_model_stale{model="churn",version="1"}'] == 1


def test_of_a_retired_version_only_its_existence_is_shown():
    assert list(series(page(facts(rows=DRIFTED, state_="retired")))) == [
        'driftline_model_info{model="churn",version="1",team="crm",task="none",state="retired"}'
    ]


@pytest.mark.parametrize("turned", [False, True])
def test_two_checks_on_one_column_make_one_score_the_decided_one(turned):
    rows = [row("age", "psi", 0.9), row("age", "psi", 0.3, check="fixed", threshold=0.2, status="alert")]
    (column,) = columns_of(reversed(rows) if turned else rows).ranked
    assert {(family, last): value for family, last, value in column.items()} == {
        ("driftline_column_status", 'check="drift"'): 0,
        ("driftline_column_status", 'check="fixed"'): 2,
        ("driftline_drift_score", 'metric="psi"'): 0.3,
        ("driftline_drift_threshold", 'metric="psi"'): 0.2,
    }
    assert (column.failing, column.drift) == (2, "alert")


AWKWARD = [
    '"',
    "\\",
    "\n",
    "a\\nb",
    "\x00",
    "\x85",
    "\u2028",
    "\ud800",
    "é",
    "日本",
    "",
    " ",
    "{}",
    "\u202eabc",
    "# EOF",
    '",x="1',
]


@pytest.mark.parametrize("name", AWKWARD)
def test_no_column_name_breaks_the_page(name, promtool):  # noqa: F811
    text = page(facts(rows=[row(f"x{name}"), row("ok")], team=name))
    series(text)
    for parse, written in ((read_text, text), (read_openmetrics, text + "# EOF\n")):
        samples = [s for family in parse(written) for s in family.samples]
        columns = {s.labels["column"] for s in samples if s.name == "driftline_column_status"}
        shown = name.translate({0: "\ufffd", 0x85: "\ufffd", 0xD800: "\ufffd"})
        assert columns == {f"x{shown}", "ok"}
    checked = subprocess.run([promtool, "check", "metrics"], check=False, input=text.encode(), capture_output=True)
    assert checked.returncode == 0, checked.stderr


def test_names_that_look_alike_once_written_give_one_series():
    text = page(facts(rows=[row("a\ud800", value=1.0), row("a\ud801", value=2.0)]))
    assert 'driftline_drift_score{model="churn",version="1",segment="",column="a\ufffd",metric="surprise"} 1' in text
    series(text)


@given(st.text(st.characters(exclude_categories=[]), max_size=8), st.floats(allow_nan=True, allow_infinity=True))
def test_any_name_and_any_number_are_read_back(name, value):
    text = page(facts(rows=[row(f"x{name}", value=value)]))
    scores = {
        s.labels["column"]: s.value for f in read_text(text) for s in f.samples if s.name == "driftline_drift_score"
    }
    assert len(scores) == 1
    (read,) = scores.values()
    assert read == value or (math.isnan(read) and math.isnan(value))


def test_every_family_appears_once_with_its_help_and_type():
    text = page(*(facts(f"m{n}", number=n, rows=DRIFTED) for n in range(1, 4)))
    families = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(families) == len(set(families)) == 12
    for family in read_text(text):
        assert family.documentation
        assert family.type == "gauge"
        assert {s.name for s in family.samples} == {family.name}
