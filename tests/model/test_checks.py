"""Checks from their configured shapes: what is read, what is refused and how it says so."""

import pytest

from monitor.model.checks import (
    METRICS,
    budgeted_columns,
    checks_of,
    deciding_columns,
    default_checks,
    parse_checks,
    selected_columns,
)
from monitor.model.errors import InvalidInput, NotAvailableYet
from monitor.model.schema import Column, Schema
from monitor.model.thresholds import Bound, FalseAlarms, Threshold, parse_false_alarms, parse_threshold

SCHEMA = Schema(
    columns=(
        Column(name="age"), Column(name="session_a"), Column(name="session_b"), Column(name="kind", type="categorical"),
        Column(name="p", role="prediction", type="categorical"), Column(name="s", role="score"),
        Column(name="region", role="context", type="categorical"), Column(name="y", role="label"),
        Column(name="note", type="text"),
    )
)  # fmt: skip


def one(**shape):
    return parse_checks([{"name": "c", "kind": "drift", **shape}])[0]


def names(check):
    return [column.name for column in selected_columns(check, schema=SCHEMA)]


def test_the_example_of_the_configuration_is_read():
    drift, null_age = parse_checks(
        [
            {"name": "drift", "kind": "drift", "columns": ["@feature", "@score"], "exclude": ["session_*"],
             "false_alarms": "1 per month"},
            {"name": "null-age", "kind": "quality", "metric": "missing", "columns": ["age"],
             "threshold": {"alert": 0.05}},
        ]
    )  # fmt: skip
    assert (drift.metric, drift.threshold, drift.min_rows, drift.hold) == ("psi", None, 50, 1)
    assert drift.false_alarms == FalseAlarms(count=1.0, every=1, unit="month")
    assert names(drift) == ["age", "kind", "s"]
    assert null_age.threshold == Threshold(alert=Bound(above=0.05))
    assert names(null_age) == ["age"]


def test_no_checks_means_seven_automatic_ones_and_an_empty_list_means_none():
    assert [(c.name, c.kind, c.metric, c.severity, c.threshold) for c in default_checks()] == [
        ("drift", "drift", "psi", "warning", None), ("missing", "quality", "missing", "warning", None),
        ("invalid", "quality", "invalid", "warning", None), ("unseen", "quality", "unseen", "warning", None),
        ("volume", "volume", "rows", "critical", None), ("schema", "schema", "columns", "critical", None),
        ("performance", "performance", "", "critical", None),
    ]  # fmt: skip
    assert parse_checks([]) == ()


def test_the_default_columns_are_features_predictions_and_scores_and_for_quality_context_too():
    monitored = ["age", "session_a", "session_b", "kind", "p", "s"]
    assert names(one()) == monitored
    assert names(one(kind="quality")) == [*monitored, "region"]
    assert names(one(columns=["region", "note", "y"])) == []
    assert names(one(columns=["session_?", "@prediction"], exclude=["*_b"])) == ["session_a", "p"]


