"""The scorecard of a regression's rows: sums of powers of the error e = prediction − label."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.performance.outline import Flags, Floats, Outline
from monitor.performance.scorecard import NUMBER_LOSSES, Scorecard, empty, powers

LARGEST = 1e45  # beyond it the sixth power of an error leaves the floats
SMALLEST_TARGET = float(np.finfo(np.float64).eps)  # below it a target counts as zero: no share of it can be told


def count_numbers(
    outline: Outline,
    *,
    prediction: NDArray[Any],
    label: NDArray[Any],
    assumed: Flags | None = None,
    estimated: Floats | None = None,
) -> Scorecard:
    """The scorecard of n rows; see ``monitor.performance.counting.count``."""
    if prediction.shape != label.shape:
        raise ValueError(f"{prediction.shape} predictions for {label.shape} labels")
    predicted, labelled = np.abs(prediction) <= LARGEST, np.abs(label) <= LARGEST
    both = predicted & labelled
    y, p = label[both].astype(np.float64), prediction[both].astype(np.float64)
    return replace(
        empty(outline),
        rows=len(label),
        labelled=int(labelled.sum()),
        assumed=0 if assumed is None else int((labelled & assumed).sum()),
        invalid_labels=int((~labelled & ~np.isnan(label)).sum()),
        invalid_predictions=int((~predicted & ~np.isnan(prediction)).sum()),
        losses=_losses(y, prediction=p, estimated=estimated),
        targets=_targets(y - outline.center, error=p - y),
    )


def _losses(label: Floats, *, prediction: Floats, estimated: Floats | None) -> Floats:
    """float64[7, 4]: the powers of each of ``NUMBER_LOSSES``."""
    error = prediction - label
    size = np.abs(error)
    shares, logs = np.abs(label) >= SMALLEST_TARGET, (label > -1) & (prediction > -1)
    log_error = np.log1p(prediction[logs]) - np.log1p(label[logs])
    none = np.empty(0)
    absolute, squared = (none, none) if estimated is None else estimated.T
    found = {
        "error": error,
        "absolute_error": size,
        "squared_error": error * error,
        "percentage_error": size[shares] / np.abs(label[shares]),
        "squared_log_error": log_error * log_error,
        "estimated_absolute_error": absolute[np.isfinite(absolute)],
        "estimated_squared_error": squared[np.isfinite(squared)],
    }
    return np.array([powers(found[name]) for name in NUMBER_LOSSES])


def _targets(d: Floats, *, error: Floats) -> Floats:
    """float64[6]: ``TARGET_SUMS``, what the sampling error of R² needs."""
    d2, e2 = d * d, error * error
    return np.array([d.sum(), d2.sum(), d2 @ d, d2 @ d2, e2 @ d, e2 @ d2])
