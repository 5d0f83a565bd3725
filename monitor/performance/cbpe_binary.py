"""Confidence-based performance estimation (CBPE) of a binary classifier: what its labels will show, from its scores."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monitor.performance.calibrator import Calibration
from monitor.performance.cbpe_class import CLASS_METRICS, estimate_class, expected_class, finished, refusal
from monitor.performance.estimated import Estimated, Expected
from monitor.performance.expected_confusion import accuracy, business_value, expected_confusion
from monitor.performance.expected_losses import brier, log_loss

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

BINARY_METRICS = (*CLASS_METRICS, "accuracy", "log_loss", "brier")


def estimate_binary(
    by_prediction: Integers, *, calibration: Calibration, worth: Floats | None = None
) -> tuple[Estimated, ...]:
    """The estimate of every binary metric for a window, O(cells), from all its scored records.

    ``by_prediction`` int64[2, B]: records by (not) predicted to be of the positive class and by score cell; ``worth``
    float64[2, 2] by (label, prediction), each (other, positive), adds ``business_value``. Each record of a cell has the
    positive label with the cell's calibrated probability, independent of the others given the scores; log loss, Brier
    score, calibration error and ranking are those of the raw score. Source: NannyML, How it works: CBPE; the sampling
    error is ours: how far the labels of these very records will fall from the estimate, by the delta method.
    """
    expected = expected_class(by_prediction, calibration=calibration)
    found = estimate_class(by_prediction, expected=expected, calibration=calibration)
    for name, one in _of_all_rows(by_prediction, calibration=calibration, worth=worth).items():
        found[name] = finished(name, expected=one, by_prediction=by_prediction, calibration=calibration)
    return tuple(found.values())


def _of_all_rows(
    by_prediction: Integers, *, calibration: Calibration, worth: Floats | None
) -> dict[str, Expected | str]:
    """What the metrics that are means over all rows come to."""
    names = BINARY_METRICS[len(CLASS_METRICS) :]
    reason = refusal(by_prediction, calibration=calibration)
    if reason is not None:
        return dict.fromkeys(names if worth is None else (*names, "business_value"), reason)
    confusion = expected_confusion(by_prediction, calibration=calibration)
    rows = by_prediction.sum(axis=0).astype(np.float64)
    losses = {"log_loss": log_loss, "brier": brier}
    found: dict[str, Expected | str] = {"accuracy": accuracy(confusion)}
    found |= {name: loss(rows, calibration=calibration) for name, loss in losses.items()}
    return found if worth is None else found | {"business_value": business_value(confusion, worth=worth)}
