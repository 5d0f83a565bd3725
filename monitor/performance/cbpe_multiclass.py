"""CBPE of a multiclass classifier from one-vs-rest histograms of its scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from monitor.performance.calibrator import Calibration
from monitor.performance.cbpe_class import CLASS_METRICS, estimate_class, expected_class
from monitor.performance.confusion_spread import ClassCounts, macro_variances
from monitor.performance.estimated import ASSUMPTION, LEAST_ROWS, Estimated, Expected, between, not_estimated
from monitor.performance.exclusive import exclusive, predicted_share
from monitor.performance.expected_confusion import CONFUSION_METRICS
from monitor.performance.expected_losses import CLASS_LOSSES

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

MOST_UNCALIBRATED = 0.05  # share of predictions of classes with too few labels up to which accuracy is estimated


def estimate_multiclass(
    by_prediction: Integers, *, calibrations: Sequence[Calibration], classes: Sequence[str], complete: bool = True
) -> tuple[Estimated, ...]:
    """The estimate of accuracy, losses, macro averages and each class's ``metric/class`` for a window, O(cells).

    ``by_prediction`` int64[K, 2, B]: records by (prediction ≠ k, = k) and cell of the score of class k, cells beyond a
    class's own empty; ``classes`` the K names; ``complete`` whether every class of the model has a score. Macro
    averages are over the classes that have a value; ``classes_left_out`` counts the others. Source: NannyML, How it
    works: CBPE, multiclass.

    Each class is calibrated against the rest, and a record's K probabilities need not sum to 1. From histograms they
    cannot be divided by their sum row by row, as NannyML does; ``probability_sum`` in ``method`` is their mean sum over
    the window, 1 where scores are calibrated, and docs/estimates.md has the error this makes.
    """
    window = _window(by_prediction, calibrations=calibrations)
    whole = [_macro(window, metric=name) for name in CLASS_METRICS]
    reason = _refusal(window, complete=complete)
    if reason is None:
        whole += [_accuracy(window), *_losses(window)]
    else:
        n = int(window.told.predicted.sum())
        whole += [not_estimated(m, n=n, reason=reason, method=window.method) for m in ("accuracy", *CLASS_LOSSES)]
    by_class = [
        replace(found[name], metric=f"{name}/{label}")
        for label, found in zip(classes, window.each, strict=True) for name in CLASS_METRICS
    ]  # fmt: skip
    return (*whole, *by_class)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Window:
    """The records of a window by class, int64[2, B] each, and what was found of each class alone."""

    counts: list[Integers]
    calibrations: Sequence[Calibration]
    expected: list[dict[str, Expected | str]]
    each: list[dict[str, Estimated]]
    told: ClassCounts
    method: dict[str, Any]

    @property
    def n(self) -> int:
        """Records, of the class with the most valid scores."""
        return int(max(rows.sum() for rows in self.counts))


def _window(by_prediction: Integers, *, calibrations: Sequence[Calibration]) -> _Window:
    counts = [by_prediction[k, :, : len(c.centers)] for k, c in enumerate(calibrations)]
    pairs = list(zip(counts, calibrations, strict=True))
    expected = [expected_class(rows, calibration=c) for rows, c in pairs]
    return _Window(
        counts=counts, calibrations=calibrations, expected=expected, method=_method(counts, calibrations=calibrations),
        each=[estimate_class(rows, expected=e, calibration=c) for (rows, c), e in zip(pairs, expected, strict=True)],
        told=ClassCounts.of(counts, calibrations=calibrations),
    )  # fmt: skip


def _accuracy(window: _Window) -> Estimated:
    """Σ TP_k / n: each record is predicted to be of one class and right with that class's probability."""
    told, n = window.told, float(window.told.predicted.sum())
    chance, shares = float(np.sum(told.right - told.right_squares)), [predicted_share(rows) for rows in window.counts]
    ratio = exclusive(window.counts, calibrations=window.calibrations, weights=shares).ratio
    own = 0.0
    for rows, c in zip(window.counts, window.calibrations, strict=True):  # anchored ones have labels of their own rows
        own += c.side_variance(np.array([0.0, 1.0]), by_prediction=rows) * (1.0 if c.sides.all() else ratio)
    value = float(told.right.sum()) / n
    return between(
        "accuracy", value=value, variance=(chance + own) / n**2, n=int(n), ends=(0.0, 1.0), method=window.method
    )


