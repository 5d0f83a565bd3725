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


def log_loss(rows: Floats, *, probability: Floats, centers: Floats) -> Expected:
    """−Σ p ln s + (1 − p) ln(1 − s) over the records, by their number: rows float64[B] by score cell.

    >>> round(log_loss(np.array([4.0]), probability=np.array([0.5]), centers=np.array([0.5])).value, 4)
    0.6931
    """
    score = np.clip(centers, _LEAST_SCORE, 1.0 - _LEAST_SCORE)
    return _mean_loss(rows, probability=probability, if_yes=-np.log(score), if_no=-np.log1p(-score))


def brier(rows: Floats, *, probability: Floats, centers: Floats) -> Expected:
    """Σ p (1 − s)² + (1 − p) s² over the records, by their number. Source: Brier (1950), Mon. Weather Rev. 78(1).

    >>> brier(np.array([4.0]), probability=np.array([0.5]), centers=np.array([0.5])).value
    0.25
    """
    return _mean_loss(rows, probability=probability, if_yes=(1.0 - centers) ** 2, if_no=centers**2)


def _mean_loss(rows: Floats, *, probability: Floats, if_yes: Floats, if_no: Floats) -> Expected:
    total = float(rows.sum())
    value = float(np.sum(rows * (probability * if_yes + (1.0 - probability) * if_no))) / total
    return Expected(value=value, slope=((if_yes - if_no) / total)[None, :])


def calibration_error(rows: Floats, *, calibration: Calibration) -> tuple[float, float]:
    """The expected calibration error Σ |P − S| / n over ten equally wide bins of the score, and its variance.

    In each bin the difference of labels P and scores S is normal about its mean by the chance in labels, and its
    absolute value folded normal (Leone, Nelson and Nottingham 1961): what chance alone will show is in the estimate.
    What the calibration's own error adds to the square of a mean is taken off it, and added to the variance.
    Source: Naeini, Cooper and Hauskrecht (2015), AAAI.
    """
    probability, total = calibration.probability, float(rows.sum())
    bins = _INNER_BINS.searchsorted(calibration.centers)  # right-closed
    mean = np.bincount(bins, rows * (probability - calibration.centers), CALIBRATION_BINS)
    variance = np.bincount(bins, rows * probability * (1.0 - probability), CALIBRATION_BINS)
    own = np.array([calibration.variance_of(np.where(bins == b, rows, 0.0)) for b in range(CALIBRATION_BINS)])
    mean, sd = np.sqrt(np.maximum(mean**2 - own * calibration.isotonic, 0.0)), np.sqrt(variance)
    at = np.divide(mean, sd, out=np.zeros(CALIBRATION_BINS), where=sd > 0)
    folded = np.where(
        sd > 0, sd * np.sqrt(2.0 / np.pi) * np.exp(-(at**2) / 2.0) + mean * (1.0 - 2.0 * ndtr(-at)), np.abs(mean)
    )
    spread = np.maximum(mean**2 + variance - folded**2, 0.0) + own
    return float(folded.sum()) / total, float(spread.sum()) / total**2


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
