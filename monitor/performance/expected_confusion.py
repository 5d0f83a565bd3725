"""Metrics of the confusion that is to be expected of a class, each with its slope."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.performance.calibrator import Calibration
from monitor.performance.estimated import LEAST_EXPECTED, Expected

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """Expected records of a class against the rest: true and false positives, false and true negatives."""

    tp: float
    fp: float
    fn: float
    tn: float

    @property
    def rows(self) -> float:
        """All records."""
        return self.tp + self.fp + self.fn + self.tn


def expected_confusion(by_prediction: Integers, *, calibration: Calibration) -> Confusion:
    """The confusion that int64[2, B] records by (not) predicted and score cell come to.

    Every record predicted to be of the class is a true positive with its probability, a false positive with the rest;
    likewise for the others. Source: NannyML, How it works: confidence-based performance estimation (CBPE).
    """
    no, yes = by_prediction.sum(axis=1).tolist()
    fn, tp = calibration.confusion_of(by_prediction).tolist()
    return Confusion(tp=tp, fp=yes - tp, fn=fn, tn=no - fn)


def accuracy(c: Confusion) -> Expected:
    """(TP + TN) / n."""
    return _of((c.tp + c.tn) / c.rows, tp=1.0 / c.rows, fn=-1.0 / c.rows)


def precision(c: Confusion) -> Expected | str:
    """TP / (TP + FP); a reason where nothing is predicted to be of the class."""
    predicted = c.tp + c.fp
    if predicted < LEAST_EXPECTED:
        return "few_predicted"
    return _of(c.tp / predicted, tp=1.0 / predicted, fn=0.0)


def recall(c: Confusion) -> Expected | str:
    """TP / (TP + FN); a reason where hardly a record of the class is to be expected."""
    actual = c.tp + c.fn
    if actual < LEAST_EXPECTED:
        return "one_class"
    return _of(c.tp / actual, tp=c.fn / actual**2, fn=-c.tp / actual**2)


def specificity(c: Confusion) -> Expected | str:
    """TN / (TN + FP); a reason where hardly a record without the class is to be expected."""
    others = c.tn + c.fp
    if others < LEAST_EXPECTED:
        return "one_class"
    return _of(c.tn / others, tp=c.tn / others**2, fn=-c.fp / others**2)


def f1(c: Confusion) -> Expected | str:
    """2 TP / (2 TP + FP + FN); a reason where hardly a record of the class is to be expected."""
    if c.tp + c.fn < LEAST_EXPECTED:
        return "one_class"
    total = 2.0 * c.tp + c.fp + c.fn
    by_both = -2.0 * c.tp / total**2
    return _of(2.0 * c.tp / total, tp=2.0 / total + by_both, fn=by_both)


def business_value(c: Confusion, *, worth: Floats) -> Expected:
    """What a record is worth on average: ``worth`` float64[2, 2] by (label, prediction), each (other, the class).

    Source: Elkan (2001), The foundations of cost-sensitive learning, IJCAI.

    >>> business_value(Confusion(tp=9, fp=1, fn=2, tn=8), worth=np.array([[0.0, -1.0], [-5.0, 2.0]])).value
    0.35
    """
    total = worth[0, 0] * c.tn + worth[0, 1] * c.fp + worth[1, 0] * c.fn + worth[1, 1] * c.tp
    if_yes = (float(worth[1, 1] - worth[0, 1]) / c.rows, float(worth[1, 0] - worth[0, 0]) / c.rows)
    return _of(float(total) / c.rows, tp=if_yes[0], fn=if_yes[1])


def _of(value: float, *, tp: float, fn: float) -> Expected:
    """The slope is ``tp`` where the class is predicted and ``fn`` where it is not, whatever the score."""
    return Expected(value=value, slope=np.array([[fn], [tp]]))


CONFUSION_METRICS = {
    "precision": precision, "recall": recall, "specificity": specificity, "f1": f1,
}  # fmt: skip
