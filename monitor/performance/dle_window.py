"""A regression window's estimated errors, from the sums of its rows' estimated losses."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv

from monitor.performance.dle import LossModel
from monitor.performance.estimated import ASSUMPTION, CONFIDENCE, LEAST_ROWS, Estimated, not_estimated

Floats = NDArray[np.float64]

REGRESSION_METRICS = ("mae", "mse", "rmse")


def estimate_regression(sums: Floats, *, model: LossModel) -> tuple[Estimated, ...]:
    """The estimated MAE, MSE and RMSE of a window, which reads no rows.

    ``sums`` float64[2, 3 or more]: of the absolute and the squared estimated loss v of ``LossModel.losses`` the rows,
    Σ v and Σ v². The realised mean loss of these rows differs from Σ v / n by chance, of variance noise · Σ v² / n²,
    and by what the model's level is not known, noise · (Σ v² / n) / labels. Losses are skewed: the bounds are those of
    the gamma distribution with this mean and variance, which is exact for the squares of normal errors.
    """
    method: dict[str, Any] = {
        "estimator": "dle", "assumption": ASSUMPTION, "reference_labels": model.labels,
        "calibration": f"absolute: {model.absolute.method}, squared: {model.squared.method}",
    }  # fmt: skip
    n = int(sums[0, 0])
    reason = model.reason or ("few_rows" if n < LEAST_ROWS else None)
    if reason is not None:
        return tuple(not_estimated(name, n=n, reason=reason, method=method) for name in REGRESSION_METRICS)
    mae = _mean("mae", sums=sums[0], noise=model.absolute.noise, labels=model.labels, method=method)
    mse = _mean("mse", sums=sums[1], noise=model.squared.noise, labels=model.labels, method=method)
    return mae, mse, _root(mse)


def _mean(metric: str, *, sums: Floats, noise: float, labels: int, method: dict[str, Any]) -> Estimated:
    rows, total, squares = sums[:3].tolist()
    value, variance = total / rows, noise * squares / rows * (1.0 / rows + 1.0 / labels)
    lower, upper = _gamma_bounds(value, variance=variance)
    return Estimated(
        metric=metric, value=value, lower=lower, upper=upper, se=float(np.sqrt(variance)), n=int(rows), method=method
    )


def _gamma_bounds(mean: float, *, variance: float) -> tuple[float, float]:
    """The middle 95 % of a gamma distribution; the mean itself where nothing varies.

    >>> tuple(round(b, 4) for b in _gamma_bounds(1.0, variance=1.0))
    (0.0253, 3.6889)
    """
    if not variance > 0.0 or not mean > 0.0:
        return mean, mean
    shape, scale = mean**2 / variance, variance / mean
    tail = (1.0 - CONFIDENCE) / 2.0
    return float(gammaincinv(shape, tail)) * scale, float(gammaincinv(shape, 1.0 - tail)) * scale


def _root(mse: Estimated) -> Estimated:
    """The root of an estimated mean square; its standard error by the delta method."""
    root = float(np.sqrt(mse.value or 0.0))
    return Estimated(
        metric="rmse", value=root, lower=float(np.sqrt(mse.lower or 0.0)), upper=float(np.sqrt(mse.upper or 0.0)),
        se=(mse.se or 0.0) / (2.0 * root) if root > 0.0 else 0.0, n=mse.n, method=mse.method,
    )  # fmt: skip
