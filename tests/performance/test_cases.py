"""What is undefined is unknown with a reason, what is odd is counted, and the other metrics are computed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.performance import Outline, cost_table, count, label_coverage, measure
from monitor.performance.measure import CLASSIFICATION, REGRESSION
from monitor.performance.measured import REASONS
from tests.performance.outlines import KINDS, binary, card_of, multiclass, rows_of

NO, YES, UNSEEN, MISSING, INVALID = 0, 1, 2, -1, -2


def codes(*values):
    return np.array(values, np.int32)


def found(outline, *, business=None, **columns):
    card = count(outline, **columns)
    return {m.metric: m for m in measure(outline, card, business=business)}, card


def reasons(measured):
    return {name: m.reason for name, m in measured.items() if m.value is None}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_no_rows_leave_every_metric_unknown_and_none_of_them_zero_or_nan(kind):
    outline = KINDS[kind]
    nothing = np.empty(0) if outline.regression else codes()
    measured, card = found(outline, prediction=nothing, label=nothing)
    expected = {"no_labels"} if outline.regression or outline.edges else {"no_labels", "no_scores"}
    assert {m.reason for m in measured.values()} == expected
    assert all((m.value, m.lower, m.upper, m.se, m.n) == (None, None, None, None, 0) for m in measured.values())
    assert label_coverage(card) is None


def test_rows_without_labels_have_no_outcome_but_are_counted_by_prediction():
    measured, card = found(binary(), prediction=codes(YES, NO, MISSING), label=codes(MISSING, MISSING, MISSING),
                           scores=np.array([[0.9], [0.8], [0.7]]))  # fmt: skip
    assert set(reasons(measured).values()) == {"no_labels"}
    assert card.by_prediction.sum(axis=2).tolist() == [[1, 2]]
    assert (card.rows, card.labelled, card.by_label.sum(), label_coverage(card)) == (3, 0, 0, 0.0)


def test_one_class_only_leaves_ranking_unknown_and_the_rest_known():
    measured, _ = found(binary(), prediction=codes(NO, YES, NO), label=codes(NO, NO, NO),
                        scores=np.array([[0.1], [0.9], [0.2]]))  # fmt: skip
    assert reasons(measured) == {"roc_auc": "one_class", "average_precision": "one_class", "recall": "one_class"}
    assert measured["accuracy"].value == pytest.approx(2 / 3)
    assert measured["specificity"].value == pytest.approx(2 / 3)
    assert (measured["precision"].value, measured["f1"].value) == (0.0, 0.0)


def test_nothing_told_to_be_positive_leaves_precision_unknown():
    measured, _ = found(binary(), prediction=codes(NO, NO), label=codes(NO, YES), scores=np.array([[0.1], [0.2]]))
    assert reasons(measured) == {"precision": "none_predicted"}
    assert (measured["recall"].value, measured["f1"].value) == (0.0, 0.0)


def test_equal_scores_rank_like_a_coin():
    measured, _ = found(binary(), prediction=codes(YES, YES, YES), label=codes(NO, YES, YES),
                        scores=np.full((3, 1), 0.5))  # fmt: skip
    assert (measured["roc_auc"].value, measured["roc_auc"].method["bound"]) == (0.5, 0.0)
    assert measured["average_precision"].value == pytest.approx(2 / 3)


def test_sides_that_do_not_overlap_have_an_interval_all_the_same():
    measured, _ = found(binary(), prediction=codes(*[MISSING] * 8), label=codes(*[NO, YES] * 4),
                        scores=np.array([[0.1], [0.9]] * 4))  # fmt: skip
    for name in ("roc_auc", "average_precision", "accuracy"):
        assert measured[name].value == 1.0
        assert 0.3 < measured[name].lower < 0.9
        assert measured[name].se > 0.05


def test_without_scores_the_metrics_of_labels_alone_are_computed():
    outline = KINDS["binary without scores"]
    measured, _ = found(outline, prediction=codes(0, 1, 1), label=codes(0, 1, 0))
    assert set(reasons(measured).values()) == {"no_scores"}
    assert sorted(measured.keys() - reasons(measured).keys()) == [
        "accuracy",
        "f1",
        "precision",
        "recall",
        "specificity",
    ]
    assert (measured["precision"].value, measured["recall"].value) == (1.0, 0.5)  # "yes" is the first class here


def test_scores_outside_0_to_1_are_invalid_and_told_apart_from_missing_ones():
    scores = np.array([[1.5], [-0.1], [np.inf], [-np.inf], [np.nan], [0.0], [-0.0], [1.0]])
    label, prediction = codes(*[YES] * 8), codes(*[YES] * 8)
    measured, card = found(binary(), prediction=prediction, label=label, scores=scores)
    assert card.invalid_scores.tolist() == [4]
    assert card.by_label.sum() == 3
    assert (measured["accuracy"].n, measured["log_loss"].n) == (8, 3)


def test_only_invalid_scores_are_no_scores():
    measured, _ = found(binary(), prediction=codes(YES), label=codes(YES), scores=np.array([[7.0]]))
    expected = {"roc_auc", "average_precision", "log_loss", "brier", "calibration_error"}
    assert {name for name, reason in reasons(measured).items() if reason == "no_scores"} == expected


def test_a_missing_prediction_is_that_of_a_valid_score():
    scores = np.array([[0.3], [0.29], [np.nan], [2.0]])
    _, card = found(binary(threshold=0.3), prediction=codes(*[MISSING] * 4), label=codes(*[YES] * 4), scores=scores)
    assert card.confusion.tolist() == [[0, 0, 0], [1, 1, 0], [0, 0, 0]]
    rows = np.array([[0.2, 0.5, 0.3], [0.4, 0.2, 0.4], [0.9, np.nan, 0.1], [0.9, 7.0, 0.1]])
    _, card = found(multiclass(), prediction=codes(*[MISSING] * 4), label=codes(*[0] * 4), scores=rows)
    assert card.confusion[0].tolist() == [1, 1, 0, 0]  # the first of equal scores; none where one is missing


def test_labels_without_predictions_are_no_predictions():
    measured, card = found(KINDS["binary without scores"], prediction=codes(MISSING, INVALID), label=codes(0, 1))
    assert (measured["accuracy"].reason, measured["recall"].reason) == ("no_predictions", "no_predictions")
    assert (card.labelled, card.invalid_predictions) == (2, 1)


def test_a_class_never_seen_has_its_own_row_and_is_always_a_miss():
    measured, card = found(binary(), prediction=codes(YES, UNSEEN, UNSEEN, NO), label=codes(UNSEEN, UNSEEN, YES, NO),
                           scores=np.array([[0.9], [0.1], [0.2], [0.3]]))  # fmt: skip
    assert card.confusion.tolist() == [[1, 0, 0], [0, 0, 1], [0, 1, 1]]
    assert card.unseen_labels == 2
    assert measured["accuracy"].value == 0.25
    assert card.by_label.sum(axis=2).tolist() == [[3, 1]]


def test_a_label_never_seen_has_no_log_loss_among_many_classes():
    measured, _ = found(multiclass(), prediction=codes(0, 1), label=codes(3, 1),
                        scores=np.array([[0.5, 0.2, 0.3], [0.2, 0.5, 0.3]]))  # fmt: skip
    assert (measured["log_loss"].n, measured["log_loss"].value) == (1, pytest.approx(np.log(2)))


def test_labels_that_could_not_be_read_count_as_missing_and_are_counted():
    _, card = found(binary(), prediction=codes(YES, YES), label=codes(INVALID, YES), scores=np.full((2, 1), 0.5))
    assert (card.labelled, card.invalid_labels) == (1, 1)
    _, card = found(KINDS["regression"], prediction=np.array([1.0, np.inf, 1.0]), label=np.array([np.inf, 1.0, 1e200]))
    assert (card.labelled, card.invalid_labels, card.invalid_predictions) == (1, 2, 1)


def test_assumed_labels_are_counted_apart():
    _, card = found(binary(), prediction=codes(NO, NO, NO), label=codes(NO, NO, MISSING), scores=np.zeros((3, 1)),
                    assumed=np.array([True, False, True]))  # fmt: skip
    assert (card.labelled, card.assumed) == (2, 1)


def test_classes_without_rows_are_left_out_of_the_average_and_said():
    measured, _ = found(multiclass(), prediction=codes(0, 1, 0), label=codes(0, 1, 1),
                        scores=np.array([[0.5, 0.2, 0.3], [0.2, 0.5, 0.3], [0.6, 0.3, 0.1]]))  # fmt: skip
    assert measured["recall"].value == pytest.approx((1 + 0.5) / 2)
    assert (measured["recall"].method["classes"], measured["recall"].method["classes_left_out"]) == (2, 1)
    assert measured["recall/c"].reason == "one_class"
    assert measured["precision/c"].reason == "none_predicted"


def test_some_classes_without_a_score_column_leave_log_loss_unknown():
    whole = multiclass()
    partial = Outline(task="multiclass_classification", classes=whole.classes, edges=whole.edges[1:],
                      centers=whole.centers[1:], scored=(1, 2))  # fmt: skip
    measured, _ = found(partial, prediction=codes(1, 2), label=codes(1, 2), scores=np.array([[0.9, 0.1], [0.2, 0.8]]))
    assert (measured["log_loss"].reason, measured["brier"].reason) == ("unscored_classes", "unscored_classes")
    assert measured["roc_auc"].value == 1.0
    assert {"roc_auc/b", "roc_auc/c"} <= set(measured)
    assert "roc_auc/a" not in measured


def test_zero_targets_have_no_percentage_and_those_at_minus_one_no_logarithm():
    outline = KINDS["regression"]
    measured, _ = found(outline, prediction=np.array([1.0, 3.0, 2.0, -2.0]), label=np.array([0.0, -1.0, 4.0, 4.0]))
    assert (measured["mape"].value, measured["mape"].n) == (pytest.approx((4 + 0.5 + 1.5) / 3), 3)
    assert measured["mape"].method["zero_targets"] == 1
    assert (measured["msle"].n, measured["msle"].method["below_minus_one"]) == (2, 2)
    measured, _ = found(outline, prediction=np.array([1.0, -3.0]), label=np.array([0.0, 0.0]))
    assert (measured["mape"].reason, measured["r2"].reason) == ("zero_targets", "constant")
    measured, _ = found(outline, prediction=np.array([-1.0]), label=np.array([-7.0]))
    assert (measured["rmsle"].reason, measured["r2"].reason) == ("below_minus_one", "few_labels")
    assert (measured["mae"].value, measured["mae"].lower, measured["mae"].se) == (6.0, None, None)


def test_predictions_missing_for_all_labels_of_a_regression_are_no_predictions():
    measured, _ = found(KINDS["regression"], prediction=np.array([np.nan]), label=np.array([1.0]))
    assert {name: m.reason for name, m in measured.items()} == dict.fromkeys(REGRESSION, "no_predictions")


def test_estimated_errors_are_summed_for_rows_without_labels_too():
    card = count(KINDS["regression"], prediction=np.array([1.0, 2.0, 3.0]), label=np.full(3, np.nan),
                 estimated=np.array([[1.0, 2.0], [3.0, 10.0], [np.nan, np.nan]]))  # fmt: skip
    assert card.losses[5].tolist() == [2.0, 4.0, 10.0, 28.0]
    assert card.losses[6].tolist() == [2.0, 12.0, 104.0, 1008.0]


def test_business_value_is_the_mean_worth_of_labelled_rows():
    worth = {"yes": {"yes": 20, "no": -50}, "no": {"yes": -5}}
    measured, _ = found(binary(), prediction=codes(YES, NO, YES, NO, NO), label=codes(YES, YES, NO, NO, UNSEEN),
                        scores=np.zeros((5, 1)), business=worth)  # fmt: skip
    assert list(measured) == [*CLASSIFICATION, "business_value"]
    assert measured["business_value"].value == (20 - 50 - 5) / 5
    with pytest.raises(ValueError, match=r"'maybe'.*name classes"):
        cost_table({"maybe": {"yes": 1.0}}, classes=("no", "yes"))


def test_outlines_that_do_not_fit_together_are_refused():
    edges, centers = np.array([0.5]), np.array([0.2, 0.7])
    for wrong in (
        {"classes": ("a",), "positive": "a"},
        {"classes": ("a", "b"), "positive": "c"},
        {"classes": ("a", "b"), "positive": "b", "edges": (edges,), "centers": (centers[:1],)},
        {"classes": ("a", "b"), "positive": "b", "edges": (edges,), "centers": (centers,), "scored": (0,)},
        {"classes": ("a", "b"), "positive": "b", "edges": (np.array([0.5, 0.5]),), "centers": (np.zeros(3),)},
    ):
        with pytest.raises(ValueError, match="outline: "):
            Outline(task="binary_classification", **wrong)
    with pytest.raises(ValueError, match="predictions and"):
        count(binary(), prediction=codes(1), label=codes(1, 1), scores=np.zeros((2, 1)))


@given(st.sampled_from(sorted(KINDS)), st.integers(0, 2**32 - 1), st.integers(0, 60))
def test_every_metric_has_a_finite_value_within_its_interval_or_a_known_reason(kind, seed, n):
    outline = KINDS[kind]
    card = card_of(outline, rows_of(outline, n=n, rng=np.random.default_rng(seed)))
    worth = None if outline.regression else {outline.classes[0]: {outline.classes[1]: -1.5}}
    for m in measure(outline, card, business=worth):
        if m.value is None:
            assert m.reason in REASONS
            assert (m.lower, m.upper, m.se) == (None, None, None)
        else:
            assert m.reason is None
            assert np.isfinite(m.value)
            assert m.n > 0
        if m.lower is not None:
            slack = 1e-9 * max(abs(m.value), 1.0)
            assert m.lower - slack <= m.value <= m.upper + slack
            assert np.isfinite([m.lower, m.upper]).all()
            assert m.se >= 0


def test_coarse_outlines_keep_to_the_cells_they_may_have_and_their_histograms():
    rng = np.random.default_rng(1)
    fine = multiclass(scores=rng.dirichlet(np.ones(30), 3_000), classes=[str(i) for i in range(30)])
    coarse = fine.supposing(rng.dirichlet(np.ones(30), 500).T).coarsened(most=3_000)
    assert 30 * fine.cells > 3_000
    assert 1_500 < 30 * coarse.cells <= 3_000
    assert [h.sum() for h in coarse.histograms] == pytest.approx([500.0] * 30)
    assert all(((c[1:] > c[:-1]) & (c[1:] <= 1)).all() for c in coarse.centers)
    assert fine.coarsened() is fine
