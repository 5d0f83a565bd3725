"""Windows judged: automatic and fixed thresholds, learning, breakage, unknowns, who decides which column."""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.alert.calibrate import calibrate
from monitor.alert.history import build_history
from monitor.alert.judge import judge, wanted_metrics
from monitor.alert.single import judge_once
from monitor.drift.compare import compare
from monitor.model.checks import budgeted_columns, default_checks, parse_checks
from monitor.model.results import UNKNOWN_REASONS
from monitor.model.schema import Column, Schema
from monitor.profile.build import LayoutBuilder
from monitor.profile.profile import Profile, empty, merge, profile_batch
from monitor.quality.shares import measure

SCHEMA = Schema(
    columns=(
        Column(name="age", type="numeric"), Column(name="price", type="numeric"),
        Column(name="kind", type="categorical"), Column(name="region", type="categorical", role="context"),
        Column(name="always", type="numeric"), Column(name="score", type="numeric", role="score"),
    )
)  # fmt: skip


def batch(rng, rows=400, **changed):
    """Rows as the reference has them, with some columns replaced."""
    columns = {
        "f:age": rng.normal(40, 10, rows), "f:price": rng.exponential(100, rows),
        "f:kind": rng.choice(list("abcd"), rows, p=[0.6, 0.3, 0.07, 0.03]),
        "f:region": rng.choice(["EU", "US"], rows), "f:always": np.ones(rows), "score": rng.beta(2, 5, rows),
    }  # fmt: skip
    columns |= {("score" if name == "score" else f"f:{name}"): value for name, value in changed.items()}
    return pa.RecordBatch.from_pydict({n: v if isinstance(v, pa.Array) else pa.array(v) for n, v in columns.items()})


@dataclass
class Case:
    """A reference of so many hourly windows and what judges against it."""

    windows: int
    checks: tuple = default_checks()
    calibrated: bool = True

    def __post_init__(self):
        rng = np.random.default_rng(42)
        batches = [batch(rng) for _ in range(max(self.windows, 10))]
        builder = LayoutBuilder(SCHEMA)
        for each in batches:
            builder.add(each)
        self.layout = builder.finish()
        profiles = [profile_batch(self.layout, each) for each in batches]
        self.reference = empty(self.layout)
        for profile in profiles:
            self.reference = merge(self.reference, profile)
        timed = list(enumerate(profiles))[: self.windows]
        history = build_history(self.layout, reference=self.reference, windows=timed)
        self.calibration = calibrate(
            history, windows_per_month=720.0, per_month=1.0, columns=budgeted_columns(self.checks, schema=SCHEMA)
        )

    def judge(self, rows, *, checks=None, reference="own", **more):
        """The judgement of a batch or a profile."""
        current = rows if isinstance(rows, Profile) else profile_batch(self.layout, rows)
        checks = self.checks if checks is None else parse_checks(checks)
        reference = self.reference if reference == "own" else reference
        measured = () if reference is None else (
            compare(self.layout, reference, current, metrics=wanted_metrics(checks))
            + measure(self.layout, reference, current)
        )  # fmt: skip
        return judge(
            checks=checks, schema=SCHEMA, layout=self.layout, reference=reference, current=current,
            calibration=self.calibration if self.calibrated else None, measurements=measured, **more,
        )  # fmt: skip


@pytest.fixture(scope="module")
def taught():
    return Case(windows=120)


@pytest.fixture(scope="module")
def learning():
    return Case(windows=20)


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def statuses(judgement):
    return {v.check: v.status for v in judgement.verdicts}


def row(judgement, **wanted):
    found = [r for r in judgement.rows if all(getattr(r, k) == v for k, v in wanted.items())]
    assert len(found) == 1, [(r.check, r.metric, r.column) for r in found]
    return found[0]


def with_missing(rng, share, rows=400):
    return pa.array([None if rng.random() < share else 40.0 + rng.normal() for _ in range(rows)], pa.float64())


def test_a_window_like_the_reference_is_ok_everywhere(taught, rng):
    assert statuses(taught.judge(batch(rng))) == dict.fromkeys(
        ("drift", "missing", "invalid", "unseen", "volume", "schema"), "ok"
    )


