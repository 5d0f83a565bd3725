"""Log loss, Brier score and calibration error that score cells come to, with slope or variance."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from monitor.performance.calibrator import Calibration
from monitor.performance.estimated import Expected

Floats = NDArray[np.float64]

CALIBRATION_BINS = 10
_INNER_BINS = np.linspace(0.0, 1.0, CALIBRATION_BINS + 1)[1:-1]
_LEAST_SCORE = float(np.finfo(np.float64).eps)  # as sklearn.metrics.log_loss clips


def log_loss(rows: Floats, *, calibration: Calibration) -> Expected:
    """−Σ p ln s + (1 − p) ln(1 − s) over the records, by their number: rows float64[B] by score cell."""
    score = np.clip(calibration.centers, _LEAST_SCORE, 1.0 - _LEAST_SCORE)
    return _mean_loss(rows, calibration=calibration, if_yes=-np.log(score), if_no=-np.log1p(-score))


def brier(rows: Floats, *, calibration: Calibration) -> Expected:
    """Σ p (1 − s)² + (1 − p) s² over the records, by their number. Source: Brier (1950), Mon. Weather Rev. 78(1)."""
    score = calibration.centers
    return _mean_loss(rows, calibration=calibration, if_yes=(1.0 - score) ** 2, if_no=score**2)


def _mean_loss(rows: Floats, *, calibration: Calibration, if_yes: Floats, if_no: Floats) -> Expected:
    total, rise = float(rows.sum()), if_yes - if_no
    mass = float(np.sum(rows * (calibration.probability * rise + if_no))) + calibration.levelled(rise, rows=rows)
    return Expected(value=mass / total, slope=(rise / total)[None, :])


def calibration_error(rows: Floats, *, calibration: Calibration) -> tuple[float, float]:
    """The expected calibration error Σ |P − S| / n over ten equally wide bins of the score, and its variance.

    In each bin the difference of labels P and scores S is normal about its mean by the chance in labels, and its
    absolute value folded normal (Leone, Nelson and Nottingham 1961): what chance alone will show is in the estimate.
    A fitted mean is off by the calibration's own error, which is part of that chance already: only the rest is folded
    in, and where it is the larger, its excess is taken off the mean's square. The calibration's own error moves an
    absolute value no more than it moves that of a normal number of its size. Source: Naeini, Cooper and Hauskrecht
    (2015), AAAI.
    """
    probability, total = calibration.probability, float(rows.sum())
    bins = _INNER_BINS.searchsorted(calibration.centers)  # right-closed
    mean = np.bincount(bins, rows * (probability - calibration.centers), CALIBRATION_BINS)
    chance: Floats = np.bincount(bins, rows * probability * (1.0 - probability), CALIBRATION_BINS).astype(np.float64)
    inside = [(bins == b).astype(np.float64) for b in range(CALIBRATION_BINS)]
    mean += np.array([calibration.levelled(flag, rows=rows) for flag in inside])
    own = np.array([calibration.variance_of(flag * rows) for flag in inside])
    rest = chance - own * calibration.isotonic
    lessened = np.sqrt(np.maximum(mean**2 + np.minimum(rest, 0.0), 0.0))
    value, _ = _folded(lessened, variance=np.maximum(rest, 0.0))
    spread = _folded(lessened, variance=chance)[1] + _folded(lessened, variance=own)[1]
    return float(value.sum()) / total, float(spread.sum()) / total**2


def _folded(mean: Floats, *, variance: Floats) -> tuple[Floats, Floats]:
    """Mean and variance of the absolute values of normal numbers, float64[n] each."""
    sd, size = np.sqrt(variance), np.abs(mean)
    at = np.divide(size, sd, out=np.zeros(len(sd)), where=sd > 0)
    folded = np.where(sd > 0, sd * np.sqrt(2.0 / np.pi) * np.exp(-(at**2) / 2.0) + size * (1.0 - 2.0 * ndtr(-at)), size)
    return folded, np.maximum(mean**2 + variance - folded**2, 0.0)


class ClassLoss(NamedTuple):
    """A multiclass loss by the score of one class: ``always`` is there, a label of the class adds ``if_yes``.

    ``spread`` is ``if_yes`` but for a constant, which changes nothing as a record has one label, and has one sign.
    All float64[B].
    """

    always: Floats
    if_yes: Floats
    spread: Floats


def class_log_loss(centers: Floats) -> ClassLoss:
    """−ln s of the label's class, scores float64[B]."""
    surprise = -np.log(np.clip(centers, _LEAST_SCORE, 1.0 - _LEAST_SCORE))
    return ClassLoss(always=np.zeros(len(centers)), if_yes=surprise, spread=surprise)


def class_brier(centers: Floats) -> ClassLoss:
    """Σ_k (s_k − y_k)², 0 to 2: s² for each class, and 1 − 2 s for that of the label."""
    return ClassLoss(always=centers**2, if_yes=1.0 - 2.0 * centers, spread=2.0 * centers)


CLASS_LOSSES = {"log_loss": class_log_loss, "brier": class_brier}
