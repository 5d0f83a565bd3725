"""Slices of two tables judged each by itself: what moved in one of them only, on the budget of all."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import monitor
from monitor.columns.roles import Roles
from monitor.compare import CheckFailed, profile
from monitor.model.errors import InvalidInput

REGIONS = [f"r{i}" for i in range(10)]


def side(rows=8_000, *, seed, shift=0.0, where="r3", regions=REGIONS):
    rng = np.random.default_rng(seed)
    region = rng.choice(np.array(regions, dtype=object), rows)
    amount = rng.normal(size=rows) + np.where(region == where, shift, 0.0)
    amount[rng.random(rows) < 0.05] = np.nan
    return pd.DataFrame(
        {"region": region, "amount": amount, "hour": rng.integers(0, 24, rows), "plan": rng.choice(list("abc"), rows)}
    )


def in_alert(report):
    return {(v.segment, v.check) for window in report.windows for v in window.verdicts if v.status == "alert"}


def statuses(report, check="drift"):
    return {v.segment: v.status for window in report.windows for v in window.verdicts if v.check == check}


@pytest.fixture(scope="module")
def moved():
    """A reference, and a current side whose amounts moved in one region of ten."""
    return side(20_000, seed=1), side(3_000, seed=7, shift=0.45)


@pytest.fixture(scope="module")
def report(moved):
    return monitor.check(reference=moved[0], current=moved[1], segments=["region"])


def test_what_moved_in_one_slice_is_found_there_and_nowhere_else(moved, report):
    reference, current = moved
    surprising = {
        region: stats.ks_2samp(a.amount.dropna(), b.amount.dropna()).pvalue
        for (region, a), (_, b) in zip(reference.groupby("region"), current.groupby("region"), strict=True)
    }
    # By an outside test: beyond doubt in r3, nothing in the others, and too little in the whole to say.
    assert surprising["r3"] < 1e-8
    assert min(p for region, p in surprising.items() if region != "r3") > 0.01
    assert stats.ks_2samp(reference.amount.dropna(), current.amount.dropna()).pvalue > 0.01
    assert in_alert(report) == {("region=r3", "drift")}
    assert statuses(report) == {"": "ok"} | {
        f"region={region}": "alert" if region == "r3" else "ok" for region in REGIONS
    }
    assert (report.status, report.segments_in_alert) == ("alert", ("region=r3",))
    assert monitor.check(reference=reference, current=current).status == "ok"


def test_the_rows_and_shares_of_each_slice_are_those_pandas_counts(moved, report):
    reference, current = moved
    shares = {
        (row["segment"], row["column"]): (row["value"], row["rows"], row["reference_rows"])
        for row in report.to_rows()
        if row["metric"] == "missing" and row["column"]
    }
    missing = current.groupby("region").amount.apply(lambda amount: amount.isna().mean())
    for region in REGIONS:
        value, rows, before = shares[f"region={region}", "amount"]
        assert value == pytest.approx(missing[region])
        assert (rows, before) == ((current.region == region).sum(), (reference.region == region).sum())
    assert shares["", "amount"] == (pytest.approx(current.amount.isna().mean()), len(current), len(reference))


def test_the_distance_of_a_slice_is_that_of_its_own_rows(moved, report):
    before, now = (frame[frame.region == "r3"].amount.dropna() for frame in moved)
    told = next(r for r in report["amount"] if r["segment"] == "region=r3" and r["metric"] == "ks")
    assert told["value"] == pytest.approx(stats.ks_2samp(before, now).statistic, abs=0.01)


def test_slices_by_conditions_are_judged_and_share_the_budget(moved):
    reference, current = moved
    shapes = [
        {"name": "moved", "where": {"region": "r3", "hour": {"gte": 6}}},
        {"name": "rest", "where": {"region": {"ne": "r3"}}},
    ]
    report = monitor.check(reference=reference, current=current, segments=shapes)
    assert report.segments == ("moved", "rest")
    assert in_alert(report) == {("moved", "drift")}
    rows = {v.segment: v.rows for v in report.windows[0].verdicts if v.check == "drift"}
    assert rows == {
        "": 3_000, "moved": len(current.query("region == 'r3' and hour >= 6")),
        "rest": len(current.query("region != 'r3'")),
    }  # fmt: skip
    tests = {r["method"]["tests"] for r in report.to_rows() if r["metric"] == "surprise" and not r["column"]}
    alone = monitor.check(reference=reference, current=current)
    (without,) = (r["method"]["tests"] for r in alone.to_rows() if r["metric"] == "surprise" and not r["column"])
    # Each slice has the tests of the whole, less the region where it has but one value: a share of it never changes.
    assert len(tests) == 1
    assert 2 * without < tests.pop() <= 3 * without


def test_with_ten_healthy_slices_the_whole_run_keeps_its_budget():
    """150 runs, one in five of which may alarm: more than 55 do with a probability under one in a million."""
    most, alarms = stats.binom.isf(1e-6, 150, 0.2), 0
    checks = [{"name": "drift", "kind": "drift", "min_effect": 0}]
    for seed in range(150):
        report = monitor.check(
            reference=side(4_000, seed=1_000 + seed), current=side(4_000, seed=2_000 + seed), segments=["region"],
            checks=checks, false_alarms="1 per 5 runs",
        )  # fmt: skip
        assert len(statuses(report)) == 11
        alarms += report.status == "alert"
    assert alarms <= most


def test_checks_say_where_they_are_judged(moved):
    reference, current = moved

    def judged(**fields):
        checks = [{"name": "c", "kind": "quality", "metric": "missing", "threshold": 0.5} | fields]
        report = monitor.check(reference=reference, current=current, segments=["region"], checks=checks)
        return [v.segment for v in report.windows[0].verdicts]

    every = ["", *(f"region={region}" for region in REGIONS)]
    assert sorted(judged()) == every
    assert sorted(judged(segments=["*"])) == every
    assert judged(segments=[""]) == [""]
    assert judged(segments=["region=r3", ""]) == ["", "region=r3"]
    assert sorted(judged(segments=["region=r[12]"])) == ["region=r1", "region=r2"]
    assert judged(kind="volume", metric="rows", threshold={"alert": {"below": 1}}) == [""]


def test_the_last_check_of_a_slice_decides_there():
    reference, current = side(4_000, seed=1), side(4_000, seed=2)
    checks = [
        {"name": "all", "kind": "quality", "metric": "missing", "columns": ["amount"], "threshold": 0.5},
        {"name": "r3", "kind": "quality", "metric": "missing", "columns": ["amount"], "threshold": 0.001,
         "segments": ["region=r3"]},
    ]  # fmt: skip
    report = monitor.check(reference=reference, current=current, segments=["region"], checks=checks)
    assert in_alert(report) == {("region=r3", "r3")}
    deciding = {(r["segment"], r["check"]) for r in report["amount"] if r["metric"] == "missing"}
    assert deciding == {("", "all"), *((f"region={r}", "r3" if r == "r3" else "all") for r in REGIONS)}


def test_a_slice_of_few_rows_is_unknown_and_the_whole_is_not():
    reference = side(4_000, seed=1, regions=["a"] * 300 + ["rare"])
    current = side(4_000, seed=2, regions=["a"] * 300 + ["rare"])
    assert 0 < (current.region == "rare").sum() < 50
    report = monitor.check(reference=reference, current=current, segments=["region"])
    assert statuses(report) == {"": "ok", "region=a": "ok", "region=rare": "unknown"}
    assert (report.status, report.decided, report.reached("unknown")) == ("ok", True, True)


def test_a_value_that_the_reference_never_had_is_in_the_rest():
    reference, current = side(4_000, seed=1, regions=["a", "b"]), side(4_000, seed=2, regions=["a", "b", "new"])
    report = monitor.check(reference=reference, current=current, segments=["region"])
    rows = {v.segment: v.rows for v in report.windows[0].verdicts if v.check == "drift"}
    assert rows == {
        "": 4_000, **{f"region={name}": (current.region == name).sum() for name in ("a", "b")},
        "region=(other)": (current.region == "new").sum(),
    }  # fmt: skip
    assert statuses(report)["region=(other)"] == "unknown"


def timed(rows, *, seed, start, days, shift=0.0):
    rng = np.random.default_rng(seed)
    at = pd.Timestamp(start, tz="UTC") + pd.to_timedelta(np.sort(rng.uniform(0, days * 86_400, rows)), unit="s")
    last = at >= at[0].normalize() + pd.Timedelta(days=days - 1)
    frame = side(rows, seed=seed, regions=["a", "b", "r3"])
    frame.loc[last & (frame.region == "r3"), "amount"] += shift
    return frame.assign(at=at)


def test_with_windows_every_slice_is_judged_by_its_own_history_window_by_window():
    reference = timed(70 * 600, seed=1, start="2026-01-01", days=70)
    current = timed(3 * 600, seed=2, start="2026-04-01", days=3, shift=1.2)
    report = monitor.check(reference=reference, current=current, segments=["region"], timestamp="at", window="1d")
    found = {
        (f"{pd.Timestamp(window.start_us, unit='us'):%m-%d}", v.segment): v.status
        for window in report.windows for v in window.verdicts if v.check == "drift"
    }  # fmt: skip
    in_the_slice = {day: found[day, "region=r3"] for day in ("04-01", "04-02", "04-03")}
    assert in_the_slice == {"04-01": "ok", "04-02": "ok", "04-03": "alert"}
    assert {found[day, f"region={name}"] for day in in_the_slice for name in "ab"} == {"ok"}
    rows = {(v.segment, w.start_us): v.rows for w in report.windows for v in w.verdicts if v.check == "drift"}
    counted = current.groupby(["region", current["at"].dt.floor("D")]).size()
    assert {key: rows[key] for key in rows if key[0]} == {
        (f"region={region}", int(day.timestamp() * 1_000_000)): count for (region, day), count in counted.items()
    }
    states = {r["segment"]: r["method"]["windows"] for r in report.to_rows()
              if r["metric"] == "surprise" and not r["column"]}  # fmt: skip
    assert states == dict.fromkeys(["", "region=a", "region=b", "region=r3"], 70)


def test_with_windows_the_rates_of_all_slices_are_the_budget_and_a_checks_own_its_own():
    checks = [
        {"name": "drift", "kind": "drift"},
        {"name": "amounts", "kind": "drift", "columns": ["amount"], "false_alarms": "1 per 5 months"},
    ]
    report = monitor.check(
        reference=timed(70 * 300, seed=1, start="2026-01-01", days=70),
        current=timed(300, seed=2, start="2026-04-01", days=1),
        segments=["region"], timestamp="at", window="1d", checks=checks, false_alarms="1 per month",
    )  # fmt: skip
    rates = {
        (row["check"], row["segment"]): row["method"]["false_alarms_per_month"]
        for row in report.to_rows() if "false_alarms_per_month" in row["method"]
    }  # fmt: skip
    assert len(rates) == 2 * 4
    assert sum(rate for (check, _), rate in rates.items() if check == "amounts") == pytest.approx(1 / 5)
    assert sum(rate for (check, _), rate in rates.items() if check == "drift") == pytest.approx(1 - 1 / 5)


def test_a_slice_without_a_row_in_a_window_is_empty_there():
    reference = timed(70 * 300, seed=1, start="2026-01-01", days=70)
    current = timed(3 * 300, seed=2, start="2026-04-01", days=3)
    gone = (current.region == "b") & (current["at"] >= "2026-04-02") & (current["at"] < "2026-04-03")
    checks = [{"name": "rows", "kind": "volume", "segments": ["*"]}]
    report = monitor.check(
        reference=reference, current=current[~gone], segments=["region"], timestamp="at", window="1d", checks=checks
    )
    found = {(w.start_us, v.segment): v.status for w in report.windows for v in w.verdicts}
    second = int(pd.Timestamp("2026-04-02", tz="UTC").timestamp() * 1_000_000)
    assert {key for key, status in found.items() if status == "alert"} == {(second, "region=b")}
    assert len(found) == 3 * 4


def test_rows_verdicts_and_summary_say_whose_they_are(report):
    shown = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert {row["segment"] for row in shown["results"]} == {"", *(f"region={region}" for region in REGIONS)}
    assert {k: shown["summary"][k] for k in ("status", "columns_in_alert", "segments", "segments_in_alert")} == {
        "status": "alert", "columns_in_alert": 1, "segments": 11, "segments_in_alert": 1,
    }  # fmt: skip
    with pytest.raises(CheckFailed, match=r"status alert: amount \(in region=r3\)"):
        report.raise_for_status()
    assert "<th>segment</th>" in report._repr_html_()


def test_without_segments_nothing_is_said_of_them():
    report = monitor.check(reference=side(500, seed=1), current=side(500, seed=2))
    assert set(report.to_dict()["summary"]) == {"status", "columns", "columns_in_alert", "rows", "reference_rows"}
    assert "segment" not in report._repr_html_()


def test_more_segments_than_a_version_may_have_are_left_out_with_a_note():
    many = [f"v{i:03}" for i in range(150)]
    reference, current = side(6_000, seed=1, regions=many), side(6_000, seed=2, regions=many)
    report = monitor.check(reference=reference, current=current, segments=[{"by": "region", "top": 150}])
    assert len(report.segments) == 100
    assert any(note.startswith("151 segments are asked for and 100 are allowed") for note in report.notes)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"segments": ["regoin"]}, "did you mean 'region'"),
        ({"segments": ["hour"]}, "numeric and has no categories to segment by"),
        ({"segments": "region"}, "expected a list"),
        ({"segments": {"by": "region"}}, "expected a list"),
        ({"segments": [{"by": "regoin"}]}, "there is no column 'regoin'"),
        ({"segments": [{"name": "a", "where": {"amount": "high"}}]}, "'high' is no number"),
        ({"segments": [{"name": "a", "wher": {}}]}, "did you mean 'where'"),
        ({"segments": [5]}, "expected an object"),
        ({"segments": ["region"], "checks": [{"name": "d", "kind": "drift", "segments": ["regio=r1"]}]},
         r"'regio=r1' is no segment of this model \(did you mean 'region=\*'"),
        ({"checks": [{"name": "d", "kind": "drift", "segments": ["region=r1"]}]}, "the model has no segments"),
    ],
)  # fmt: skip
def test_segments_that_cannot_be_had_are_refused_in_words(arguments, said):
    with pytest.raises(InvalidInput, match=said):
        monitor.check(reference=side(500, seed=1), current=side(500, seed=2), **arguments)


def test_a_profile_has_no_rows_to_cut():
    made = profile(side(500, seed=1), roles=Roles())
    with pytest.raises(InvalidInput, match="the reference is a profile, which has no rows to cut"):
        monitor.check(reference=made, current=side(500, seed=2), segments=["region"])
    with pytest.raises(InvalidInput, match="no rows to cut"):
        profile(side(500, seed=1), roles=Roles(segment=("region",)))
    like = profile(side(500, seed=2), roles=Roles(), like=profile(side(500, seed=1), roles=Roles()))
    with pytest.raises(InvalidInput, match="the current side is a profile"):
        monitor.check(reference=side(500, seed=1), current=like, segments=["region"])


def test_a_slice_of_few_rows_is_expected_to_have_its_part_of_a_windows_rows():
    """In most hours it has fewer than the 50 rows that a window is judged from."""
    hours, start = 40, pd.Timestamp("2026-03-02T00:00Z")
    rows = [110 if hour % 4 == 0 else 90 for hour in range(hours)]
    at = [start + pd.Timedelta(hours=hour, seconds=n) for hour in range(hours) for n in range(rows[hour])]
    frame = pd.DataFrame({"at": at, "region": np.where(np.arange(len(at)) % 2, "EU", "US"), "amount": 1.0})
    frame["amount"] = np.random.default_rng(1).normal(size=len(frame))
    current = frame[frame["at"] < start + pd.Timedelta(hours=4)].assign(
        at=lambda rows: rows["at"] + pd.Timedelta(days=3)
    )
    found = monitor.check(
        reference=frame, current=current, timestamp="at", window="1h", segments=["region"],
        checks=[{"name": "volume", "kind": "volume", "segments": ["*"], "threshold": {"alert": {"drop": 30}}}],
    )  # fmt: skip
    assert {(row["segment"], row["value"]): (row["threshold"], row["status"]) for row in found.to_rows()} == {
        ("", 110.0): (65.0, "ok"), ("", 90.0): (65.0, "ok"),
        **{(f"region={name}", n): (18.0, "ok") for name in ("EU", "US") for n in (45.0, 55.0)},
    }  # fmt: skip