def test_one_shifted_column_fails_drift_alone_and_is_named_with_its_surprise(taught, rng):
    found = taught.judge(batch(rng, age=rng.normal(46, 10, 400)))
    drift = found.verdicts[0]
    assert (drift.status, drift.columns_failing, [c.column for c in drift.columns]) == ("alert", 1, ["age"])
    assert drift.columns[0].metric == "surprise"
    assert drift.value > drift.threshold > 3
    assert {s for check, s in statuses(found).items() if check != "drift"} == {"ok"}
    surprise = row(found, column="age", metric="surprise")
    assert (surprise.status, surprise.method["test"], surprise.rows) == ("alert", "psi", 400)
    assert surprise.p_value == pytest.approx(10**-surprise.value)
    assert row(found, column="age", metric="psi").threshold is None
    assert row(found, column="price", metric="surprise").status == "ok"


def test_the_models_row_is_over_its_threshold_exactly_when_a_column_is(taught, rng):
    for by in (0.0, 1.0, 2.0, 3.0, 4.0, 6.0):
        found = taught.judge(batch(rng, age=rng.normal(40 + by, 10, 400)))
        model = row(found, column="", metric="surprise")
        columns = [r for r in found.rows if r.metric == "surprise" and r.column and r.value is not None]
        assert model.reference_rows == columns[0].reference_rows > 0
        over = any(r.value > r.threshold for r in columns)
        assert ((model.value or -99) > model.threshold) == over == (found.verdicts[0].status == "alert")


def test_values_outside_the_reference_s_range_fail_drift_by_the_range(taught, rng):
    age = rng.normal(40, 10, 400)
    age[:40] = 500.0
    found = row(taught.judge(batch(rng, age=age)), column="age", metric="surprise")
    assert (found.status, found.method["test"]) == ("alert", "out_of_range")


def test_a_constant_column_is_judged_by_its_range(taught, rng):
    assert row(taught.judge(batch(rng)), column="always", metric="surprise").status == "ok"
    moved = taught.judge(batch(rng, always=np.full(400, 2.0)))
    assert row(moved, column="always", metric="surprise").status == "alert"


def test_unseen_categories_fail_unseen(taught, rng):
    found = taught.judge(batch(rng, kind=np.where(rng.random(400) < 0.1, "new", "a")))
    assert statuses(found)["unseen"] == "alert"
    unseen = row(found, column="kind", metric="unseen")
    assert unseen.value == pytest.approx(0.1, abs=0.05)
    assert (unseen.method["decided_by"], unseen.check) == ("surprise", "unseen")


def test_every_measurement_is_shown_once(taught, rng):
    found = taught.judge(batch(rng))
    keys = [(r.metric, r.column, r.check) for r in found.rows]
    assert len(keys) == len(set(keys))
    shown = [(r.metric, r.column) for r in found.rows if r.metric != "surprise"]
    assert len(shown) == len(set(shown))


def test_too_few_rows_are_unknown_with_the_n_there_was_and_the_n_it_needs(taught, rng):
    found = taught.judge(batch(rng, rows=49))
    drift = found.verdicts[0]
    assert (drift.status, drift.reason, drift.rows, drift.needs) == ("unknown", "few_rows", 49, 50)
    assert row(found, column="age", metric="surprise").needs == 50


def test_a_column_of_few_values_is_unknown_and_the_others_are_decided(taught, rng):
    found = taught.judge(batch(rng, age=with_missing(rng, 0.95)))
    assert row(found, column="age", metric="surprise").reason == "few_rows"
    assert row(found, column="price", metric="surprise").status == "ok"
    assert statuses(found)["drift"] == "ok"
    assert statuses(found)["missing"] == "alert"


def test_no_rows_is_an_alert_of_volume_and_everything_else_is_unknown(taught):
    found = taught.judge(empty(taught.layout))
    assert statuses(found) == {"drift": "unknown", "missing": "unknown", "invalid": "unknown", "unseen": "unknown",
                               "volume": "alert", "schema": "unknown"}  # fmt: skip
    assert row(found, metric="rows").value == 0.0
    volume = next(v for v in found.verdicts if v.check == "volume")
    assert (volume.value, volume.threshold, volume.columns_failing, volume.columns) == (0.0, 1.0, 0, ())


