"""One way to every estimate: what a window's performance is likely to be, before its labels come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from monitor.performance.calibrator import Calibration
from monitor.performance.cbpe_binary import BINARY_METRICS, estimate_binary
from monitor.performance.cbpe_multiclass import estimate_multiclass
from monitor.performance.dle import LossModel
from monitor.performance.dle_window import REGRESSION_METRICS, estimate_regression
from monitor.performance.estimated import ASSUMPTION, Estimated, not_estimated

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Task = Literal["binary_classification", "multiclass_classification", "regression"]


def estimate(
    task: Task,
    *,
    by_prediction: Integers | None = None,
    calibrations: Sequence[Calibration] = (),
    classes: Sequence[str] = (),
    complete: bool = True,
    worth: Floats | None = None,
    loss_sums: Floats | None = None,
    loss_model: LossModel | None = None,
) -> tuple[Estimated, ...]:
    """The estimate of each metric of the task, those without a value with their reason; O(cells), no rows are read.

    Classification: ``by_prediction`` int64[K, 2, B] of all scored rows (binary K = 1), one calibration and, multiclass,
    one of ``classes`` for each score; ``complete``: every class of the model has one; ``worth`` float64[2, 2] by
    (label, prediction), each (other, positive): binary business value. Regression: ``loss_sums`` float64[2, ≥ 3], rows,
    Σ v, Σ v² of the estimated absolute and squared losses. Without scores the reason is ``no_scores``, without a
    calibration or loss model ``few_labels``: the reference had none to fit it on.
    """
    if task == "regression":
        if loss_sums is None or loss_model is None:
            return _none(REGRESSION_METRICS, reason="few_labels")
        return estimate_regression(loss_sums, model=loss_model)
    if by_prediction is None or not by_prediction.size:
        return _none(BINARY_METRICS, reason="no_scores")
    if len(calibrations) != len(by_prediction):
        return _none(BINARY_METRICS, reason="few_labels")
    if task == "binary_classification":
        calibration = calibrations[0]
        return estimate_binary(by_prediction[0, :, : len(calibration.centers)], calibration=calibration, worth=worth)
    return estimate_multiclass(by_prediction, calibrations=calibrations, classes=classes, complete=complete)


def _none(metrics: Sequence[str], *, reason: str) -> tuple[Estimated, ...]:
    method = {"assumption": ASSUMPTION}
    return tuple(not_estimated(metric, n=0, reason=reason, method=method) for metric in metrics)
