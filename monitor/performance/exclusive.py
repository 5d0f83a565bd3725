"""The chance in a sum over classes of which a record has one: what labels that exclude each other take away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.performance.calibrator import Calibration

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


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


def exclusive(
    counts: Sequence[Integers],
    *,
    calibrations: Sequence[Calibration],
    weights: Sequence[Floats],
    others: Sequence[Floats] | None = None,
) -> Chance:
    """The chance in Σ w of the label's class: ``counts`` K of int64[2, B], ``weights`` K of float64[B] by score cell.

    A record with probabilities p_k gives Σ p w² − (Σ p w)², the variance of a multinomial trial. The first sum is
    known from each class's histogram. The second needs a record's scores together: of the class predicted they are
    known by cell, and the other classes add (1 − p) times a weight that is ``others`` (K of float64[B], by the cell of
    the class predicted; the same for all where it is None) in proportion, so that the total is the one histograms have.
    Within a cell the mean's square stands for the square's mean, which can only make the variance larger (Jensen).

    >>> from monitor.performance.calibrator import restored
    >>> sure = [restored(np.full((2, 2), 10**9), centers=np.array(s), isotonic=False, gain=0.0, gain_se=0.0, misfit=0.0,
    ...         reason=None) for s in ([0.3, 0.7], [0.3, 0.7])]
    >>> two = [np.array([[5, 0], [0, 5]]), np.array([[5, 0], [0, 5]])]
    >>> found = exclusive(two, calibrations=sure, weights=[np.ones(2)] * 2)
    >>> abs(round(found.together, 9)), round(found.apart, 9)
    (0.0, 4.2)
    """
    parts = list(zip(counts, calibrations, weights, strict=True))
    square = sum(float(rows.sum(axis=0) @ (c.probability * w**2)) for rows, c, w in parts)
    apart = sum(float(rows.sum(axis=0) @ (c.probability * (1.0 - c.probability) * w**2)) for rows, c, w in parts)
    rest = sum(float(rows[0] @ (c.probability * w)) for rows, c, w in parts)
    shapes = [(1.0 - c.probability) * (1.0 if others is None else others[k]) for k, c in enumerate(calibrations)]
    supposed = sum(float(rows[1] @ shape) for rows, shape in zip(counts, shapes, strict=True))
    scale = rest / supposed if supposed != 0.0 else 0.0
    means = [c.probability * w + scale * shape for (_, c, w), shape in zip(parts, shapes, strict=True)]
    known = sum(float(rows[1] @ mean**2) for rows, mean in zip(counts, means, strict=True))
    return Chance(together=max(square - known, 0.0), apart=apart)


def predicted_share(rows: Integers) -> Floats:
    """float64[B]: the share of int64[2, B] records of each score cell that is predicted to be of the class.

    >>> predicted_share(np.array([[3, 0], [1, 0]])).tolist()
    [0.25, 0.0]
    """
    every = rows.sum(axis=0)
    share: Floats = np.divide(rows[1], every, out=np.zeros(len(every)), where=every > 0)
    return share