def test_without_a_reference_only_volume_can_say_anything(taught, rng):
    found = taught.judge(batch(rng), reference=None)
    assert {v.check: v.reason for v in found.verdicts} == {
        "drift": "no_reference", "missing": "no_reference", "invalid": "no_reference", "unseen": "no_reference",
        "volume": None, "schema": "no_reference",
    }  # fmt: skip


def test_while_learning_drift_is_unknown_with_its_score_and_k_of_those_needed(learning, rng):
    found = learning.judge(batch(rng, age=rng.normal(60, 10, 400)))
    drift = found.verdicts[0]
    assert (drift.status, drift.reason, drift.rows, drift.needs) == ("unknown", "learning", 20, 60)
    age = row(found, column="age", metric="surprise")
    assert (age.status, age.threshold) == ("unknown", None)
    assert age.value > 3


def test_while_learning_breakage_alarms_and_recovers(learning, rng):
    broken = learning.judge(batch(rng, age=with_missing(rng, 0.6)))
    assert statuses(broken)["missing"] == "alert"
    assert row(broken, column="age", metric="missing").threshold == 0.5
    assert statuses(learning.judge(batch(rng, age=with_missing(rng, 0.3))))["missing"] == "ok"
    assert statuses(learning.judge(batch(rng)))["unseen"] == "unknown"


def test_a_reference_without_windows_learns_from_nothing(rng):
    case = Case(windows=0, calibrated=False)
    drift = case.judge(batch(rng), windows_per_month=30.0).verdicts[0]
    assert (drift.status, drift.reason, drift.rows, drift.needs) == ("unknown", "learning", 0, 30)


@pytest.mark.parametrize("case", ["taught", "learning"])
def test_a_column_that_is_gone_or_unreadable_breaks_the_schema(case, rng, request):
    case = request.getfixturevalue(case)
    gone = case.judge(batch(rng, age=pa.nulls(400, pa.float64())))
    assert (statuses(gone)["schema"], row(gone, metric="columns", column="age").status) == ("alert", "alert")
    said = case.judge(batch(rng, rows=10), absent=["price"])
    assert (statuses(said)["schema"], row(said, metric="columns", column="").value) == ("alert", 1.0)
    rows = pa.RecordBatch.from_pydict(
        {**{n: batch(rng).column(n) for n in batch(rng).schema.names if n != "f:age"},
         "f:age": pa.nulls(400, pa.float64()), "!f:age": pa.array(['"x"'] * 400)}
    )  # fmt: skip
    unreadable = case.judge(rows)
    assert (statuses(unreadable)["schema"], statuses(unreadable)["invalid"]) == ("alert", "alert")


def test_context_columns_have_no_drift_and_alarm_only_when_broken(taught, rng):
    moved = taught.judge(batch(rng, region=np.full(400, "EU")))
    assert statuses(moved)["drift"] == "ok"
    assert not [r for r in moved.rows if r.column == "region" and r.check == "drift"]
    gone = taught.judge(batch(rng, region=pa.nulls(400, pa.string())))
    assert row(gone, column="region", metric="missing").status == "alert"
    assert "region" not in budgeted_columns(default_checks(), schema=SCHEMA)


@pytest.mark.parametrize(
    ("metric", "threshold", "column"),
    [
        ("psi", 0.2, "age"),
        ("ks", 0.2, "age"),
        ("js", 0.2, "age"),
        ("wasserstein", 5.0, "age"),
        ("l_infinity", 0.2, "kind"),
    ],
)
def test_a_fixed_threshold_holds_any_metric(taught, rng, metric, threshold, column):
    checks = [{"name": "fixed", "kind": "drift", "metric": metric, "columns": [column], "threshold": threshold}]
    assert statuses(taught.judge(batch(rng), checks=checks)) == {"fixed": "ok"}
    changed = batch(rng, age=rng.normal(55, 10, 400), kind=np.full(400, "c"))
    found = taught.judge(changed, checks=checks)
    shown = row(found, column=column, metric=metric)
    assert (found.verdicts[0].status, shown.status, shown.threshold) == ("alert", "alert", threshold)
    assert found.verdicts[0].columns[0].metric == metric


