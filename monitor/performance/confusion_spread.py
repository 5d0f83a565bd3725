"""The chance in a macro average of confusion metrics, where a record's label is of one class only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.performance.calibrator import Calibration

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_ROUNDS = 20


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClassCounts:
    """Sums over the records predicted to be of each of K classes, and those not.

    float64[K]: ``predicted`` records, ``right`` Σ p and ``right_squares`` Σ p² of their probability p of that class;
    ``missed`` Σ p over the records predicted to be of another.
    """

    predicted: Floats
    right: Floats
    right_squares: Floats
    missed: Floats

    @classmethod
    def of(cls, counts: Sequence[Integers], *, calibrations: Sequence[Calibration]) -> ClassCounts:
        """The sums of K histograms int64[2, B]."""
        pairs = [(rows, c.probability) for rows, c in zip(counts, calibrations, strict=True)]
        expected = np.array([c.confusion_of(rows) for rows, c in zip(counts, calibrations, strict=True)])
        return cls(
            predicted=np.array([float(rows[1].sum()) for rows, _ in pairs]),
            right=expected[:, 1],
            right_squares=np.array([rows[1] @ p**2 for rows, p in pairs]),
            missed=expected[:, 0],
        )


def macro_variances(told: ClassCounts, *, slopes: Floats) -> Floats:
    """float64[K]: what the records predicted to be of each class give to the variance by chance of Σ_k f_k.

    A label k adds ``slopes`` float64[2, K] to it (row 1: where predicted so, 0: where not). A record predicted k with
    probability p is of class k, adding a_k, or of another class l, adding d_l, with (1 − p) q_{l|k}; its variance is
    p a² + (1 − p) Σ q d² − (p a + (1 − p) Σ q d)². Histograms of one class each do not say which class a wrong
    prediction truly is, so q comes from the table with wrong predictions by row and missed records by column
    (``confused``).
    """
    d, a = slopes
    q = confused(told)
    mean, square = q @ d, q @ d**2
    right, squares = told.right, told.right_squares
    wrong = told.predicted - right
    both = right - squares  # Σ p (1 − p)
    of_square = squares * a**2 + 2.0 * both * a * mean + (wrong - both) * mean**2
    terms: Floats = np.maximum(right * a**2 + wrong * square - of_square, 0.0)
    return terms


def confused(told: ClassCounts) -> Floats:
    """float64[K, K]: of the records predicted k (row) and wrong, the share that is of class l (column), 0 for k = l.

    Iterative proportional fitting of the sums to a table with an empty diagonal: Deming and Stephan (1940), Ann. Math.
    Statist. 11(4).

    >>> two = ClassCounts(predicted=np.full(2, 10.0), right=np.full(2, 8.0), right_squares=np.full(2, 7.0),
    ...                   missed=np.full(2, 2.0))
    >>> confused(two).tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    wrong = told.predicted - told.right
    missed = told.missed * (wrong.sum() / max(float(told.missed.sum()), np.finfo(np.float64).tiny))
    table = np.outer(wrong, missed)
    np.fill_diagonal(table, 0.0)
    for _ in range(_ROUNDS):
        table *= _over(missed, bottom=table.sum(axis=0))
        table *= _over(wrong, bottom=table.sum(axis=1))[:, None]
    return table * _over(np.ones(len(wrong)), bottom=table.sum(axis=1))[:, None]


def _over(top: Floats, *, bottom: Floats) -> Floats:
    return np.divide(top, bottom, out=np.zeros(len(top)), where=bottom > 0)