def test_the_last_matching_check_decides_each_column():
    checks = parse_checks(
        [{"name": "drift", "kind": "drift"}, {"name": "age", "kind": "drift", "columns": ["age"], "threshold": 0.2},
         {"name": "ks", "kind": "drift", "metric": "ks", "columns": ["age"], "threshold": 0.2},
         {"name": "off", "kind": "drift", "enabled": False}]
    )  # fmt: skip
    found = {name: [c.name for c in columns] for name, columns in deciding_columns(checks, schema=SCHEMA).items()}
    assert found == {"drift": ["session_a", "session_b", "kind", "p", "s"], "age": ["age"], "ks": ["age"]}
    assert budgeted_columns(checks, schema=SCHEMA) == {"session_a", "session_b", "kind", "p", "s"}


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ({"colums": ["a"]}, "did you mean 'columns'"),
        ({"kind": "drfit"}, "did you mean 'drift'"),
        ({"kind": None}, "is not one of drift"),
        ({"metric": "pis"}, "did you mean 'psi'"),
        ({"metric": "missing"}, "is not one of psi"),
        ({"metric": "ks"}, "not judged by threshold 'auto'"),
        ({"columns": ["@features"]}, "did you mean '@feature'"),
        ({"columns": "age"}, "expected a list of names"),
        ({"threshold": {"alrt": 1}}, "did you mean 'alert'"),
        ({"threshold": {"below": 1}}, 'write {"alert": {"below": …}}'),
        ({"threshold": {"alert": {"abve": 1}}}, "did you mean 'above'"),
        ({"threshold": {"alert": {"above": 1, "below": 0}}}, "a bound is a number or one of"),
        ({"threshold": {}}, '"warning", "alert" or both'),
        ({"threshold": {"alert": {"drop": -1}}}, "0 or more"),
        ({"threshold": True}, "expected"),
        ({"threshold": float("nan")}, "expected"),
        ({"threshold": 10**400}, "expected"),
        ({"false_alarms": "monthly"}, "'1 per month'"),
        ({"false_alarms": "0 per month"}, "allows nothing"),
        ({"severity": "fatal"}, "is not one of critical"),
        ({"share": 1.5}, "from 0 to 1"),
        ({"share": 0.5, "count": 2}, "exclude each other"),
        ({"hold": 0}, "a whole number from 1"),
        ({"min_rows": 1.5}, "a whole number"),
        ({"enabled": "yes"}, "expected a boolean"),
        ({"name": "a b"}, "is not allowed"),
        ({"name": 7}, "expected a text"),
        ({"kind": "schema", "threshold": 1}, "no threshold but 'auto'"),
    ],
)
def test_what_is_wrong_is_refused_with_the_nearest_name_or_the_expectation(shape, said):
    with pytest.raises(InvalidInput) as refused:
        one(**shape)
    assert said in refused.value.detail


@pytest.mark.parametrize(
    "shape",
    [
        *({"kind": k} for k in ("multivariate", "fairness", "rule")),
        {"rule": "not_null"},
    ],
)  # fmt: skip
def test_what_a_later_release_brings_is_not_available_yet(shape):
    with pytest.raises(NotAvailableYet, match="not available yet"):
        one(**shape)


@pytest.mark.parametrize("kind", ["drift", "quality", "volume"])
@pytest.mark.parametrize("segments", [["*"], ["", "region=*"], ["evening"]])
def test_a_check_says_where_it_is_judged(kind, segments):
    assert one(kind=kind, segments=segments).segments == tuple(segments)


def test_a_check_is_of_all_traffic_where_nothing_is_said():
    assert one().segments == one(segments=None).segments == ("",)
    assert one(segments=["eu", "", "eu"]).segments == ("eu", "")


@pytest.mark.parametrize("kind", ["schema", "performance", "estimate", "concept_drift"])
def test_a_check_of_the_whole_model_takes_no_segments(kind):
    assert one(kind=kind, segments=[""]).segments == ("",)
    with pytest.raises(InvalidInput, match=f"a {kind} check is of all traffic"):
        one(kind=kind, segments=["*"])


@pytest.mark.parametrize("segments", [[], "eu", [1], {"eu": 1}, ["x" * 257], [f"s{i}" for i in range(101)]])
def test_what_is_no_list_of_segments_is_refused(segments):
    with pytest.raises(InvalidInput, match=r"check 'c'\.segments: expected"):
        one(segments=segments)


def test_the_last_check_of_a_segment_decides_there_and_only_there():
    checks = parse_checks([
        {"name": "all", "kind": "drift", "segments": ["*"]},
        {"name": "eu", "kind": "drift", "segments": ["region=EU"]},
        {"name": "off", "kind": "drift", "segments": ["region=EU"], "enabled": False},
    ])  # fmt: skip
    deciding = {
        segment: {
            name: bool(columns)
            for name, columns in deciding_columns(checks_of(checks, segment=segment), schema=SCHEMA).items()
        }
        for segment in ("", "region=EU", "region=US")
    }
    assert deciding == {"": {"all": True}, "region=EU": {"all": False, "eu": True}, "region=US": {"all": True}}


