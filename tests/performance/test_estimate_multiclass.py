"""CBPE of a multiclass classifier: the confusion it expects, bounds that hold, classes that are left out."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.performance import Outline, count
from monitor.performance.anchor import Anchor, anchored, anchored_classes
from monitor.performance.calibrator import calibrate_classes, restored
from monitor.performance.cbpe_class import CLASS_METRICS, expected_class
from monitor.performance.confusion_spread import ClassCounts, confused, macro_variances
from monitor.performance.estimate import estimate
from monitor.performance.exclusive import exclusive, predicted_share
from monitor.performance.expected_losses import CLASS_LOSSES
from tests.performance.scoring import CENTERS, EDGES, SURE, by

sklearn_metrics = pytest.importorskip("sklearn.metrics", reason="the extra `demo` is not installed")
CLASSES = ("ant", "bee", "cat")
RAW = tuple(
    restored(SURE, centers=CENTERS, isotonic=False, gain=0.0, gain_se=0.1, misfit=0.0, reason=None) for _ in CLASSES
)


def _records(rng, n):
    """Scores float64[n, 3] that are the chances of the classes, and labels."""
    scores = rng.dirichlet([2.0, 1.0, 1.0], n)
    return scores, (rng.uniform(size=(n, 1)) > np.cumsum(scores, axis=1)[:, :2]).sum(axis=1)


def _counts(scores, which):
    """int64[3, 2, B]."""
    return np.stack([by(which == k, scores[:, k]) for k in range(3)])


def _estimates(scores, calibrations=RAW, **kind):
    found = estimate(
        "multiclass_classification", by_prediction=_counts(scores, scores.argmax(axis=1)), calibrations=calibrations,
        classes=CLASSES, **kind,
    )  # fmt: skip
    return {e.metric: e for e in found}


def _realised(scores, label):
    m, predicted = sklearn_metrics, scores.argmax(axis=1)
    inner = np.linspace(0, 1, 11)[1:-1]
    gaps = [np.bincount(inner.searchsorted(s), (label == k) - s, 10) for k, s in enumerate(scores.T)]
    others = [m.recall_score(label != k, predicted != k) for k in range(3)]
    return {
        "accuracy": m.accuracy_score(label, predicted), "specificity": np.mean(others),
        "precision": m.precision_score(label, predicted, average="macro"),
        "recall": m.recall_score(label, predicted, average="macro"),
        "f1": m.f1_score(label, predicted, average="macro"),
        "roc_auc": m.roc_auc_score(label, scores, multi_class="ovr"),
        "average_precision": m.average_precision_score(np.eye(3)[label], scores),
        "log_loss": m.log_loss(label, scores), "brier": m.brier_score_loss(label, scores, labels=[0, 1, 2]),
        "calibration_error": np.mean([np.abs(g).sum() / len(label) for g in gaps]),
        "recall/bee": m.recall_score(label == 1, predicted == 1),
        "roc_auc/cat": m.roc_auc_score(label == 2, scores[:, 2]),
    }  # fmt: skip


def test_the_estimate_is_the_mean_of_what_labels_drawn_from_the_scores_show():
    rng = np.random.default_rng(1)
    scores, _ = _records(rng, 1_000)
    found = _estimates(scores)
    drawn = []
    for _ in range(60):
        label = (rng.uniform(size=(len(scores), 1)) > np.cumsum(scores, axis=1)[:, :2]).sum(axis=1)
        drawn.append(_realised(scores, label))
    for name in drawn[0]:
        values = np.array([d[name] for d in drawn])
        assert abs(values.mean() - found[name].value) < 4 * values.std() / np.sqrt(60) + 5e-4, name
        if name in ("accuracy", "recall/bee", "roc_auc/cat"):
            assert found[name].se == pytest.approx(values.std(), rel=0.35), name


def _weights(kind, counts):
    """By class the weight of a label in each score cell, float64[B]."""
    if kind == "accuracy":
        return [predicted_share(c) for c in counts]
    if kind == "roc_auc":
        return [expected_class(c, calibration=raw)["roc_auc"].slope[0] for c, raw in zip(counts, RAW, strict=True)]
    return [CLASS_LOSSES[kind](CENTERS).spread] * 3


@pytest.mark.parametrize("alpha", [(2.0, 1.0, 1.0), (0.5, 0.5, 0.5), (6.0, 2.0, 1.0)])
@pytest.mark.parametrize("kind", ["log_loss", "brier", "accuracy", "roc_auc"])
def test_the_chance_in_a_sum_over_classes_is_that_of_rows_with_one_label(alpha, kind):
    """Against each row's own multinomial variance: not 4 % too small nor 12 % too large."""
    scores = np.clip(np.random.default_rng(8).dirichlet(alpha, 20_000), 1e-6, 1.0)
    counts, cells = _counts(scores, scores.argmax(axis=1)), EDGES.searchsorted(scores)
    weights = _weights(kind, counts)
    found = exclusive(counts, calibrations=RAW, weights=weights)
    p, w = CENTERS[cells], np.stack([one[cell] for one, cell in zip(weights, cells.T, strict=True)], axis=1)
    p = p / p.sum(axis=1, keepdims=True)
    rows = float(np.sum((p * w**2).sum(axis=1) - (p * w).sum(axis=1) ** 2))
    assert 0.96 < found.together / rows < 1.12
    if kind in CLASS_LOSSES:
        assert found.ratio < 0.67