def test_bounds_warn_and_alert_above_and_against_the_reference(taught, rng):
    checks = [{"name": "null-age", "kind": "quality", "metric": "missing", "columns": ["age"],
               "threshold": {"warning": {"rise": 0.05}, "alert": {"above": 0.3}}}]  # fmt: skip
    for share, expected in ((0.0, "ok"), (0.15, "warning"), (0.5, "alert")):
        assert statuses(taught.judge(batch(rng, age=with_missing(rng, share)), checks=checks)) == {"null-age": expected}


def test_volume_below_a_bound_or_dropped_from_what_is_usual(taught, rng):
    checks = [{"name": "v", "kind": "volume", "threshold": {"alert": {"below": 100}}}]
    assert statuses(taught.judge(batch(rng, rows=99), checks=checks)) == {"v": "alert"}
    assert statuses(taught.judge(batch(rng, rows=100), checks=checks)) == {"v": "ok"}
    checks = [{"name": "v", "kind": "volume", "threshold": {"alert": {"drop": 300}}}]
    assert statuses(taught.judge(batch(rng, rows=90), checks=checks, expected_rows=400.0)) == {"v": "alert"}
    unknown = taught.judge(batch(rng, rows=90), checks=checks).verdicts[0]
    assert (unknown.status, unknown.reason) == ("unknown", "baseline_too_short")


def test_the_last_matching_check_decides_and_leaves_the_others_columns_alone(taught, rng):
    checks = [{"name": "drift", "kind": "drift"},
              {"name": "age", "kind": "drift", "columns": ["age"], "threshold": 5.0},
              {"name": "off", "kind": "drift", "columns": ["*"], "enabled": False}]  # fmt: skip
    moved = batch(rng, age=rng.normal(50, 10, 400))
    found = taught.judge(moved, checks=checks)
    assert statuses(found) == {"drift": "ok", "age": "ok"}
    assert {r.check for r in found.rows if r.column == "age" and r.metric == "psi"} == {"age"}
    assert {r.check for r in found.rows if r.column == "price" and r.metric == "psi"} == {"drift"}


def test_exclude_share_and_count(taught, rng):
    moved = batch(rng, age=rng.normal(60, 10, 400), price=rng.exponential(400, 400))
    for more, expected in (
        ({"exclude": ["age", "pri*"]}, "ok"), ({"count": 2}, "alert"), ({"count": 3}, "ok"),
        ({"share": 0.4}, "alert"), ({"share": 0.6}, "ok"), ({"columns": ["@score"]}, "ok"),
    ):  # fmt: skip
        assert statuses(taught.judge(moved, checks=[{"name": "d", "kind": "drift", **more}])) == {"d": expected}, more


def test_columns_that_move_together_count_as_drifted_before_each_would_alone(taught, rng):
    more_than_alone = 0
    for shift in np.linspace(2.0, 5.0, 60):
        moved = batch(
            rng, age=rng.normal(40 + shift, 10, 400), price=rng.exponential(100 * (1 + shift / 10), 400),
            score=rng.beta(2 + shift / 8, 5, 400),
        )  # fmt: skip
        found = taught.judge(moved, checks=[{"name": "d", "kind": "drift"}])
        rows = [r for r in found.rows if r.metric == "surprise" and r.column]
        alone = {r.column for r in rows if r.status == "alert"}
        drifted = {r.column for r in rows if r.method.get("drifted")}
        whole = row(found, column="", metric="surprise")
        assert drifted >= alone
        assert (statuses(found)["d"] == "alert") == bool(alone)
        assert (whole.method["drifted"], whole.method["decided"]) == (len(drifted), 5)
        for count in (2, 3, 4):
            by_count = taught.judge(moved, checks=[{"name": "d", "kind": "drift", "count": count}])
            assert (statuses(by_count)["d"] == "alert") == (len(drifted) >= count)
            assert row(by_count, column="", metric="surprise").threshold is None
        more_than_alone += drifted > alone
    assert more_than_alone >= 3


