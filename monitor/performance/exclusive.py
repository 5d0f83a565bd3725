"""The chance in a sum over classes of which a record has one: what labels that exclude each other take away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.performance.calibrator import Calibration

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_GRID = np.linspace(0.0, 1.0, 1_001)  # scores


class Chance(NamedTuple):
    """The variance by chance of Σ over records of the weight of the label's class.

    ``together`` as a record has one label, ``apart`` if each class's label were drawn by itself.
    """

    together: float
    apart: float

    @property
    def ratio(self) -> float:
        """By what the variance of independent classes is to be multiplied; 1 where nothing varies.

        The calibrations of the classes come from the same labels, so their errors go together as chance does.
        """
        return self.together / self.apart if self.apart > 0.0 else 1.0


def exclusive(counts: Sequence[Integers], *, calibrations: Sequence[Calibration], weights: Sequence[Floats]) -> Chance:
    """The chance in Σ w of the label's class: ``counts`` K of int64[2, B], ``weights`` K of float64[B] by score cell.

    A record with probabilities p_k gives Σ p w² − (Σ p w)², the variance of a multinomial trial. The first sum is
    known from each class's histogram. The second needs a record's scores together: of the class predicted they are
    known by cell, and the others share what is left of 1 evenly, in the mean of their weights there by the classes'
    size, moved so that the total is the one the histograms have. Within a cell the mean's square stands for the
    square's mean, which makes the variance larger (Jensen): for ROC AUC
    of six Dirichlet laws it came to 1.00 to 1.04 times that by rows.

    >>> from monitor.performance.calibrator import restored
    >>> sure = [restored(np.full((2, 2), 10**9), centers=np.array(s), isotonic=False, gain=0.0, gain_se=0.0, misfit=0.0,
    ...         reason=None) for s in ([0.3, 0.7], [0.3, 0.7])]
    >>> two = [np.array([[5, 0], [0, 5]]), np.array([[5, 0], [0, 5]])]
    >>> found = exclusive(two, calibrations=sure, weights=[np.ones(2)] * 2)
    >>> abs(round(found.together, 9)), round(found.apart, 9)
    (0.0, 4.2)
    """
    parts = list(zip(counts, calibrations, weights, strict=True))
    apart = sum(float(rows.sum(axis=0) @ (c.probability * (1.0 - c.probability) * w**2)) for rows, c, w in parts)
    if len(parts) < 2:
        return Chance(together=apart, apart=apart)
    square = sum(float(rows.sum(axis=0) @ (c.probability * w**2)) for rows, c, w in parts)
    rest = sum(float(rows[0] @ (c.probability * w)) for rows, c, w in parts)
    others = _weights_of_others(parts)
    wrong = sum(float(rows[1] @ (1.0 - c.probability)) for rows, c, _ in parts)
    supposed = sum(float(rows[1] @ ((1.0 - c.probability) * o)) for (rows, c, _), o in zip(parts, others, strict=True))
    moved = (rest - supposed) / wrong if wrong > 0.0 else 0.0
    known = 0.0
    for (rows, c, w), other in zip(parts, others, strict=True):
        known += float(rows[1] @ (c.probability * w + (1.0 - c.probability) * (other + moved)) ** 2)
    return Chance(together=max(square - known, 0.0), apart=apart)


def _weights_of_others(parts: Sequence[tuple[Integers, Calibration, Floats]]) -> list[Floats]:
    """K of float64[B]: the mean weight of the K − 1 other classes sharing evenly what a score leaves."""
    sizes = np.array([float(rows.sum(axis=0) @ c.probability) for rows, c, _ in parts])
    curves = [size * np.interp(_GRID, c.centers, w) for size, (_, c, w) in zip(sizes, parts, strict=True)]
    every, total = np.sum(curves, axis=0), float(sizes.sum())
    found = []
    for size, curve, (_, c, _) in zip(sizes, curves, parts, strict=True):
        mean = (every - curve) / max(total - size, np.finfo(np.float64).tiny)
        found.append(np.interp((1.0 - c.centers) / (len(parts) - 1), _GRID, mean))
    return found


def predicted_share(rows: Integers) -> Floats:
    """float64[B]: the share of int64[2, B] records of each score cell that is predicted to be of the class.

    >>> predicted_share(np.array([[3, 0], [1, 0]])).tolist()
    [0.25, 0.0]
    """
    every = rows.sum(axis=0)
    share: Floats = np.divide(rows[1], every, out=np.zeros(len(every)), where=every > 0)
    return share