def test_the_bounds_hold_the_realised_value_in_at_least_95_of_100_windows():
    """Macro bounds may be wider than need be, as histograms do not say how classes hang together; never narrower."""
    rng = np.random.default_rng(2)
    hits: dict[str, int] = {}
    for _ in range(80):
        scores, label = _records(rng, 500)
        found, realised = _estimates(scores), _realised(scores, label)
        for name, value in realised.items():
            hits[name] = hits.get(name, 0) + (found[name].lower <= value <= found[name].upper)
    # 80 windows: 95 % less three standard errors; benchmarks/estimates.py looks at a thousand
    assert {name: h for name, h in hits.items() if h < 70} == {}


def test_every_class_has_its_metrics_and_the_mean_of_them_is_the_macro_average():
    found = _estimates(_records(np.random.default_rng(3), 1_000)[0])
    for name in CLASS_METRICS:
        each = [found[f"{name}/{label}"].value for label in CLASSES]
        assert found[name].value == pytest.approx(np.mean(each)), name
        assert found[name].method["classes_left_out"] == 0
    assert len(found) == 10 + 3 * 7
    assert found["accuracy"].method["probability_sum"] == pytest.approx(1.0, abs=1e-3)
    assert found["accuracy"].method["assumption"] == "no concept drift"


def test_a_class_of_few_labels_is_left_out_and_without_all_scores_there_is_no_accuracy():
    rng = np.random.default_rng(4)
    scores, label = _records(rng, 4_000)
    rare = np.where((label == 2) & (np.cumsum(label == 2) > 19), 0, label)
    halves = [_counts(scores[s], rare[s]) for s in (slice(0, 2_000), slice(2_000, None))]
    calibrations = calibrate_classes(halves[0], held_out=halves[1], centers=[CENTERS] * 3)
    found = _estimates(scores, calibrations)
    assert (found["recall/cat"].value, found["recall/cat"].reason) == (None, "few_labels")
    assert found["recall"].method["classes_left_out"] == 1
    assert found["accuracy"].reason == "few_labels"
    part = _estimates(scores, complete=False)
    assert {part[name].reason for name in ("accuracy", "log_loss", "brier")} == {"unscored_classes"}
    assert {e.reason for e in _estimates(scores[:30]).values()} == {"few_rows"}


def test_cells_beyond_a_classs_own_are_left_out():
    scores, _ = _records(np.random.default_rng(5), 600)
    counts = _counts(scores, scores.argmax(axis=1))
    padded = np.concatenate((counts, np.zeros((3, 2, 9), np.int64)), axis=2)
    one, other = (
        estimate("multiclass_classification", by_prediction=c, calibrations=RAW, classes=CLASSES)
        for c in (counts, padded)
    )
    assert [(e.metric, e.value, e.se) for e in one] == [(e.metric, e.value, e.se) for e in other]


def test_confused_records_add_up_to_the_wrong_predictions_and_the_missed_labels():
    told = ClassCounts(
        predicted=np.array([50.0, 30.0, 20.0]), right=np.array([40.0, 22.0, 15.0]),
        right_squares=np.array([35.0, 18.0, 12.0]), missed=np.array([9.0, 8.0, 6.0]),
    )  # fmt: skip
    shares = confused(told)
    assert np.diag(shares).tolist() == [0.0, 0.0, 0.0]
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)
    np.testing.assert_allclose((told.predicted - told.right) @ shares, told.missed, rtol=1e-3)