def test_a_small_effect_is_none_where_min_effect_says_so(taught, rng):
    moved = batch(rng, rows=20_000, age=rng.normal(41, 10, 20_000))
    assert statuses(taught.judge(moved, checks=[{"name": "d", "kind": "drift"}])) == {"d": "alert"}
    assert statuses(taught.judge(moved, checks=[{"name": "d", "kind": "drift", "min_effect": 0.1}])) == {"d": "ok"}
    assert statuses(taught.judge(moved, checks=[{"name": "d", "kind": "drift"}], min_effect=0.1)) == {"d": "ok"}


def test_a_smaller_budget_raises_the_threshold_and_is_taken_out_of_the_models(taught, rng):
    def threshold(checks, name="d"):
        found = taught.judge(batch(rng), checks=checks)
        return next(v.threshold for v in found.verdicts if v.check == name)

    alone = threshold([{"name": "d", "kind": "drift"}])
    strict = threshold([{"name": "d", "kind": "drift", "false_alarms": "1 per year"}])
    missing = {"name": "m", "kind": "quality", "metric": "missing"}
    shared = threshold([{"name": "d", "kind": "drift", "false_alarms": "1 per 2 months"}, missing], name="m")
    greedy = threshold([{"name": "d", "kind": "drift", "false_alarms": "9 per day"}])
    assert strict > alone
    assert shared > alone
    assert greedy == alone


def test_severity_and_hold_come_with_the_verdict(taught, rng):
    checks = [{"name": "d", "kind": "drift", "severity": "critical", "hold": 3}]
    verdict = taught.judge(batch(rng), checks=checks).verdicts[0]
    assert (verdict.severity, verdict.hold) == ("critical", 3)


def test_no_checks_judge_nothing(taught, rng):
    assert taught.judge(batch(rng), checks=[]).verdicts == ()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_whatever_is_counted_every_number_is_finite_and_every_unknown_has_its_reason(taught, seed):
    rng = np.random.default_rng(seed)
    cells, offsets = int(taught.layout.offsets[-1]), taught.layout.offsets
    counts = rng.integers(0, 5, cells) * (rng.random(cells) < rng.random()) * int(10 ** rng.integers(0, 6))
    valid = np.add.reduceat(counts, offsets[:-1])
    rows = int(valid.max()) + int(rng.integers(0, 3))
    invalid = rng.binomial(rows - valid, rng.random())
    current = replace(empty(taught.layout), rows=rows, counts=counts, invalid=invalid, missing=rows - valid - invalid)
    for judgement in (taught.judge(current), once(taught, current)):
        for r in judgement.rows:
            assert all(v is None or np.isfinite(v) for v in (r.value, r.lower, r.upper, r.threshold, r.p_value)), r
            assert (r.status == "unknown") == (r.reason is not None), r
            assert r.reason is None or r.reason in UNKNOWN_REASONS
        assert all((v.status == "unknown") == (v.reason is not None) for v in judgement.verdicts)


def once(case, rows, **more):
    current = rows if isinstance(rows, Profile) else profile_batch(case.layout, rows)
    measured = compare(case.layout, case.reference, current) + measure(case.layout, case.reference, current)
    return judge_once(
        checks=default_checks(), schema=SCHEMA, layout=case.layout, reference=case.reference, current=current,
        measurements=measured, **more,
    )  # fmt: skip


def test_one_comparison_is_judged_without_history_and_says_that_natural_variation_is_unknown(taught, rng):
    fine, moved = once(taught, batch(rng)), once(taught, batch(rng, age=rng.normal(46, 10, 400)))
    assert set(statuses(fine).values()) == {"ok"}
    assert statuses(moved) == statuses(fine) | {"drift": "alert"}
    assert row(moved, column="", metric="surprise").method["natural_variation"] == "unknown"


def test_one_comparison_passes_over_what_is_certain_and_small(taught, rng):
    moved = batch(rng, rows=50_000, age=rng.normal(40.7, 10, 50_000))
    assert statuses(once(taught, moved))["drift"] == "ok"
    assert statuses(once(taught, moved, min_effect=0.0))["drift"] == "alert"
