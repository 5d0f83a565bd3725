"""Standard errors and intervals equal published formulas, scipy, or what drawing again shows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from monitor.performance import Outline, count, measure
from monitor.performance.average_precision import average_precision
from monitor.performance.intervals import logit, mean_of, wilson
from monitor.performance.roc_auc import roc_auc
from monitor.performance.scorecard import powers
from tests.performance.outlines import binary, multiclass


@pytest.mark.parametrize(("hits", "n"), [(0, 5), (5, 5), (3, 10), (990, 1000), (1, 1)])
def test_wilsons_interval_is_scipys(hits, n):
    oracle = stats.binomtest(hits, n).proportion_ci(method="wilson")
    lower, upper, se = wilson(hits, n)
    assert (lower, upper) == pytest.approx((oracle.low, oracle.high), abs=1e-12)
    assert se > 0


def test_the_interval_of_a_mean_without_skewness_is_students():
    losses = np.concatenate((np.arange(10.0), 9 - np.arange(10.0)))
    oracle = stats.ttest_1samp(losses, 0).confidence_interval()
    found = mean_of("mae", powers(losses))
    assert (found.lower, found.upper) == pytest.approx((oracle.low, oracle.high), rel=1e-6)
    assert found.se == pytest.approx(stats.sem(losses))


def test_the_interval_of_a_skewed_mean_leans_to_the_long_tail():
    found = mean_of("mae", powers(np.random.default_rng(1).exponential(size=200)))
    assert found.upper - found.value > 1.05 * (found.value - found.lower)


def test_no_interval_leaves_the_values_it_could_have():
    assert logit(0.999, se=0.4) == pytest.approx((0.0, 1.0), abs=1e-6)
    assert logit(0.5, se=1e6) == pytest.approx((0.0, 1.0), abs=1e-6)
    assert mean_of("mae", powers(np.array([0.0, 0.0, 9.0]))).lower == 0.0


def scored(rng, n=400):
    y = (rng.uniform(size=n) < 0.3).astype(np.int32)
    return y, np.round(np.clip(rng.beta(2, 3, n) + 0.2 * y, 0, 1), 2)


def test_the_standard_error_of_auc_is_delongs_by_its_definition():
    y, scores = scored(np.random.default_rng(2))
    wins = (scores[y == 1][:, None] > scores[y == 0]) + 0.5 * (scores[y == 1][:, None] == scores[y == 0])
    expected = np.sqrt(
        wins.mean(axis=1).var(ddof=1) / (y == 1).sum() + wins.mean(axis=0).var(ddof=1) / (y == 0).sum()
    )  # fmt: skip
    cells = np.unique(scores, return_inverse=True)[1]
    histogram = np.array([np.bincount(cells[y == side], minlength=cells.max() + 1) for side in (0, 1)])
    assert roc_auc(histogram, atoms=np.ones(histogram.shape[1], bool)).se == pytest.approx(expected, rel=1e-12)


def test_the_standard_error_of_average_precision_is_that_of_drawing_again():
    rng = np.random.default_rng(3)
    y, scores = scored(rng, n=3_000)
    cells = np.unique(scores, return_inverse=True)[1]
    histogram = np.array([np.bincount(cells[y == side], minlength=cells.max() + 1) for side in (0, 1)])
    atoms = np.ones(histogram.shape[1], bool)
    shares = histogram.ravel() / histogram.sum()
    drawn = [
        average_precision(rng.multinomial(3_000, shares).reshape(histogram.shape), atoms=atoms).value
        for _ in range(1_500)
    ]
    assert average_precision(histogram, atoms=atoms).se == pytest.approx(np.std(drawn), rel=0.06)


def redrawn(outline, columns, *, n, rng, sets=300):
    """The standard deviation of each metric over data sets drawn again from the rows."""
    values = {}
    for _ in range(sets):
        rows = rng.integers(0, n, n)
        for m in measure(outline, count(outline, **{name: column[rows] for name, column in columns.items()})):
            values.setdefault(m.metric, []).append(m.value)
    return {name: np.std(column) for name, column in values.items()}


def test_the_standard_errors_of_macro_averages_are_those_of_drawing_again():
    rng, n = np.random.default_rng(4), 1_500
    logits = rng.normal((0.8, 0.0, -0.6), 1.0, (n, 3))
    scores = (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).round(2)
    label = (scores.cumsum(axis=1) < rng.uniform(size=(n, 1))).sum(axis=1).clip(0, 2).astype(np.int32)
    columns = {"label": label, "prediction": np.full(n, -1, np.int32), "scores": scores}
    plain = multiclass(scores=scores)
    outline = plain.supposing(scores.T)
    found = {m.metric: m for m in measure(outline, count(outline, **columns))}
    expected = redrawn(outline, columns, n=n, rng=rng)
    names = (
        "roc_auc",
        "average_precision",
        "accuracy",
        "precision",
        "recall",
        "specificity",
        "f1",
        "log_loss",
        "brier",
    )
    for name in names:
        assert found[name].se == pytest.approx(expected[name], rel=0.12), name
    unknowing = {m.metric: m for m in measure(plain, count(plain, **columns))}
    assert unknowing["roc_auc"].se > 1.15 * expected["roc_auc"]  # the widest, where nothing is known


def test_the_standard_errors_of_a_regression_are_those_of_drawing_again():
    rng, n = np.random.default_rng(5), 2_000
    label = rng.lognormal(1.0, 0.5, n)
    columns = {"label": label, "prediction": label + rng.normal(0.2, 0.3 + 0.2 * label)}
    outline = Outline(task="regression", center=100.0)
    expected = redrawn(outline, columns, n=n, rng=rng)
    for m in measure(outline, count(outline, **columns)):
        assert m.se == pytest.approx(expected[m.metric], rel=0.12), m.metric


def test_r2_is_exact_for_labels_far_from_zero_because_sums_are_about_the_center():
    rng = np.random.default_rng(6)
    label = 1.7e9 + rng.normal(0, 5, 500)
    told = label + rng.normal(0, 2, 500)
    outline = Outline(task="regression", center=1.7e9)
    found = {m.metric: m for m in measure(outline, count(outline, label=label, prediction=told))}
    expected = 1 - ((told - label) ** 2).sum() / ((label - label.mean()) ** 2).sum()
    assert found["r2"].value == pytest.approx(expected, rel=1e-9)


def test_the_interval_of_calibration_error_reaches_zero_for_a_calibrated_model():
    rng = np.random.default_rng(7)
    scores = rng.uniform(size=2_000)
    label = (rng.uniform(size=2_000) < scores).astype(np.int32)
    outline = binary(scores=scores)
    card = count(outline, label=label, prediction=np.full(2_000, -1, np.int32), scores=scores[:, None])
    found = next(m for m in measure(outline, card) if m.metric == "calibration_error")
    assert found.lower == 0.0
    assert found.value == pytest.approx(found.method["if_calibrated"], rel=0.5)