def test_what_says_the_default_is_accepted():
    assert one(segments=[""], baseline=None, threshold="auto") == one()


@pytest.mark.parametrize("shapes", [{}, "drift", 5, None, ["drift"], [[]]])
def test_anything_but_a_list_of_objects_is_refused(shapes):
    with pytest.raises(InvalidInput):
        parse_checks(shapes)


def test_names_are_unique():
    with pytest.raises(InvalidInput, match="given twice"):
        parse_checks([{"name": "a", "kind": "drift"}, {"name": "a", "kind": "volume"}])


def test_every_kind_has_its_metrics_and_the_first_is_its_default():
    assert {kind: one(kind=kind).metric for kind in METRICS} == {
        "drift": "psi", "quality": "missing", "volume": "rows", "schema": "columns",
    }  # fmt: skip
    assert one(metric="surprise").metric == "psi"  # surprise is psi in units of the usual movement


def test_a_number_is_an_alert_in_the_bad_direction():
    assert parse_threshold(0.2).to_json() == {"alert": {"above": 0.2}}
    assert one(kind="volume", threshold=100).threshold.to_json() == {"alert": {"below": 100.0}}


def test_bounds_against_the_reference_need_one():
    threshold = parse_threshold({"warning": {"drop": 0.02}, "alert": {"below": 0.78}})
    assert threshold.status(0.81, reference=0.82) == "ok"
    assert threshold.status(0.79, reference=0.82) == "warning"
    assert threshold.status(0.77, reference=0.82) == "alert"
    assert threshold.status(0.79) is None
    assert threshold.status(0.5) == "alert"  # which no reference could change


def test_a_bound_has_exactly_one_side():
    for sides in ({}, {"above": 1.0, "below": 0.0}):
        with pytest.raises(InvalidInput, match="exactly one"):
            Bound(**sides)


@pytest.mark.parametrize(
    ("words", "per_month"),
    [("1 per month", 1.0), ("2 per 3 months", 2 / 3), ("1 per day", 30.0), ("1 per week", 30 / 7),
     ("1 per quarter", 1 / 3), ("1 per year", 30 / 365.25), ("0.5 per month", 0.5), ("1 per 100 runs", 7.2)],
)  # fmt: skip
def test_budgets_in_words_are_alarms_in_thirty_days(words, per_month):
    budget = parse_false_alarms(words)
    assert budget.per_month(720.0) == pytest.approx(per_month)
    assert parse_false_alarms(str(budget)) == budget


def test_a_check_shows_the_shape_it_was_given_in():
    shape = {"name": "c", "kind": "drift", "threshold": {"alert": 0.2}, "columns": ["age"]}
    assert parse_checks([shape])[0].to_json() == shape


def test_a_performance_check_names_a_metric_of_some_task_and_its_bad_side():
    assert one(kind="performance", metric="roc_auc", threshold=0.78).threshold.alert.below == 0.78
    assert one(kind="performance", metric="recall/yes", threshold={"alert": {"drop": 0.1}}).metric == "recall/yes"
    assert one(kind="estimate", metric="mae", threshold=3.0).threshold.alert.above == 3.0
    assert one(kind="concept_drift", metric="roc_auc", threshold=0.05).threshold.alert.above == 0.05
    assert [one(kind=kind).severity for kind in ("performance", "estimate", "concept_drift")] == [
        "critical", "warning", "warning",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ({"metric": "roc_acu"}, "did you mean 'roc_auc'"),
        ({"metric": "psi"}, "is not one of roc_auc"),
        ({"metric": "recall/"}, "recall/<class>"),
        ({"threshold": 0.8}, "a fixed threshold needs a metric"),
    ],
)
def test_a_performance_check_that_cannot_be_judged_is_refused(shape, said):
    with pytest.raises(InvalidInput) as refused:
        one(kind="performance", **shape)
    assert said in refused.value.detail