def _losses(window: _Window) -> list[Estimated]:
    """Log loss and Brier score: a record's label takes the loss of one class only, and so did the reference's."""
    calibrations, n = window.calibrations, window.n
    rows = [counts.sum(axis=0).astype(np.float64) for counts in window.counts]
    found = []
    for name, make in CLASS_LOSSES.items():
        losses = [make(c.centers) for c in calibrations]
        value = own = 0.0
        for c, loss, many in zip(calibrations, losses, rows, strict=True):
            value += float(many @ (c.probability * loss.if_yes + loss.always)) + c.levelled(loss.if_yes, rows=many)
            own += c.variance_of(many * loss.spread)
        chance = exclusive(window.counts, calibrations=calibrations, weights=[loss.spread for loss in losses])
        variance = (chance.together + own * chance.ratio) / n**2
        ends = (0.0, np.inf)
        found.append(between(name, value=value / n, variance=variance, n=n, ends=ends, method=window.method))
    return found


def _macro(window: _Window, *, metric: str) -> Estimated:
    """The mean over the classes that have a value."""
    parts = {k: found[metric] for k, found in enumerate(window.each) if found[metric].value is not None}
    if not parts:
        reason = window.each[0][metric].reason or "few_labels"
        return not_estimated(metric, n=window.n, reason=reason, method=window.method)
    value = sum(e.value or 0.0 for e in parts.values()) / len(parts)
    variance = sum((e.se or 0.0) ** 2 for e in parts.values()) / len(parts) ** 2  # were the classes independent
    known = {k: window.expected[k].get(metric) for k in parts}
    slopes = {k: one.slope for k, one in known.items() if isinstance(one, Expected)}
    if metric in CONFUSION_METRICS:
        variance = _confusion_variance(window, slopes=slopes)
    elif metric == "roc_auc":
        variance *= _together(window, slopes=slopes)
    left_out = {"average": "macro", "classes": len(parts), "classes_left_out": len(window.each) - len(parts)}
    method = window.method | left_out
    return between(metric, value=value, variance=variance, n=window.n, ends=(0.0, 1.0), method=method)


def _confusion_variance(window: _Window, *, slopes: dict[int, Floats]) -> float:
    """The variance of a mean of confusion metrics, whose slopes float64[2, 1] are the same for all scores.

    The labels of an anchored class's predicted records err on the reference as those of the window do, n of them, times
    n by their number: one wrong prediction is a miss of another class there too.
    """
    sides = np.zeros((2, len(window.each)))
    for k, slope in slopes.items():
        sides[:, k] = slope[:, 0] / len(slopes)
    terms = macro_variances(window.told, slopes=sides)
    variance = float(terms.sum())
    for k in slopes:
        c = window.calibrations[k]
        if c.sides.all():
            variance += float(terms[k] * window.told.predicted[k] / c.sides[1])
        else:
            variance += c.side_variance(sides[:, k], by_prediction=window.counts[k])
    return variance


def _together(window: _Window, *, slopes: dict[int, Floats]) -> float:
    """The variance of a sum over classes over what it would be if labels of classes were independent."""
    return exclusive(
        [window.counts[k] for k in slopes], calibrations=[window.calibrations[k] for k in slopes],
        weights=[slope[0] for slope in slopes.values()],
    ).ratio  # fmt: skip


def _method(counts: Sequence[Integers], *, calibrations: Sequence[Calibration]) -> dict[str, Any]:
    n = max(int(rows.sum()) for rows in counts)
    mass = sum(float(rows.sum(axis=0) @ c.probability) for rows, c in zip(counts, calibrations, strict=True))
    calibrated = [c.method for c in calibrations]
    return {
        "estimator": "cbpe", "assumption": ASSUMPTION, "reference_labels": max(c.labels for c in calibrations),
        "calibration": calibrated[0] if len(set(calibrated)) == 1 else "isotonic or raw by class",
        "probability_sum": mass / n if n else None,
    }  # fmt: skip


def _refusal(window: _Window, *, complete: bool) -> str | None:
    """Why what needs all classes cannot be estimated, or None."""
    predicted = window.told.predicted
    if not complete:
        return "unscored_classes"
    if predicted.sum() < LEAST_ROWS:
        return "few_rows"
    refused = np.array([c.reason is not None for c in window.calibrations])
    return "few_labels" if predicted[refused].sum() > MOST_UNCALIBRATED * predicted.sum() else None