def test_the_variance_of_accuracy_as_a_macro_sum_is_that_of_independent_records():
    """Slopes of 1 / n where predicted so and 0 elsewhere make the sum accuracy."""
    told = ClassCounts(
        predicted=np.array([50.0, 50.0]), right=np.array([40.0, 40.0]), right_squares=np.array([33.0, 34.0]),
        missed=np.array([10.0, 10.0]),
    )  # fmt: skip
    slopes = np.array([[0.0, 0.0], [0.01, 0.01]])
    assert macro_variances(told, slopes=slopes).sum() == pytest.approx((40 - 33 + 40 - 34) / 100**2)


def _exaggerating(rng, n):
    """Scores that promise too much, predicted classes and labels."""
    scores, _ = _records(rng, n)
    chance = scores**0.6 / (scores**0.6).sum(axis=1, keepdims=True)
    label = (rng.uniform(size=(n, 1)) > np.cumsum(chance, axis=1)[:, :2]).sum(axis=1)
    return scores, label


def _anchored(scores, label):
    """Calibrations by the labels of these rows, anchored to their confusion."""
    predicted, half = scores.argmax(axis=1), len(label) // 2
    found = calibrate_classes(
        _counts(scores[:half], label[:half]), held_out=_counts(scores[half:], label[half:]), centers=[CENTERS] * 3
    )
    outline = Outline(task="multiclass_classification", classes=CLASSES, edges=(EDGES,) * 3, centers=(CENTERS,) * 3)
    card = count(outline, label=label.astype(np.int32), prediction=predicted.astype(np.int32), scores=scores)
    return anchored_classes(found, outline=outline, card=card)


def test_the_references_own_confusion_is_estimated_as_its_labels_say():
    scores, label = _exaggerating(np.random.default_rng(11), 6_000)
    calibrations = _anchored(scores, label)
    assert {c.method for c in calibrations} == {"isotonic"}
    found, realised = _estimates(scores, calibrations), _realised(scores, label)
    for name in ("accuracy", "precision", "recall", "specificity", "f1", "recall/bee"):
        assert found[name].value == pytest.approx(realised[name], abs=1e-9), name


def test_confusion_metrics_lean_to_neither_side_where_classes_are_predicted_for_the_low_scores_of_others():
    """Over 60 references as large as the window: the mean of (realised − estimated) / se is 0 ± 3 / √60."""
    rng = np.random.default_rng(12)
    away: dict[str, list[float]] = {name: [] for name in ("accuracy", "precision", "recall", "specificity", "f1")}
    for _ in range(60):
        calibrations = _anchored(*_exaggerating(rng, 6_000))
        scores, label = _exaggerating(rng, 6_000)
        found, realised = _estimates(scores, calibrations), _realised(scores, label)
        for name, several in away.items():
            several.append((realised[name] - found[name].value) / found[name].se)
    assert {name: np.mean(z) for name, z in away.items() if abs(np.mean(z)) > 3 / np.sqrt(60)} == {}
    assert {name: np.std(z) for name, z in away.items() if not 0.72 < np.std(z) < 1.28} == {}


def test_a_side_of_few_labels_and_raw_scores_are_not_anchored():
    few = Anchor(labelled=np.array([[500, 12], [400, 7]]), by_prediction=np.ones((2, 1_000), np.int64))
    labelled = by(np.arange(1_000) % 3 == 0, CENTERS)
    kind = {"centers": CENTERS, "gain": 0.1, "gain_se": 0.0, "misfit": 9.0, "reason": None}
    fitted, raw = (restored(labelled, isotonic=isotonic, **kind) for isotonic in (True, False))
    assert anchored(fitted, anchor=few).excess[1] == 0.0
    assert anchored(fitted, anchor=few).excess[0] != 0.0
    assert anchored(raw, anchor=few).excess.tolist() == [0.0, 0.0]


def test_without_scores_or_calibrations_every_metric_says_why():
    none = estimate("binary_classification")
    assert {(e.value, e.reason) for e in none} == {(None, "no_scores")}
    counts = np.ones((1, 2, 1_000), np.int64)
    assert {e.reason for e in estimate("binary_classification", by_prediction=counts)} == {"few_labels"}
    given = estimate("binary_classification", by_prediction=counts, calibrations=RAW[:1])
    assert {e.metric: e.reason for e in given if e.value is None} == {}
    assert len(given) == 10
