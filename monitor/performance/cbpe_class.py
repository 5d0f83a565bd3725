"""CBPE of one class against the rest: what a binary classifier and each class of a multiclass one share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.performance.calibrator import Calibration
from monitor.performance.estimated import ASSUMPTION, LEAST_ROWS, Estimated, Expected, between, not_estimated
from monitor.performance.expected_confusion import CONFUSION_METRICS, expected_confusion
from monitor.performance.expected_losses import calibration_error
from monitor.performance.expected_ranking import RANKING_METRICS

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Ranking = Callable[..., Expected | str]

CLASS_METRICS = (*RANKING_METRICS, *CONFUSION_METRICS, "calibration_error")
_ENDS = {"log_loss": (0.0, np.inf), "business_value": (-np.inf, np.inf)}


def estimate_class(
    by_prediction: Integers, *, expected: dict[str, Expected | str], calibration: Calibration
) -> dict[str, Estimated]:
    """The estimate of each of ``CLASS_METRICS`` from int64[2, B] records by (not) predicted and score cell.

    ``expected`` is ``expected_class`` of the same records.
    """
    found = {
        name: finished(name, expected=one, by_prediction=by_prediction, calibration=calibration)
        for name, one in expected.items()
    }
    n, method = int(by_prediction.sum()), method_of(calibration)
    reason = refusal(by_prediction, calibration=calibration)
    if reason is not None:
        return found | {"calibration_error": not_estimated("calibration_error", n=n, reason=reason, method=method)}
    rows = by_prediction.sum(axis=0).astype(np.float64)
    value, variance = calibration_error(rows, calibration=calibration)
    ends = (0.0, 1.0)
    error = between("calibration_error", value=value, variance=variance, n=n, ends=ends, method=method)
    return found | {"calibration_error": error}


def refusal(by_prediction: Integers, *, calibration: Calibration) -> str | None:
    """Why nothing at all can be estimated of the class, or None."""
    return calibration.reason or ("few_rows" if by_prediction.sum() < LEAST_ROWS else None)


def method_of(calibration: Calibration) -> dict[str, Any]:
    """How an estimate was made: what is shown beside the number."""
    return {
        "estimator": "cbpe", "assumption": ASSUMPTION, "calibration": calibration.method,
        "reference_labels": calibration.labels,
    }  # fmt: skip


def expected_class(by_prediction: Integers, *, calibration: Calibration) -> dict[str, Expected | str]:
    """What ranking and confusion metrics come to, or the reason why not: int64[2, B] records."""
    confusion = expected_confusion(by_prediction, calibration=calibration)
    rows = by_prediction.sum(axis=0).astype(np.float64)
    found = {name: _anchored(rank, rows=rows, calibration=calibration) for name, rank in RANKING_METRICS.items()}
    return found | {name: make(confusion) for name, make in CONFUSION_METRICS.items()}


def finished(name: str, *, expected: Expected | str, by_prediction: Integers, calibration: Calibration) -> Estimated:
    """The expected value with its bounds, or the reason why there is none."""
    n, method = int(by_prediction.sum()), method_of(calibration)
    reason = refusal(by_prediction, calibration=calibration)
    if reason is not None or isinstance(expected, str):
        return not_estimated(name, n=n, reason=reason or str(expected), method=method)
    variance = variance_of(expected.slope, by_prediction=by_prediction, calibration=calibration)
    return between(name, value=expected.value, variance=variance, n=n, ends=_ENDS.get(name, (0.0, 1.0)), method=method)


def variance_of(slope: Floats, *, by_prediction: Integers, calibration: Calibration) -> float:
    """The variance of realised less estimated: chance in the labels, and the calibration's own error.

    Given the scores the records are independent, so chance gives Σ rows · p (1 − p) · slope², the delta method.
    """
    probability = calibration.probability
    chance = float(np.sum(by_prediction * (probability * (1.0 - probability)) * slope**2))
    if slope.shape == (2, 1):  # a metric of the confusion: the same at every score
        return chance + calibration.side_variance(slope[:, 0], by_prediction=by_prediction)
    return chance + calibration.variance_of((by_prediction * slope).sum(axis=0))


def _anchored(rank: Ranking, *, rows: Floats, calibration: Calibration) -> Expected | str:
    """The expected ranking less what pooling violators adds to it on the reference's own labels.

    The isotonic fit follows the convex hull of the reference's ROC curve (Fawcett and Niculescu-Mizil 2007, Machine
    Learning 68(1)), which lies above the curve: by 0.002 of AUC at 10,000 labels, 0.008 at 1,000.
    """
    found = _to_expect(rank, rows=rows, calibration=calibration)
    if isinstance(found, str) or not calibration.isotonic:
        return found
    without, having = calibration.labelled.astype(np.float64)
    fitted = _to_expect(rank, rows=without + having, calibration=calibration)
    counted = rank(having, no=without, variance=np.zeros(len(having)))
    if isinstance(fitted, str) or isinstance(counted, str):
        return found
    return Expected(value=found.value + counted.value - fitted.value, slope=found.slope)


def _to_expect(rank: Ranking, *, rows: Floats, calibration: Calibration) -> Expected | str:
    yes = rows * calibration.probability
    return rank(yes, no=rows - yes, variance=yes * (1.0 - calibration.probability))
