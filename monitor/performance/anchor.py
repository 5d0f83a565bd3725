"""What the reference's labels say of its own predictions: where a class's score alone does not tell its confusion.

A class is also predicted because the scores of the others are low, which its own score does not say. Predicted and
not, records of the same score are then of the class by different chances, and so they are to either side of a
threshold within one block of an isotonic fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from monitor.performance.calibrator import Calibration
from monitor.performance.outline import Integers, Outline
from monitor.performance.scorecard import Scorecard

LEAST_LABELS = 20  # of records predicted to be of the class, or not, under which their share says nothing


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Anchor:
    """The reference's records of one class against the rest.

    ``labelled`` int64[2, 2]: by (label ≠ k, = k) and (prediction ≠ k, = k); ``by_prediction`` int64[2, B]: all scored
    ones by (prediction ≠ k, = k) and score cell.
    """

    labelled: Integers
    by_prediction: Integers


def anchored(calibration: Calibration, *, anchor: Anchor) -> Calibration:
    """The calibration that gives the reference's own records the confusion that their labels show.

    ``excess``: by how much the share of the class in records (not) predicted so is above the fit's mean, 0 where raw
    scores are kept or a side has under 20 labels; ``sides``: the labels of each side that tell it.

    >>> from monitor.performance.calibrator import restored
    >>> fit = restored(np.array([[500, 100], [100, 300]]), centers=np.array([0.2, 0.8]), isotonic=True, gain=0.1,
    ...                gain_se=0.0, misfit=9.0, reason=None)
    >>> half = Anchor(labelled=np.array([[560, 40], [160, 240]]), by_prediction=np.array([[500, 220], [100, 180]]))
    >>> anchored(fit, anchor=half).excess.round(3).tolist()
    [-0.123, 0.315]
    """
    labels, rows = anchor.labelled.sum(axis=0), anchor.by_prediction.sum(axis=1)
    known = (labels >= LEAST_LABELS) & (rows > 0) & calibration.isotonic
    told = (anchor.by_prediction @ calibration.probability) / np.maximum(rows, 1)
    excess = np.where(known, anchor.labelled[1] / np.maximum(labels, 1) - told, 0.0)
    return replace(calibration, excess=excess, sides=np.where(known, labels, 0))


def anchored_classes(
    calibrations: Sequence[Calibration], *, outline: Outline, card: Scorecard
) -> tuple[Calibration, ...]:
    """Each scored class's calibration by the scorecard of the reference; none where it has none."""
    found = []
    for place, (k, calibration) in enumerate(zip(outline.scored, calibrations, strict=False)):
        every, right = int(card.confusion.sum()), int(card.confusion[k, k])
        actual, predicted = int(card.confusion[k].sum()), int(card.confusion[:, k].sum())
        labelled = np.array([[every - actual - predicted + right, predicted - right], [actual - right, right]])
        rows = card.by_prediction[place, :, : len(calibration.centers)]
        found.append(anchored(calibration, anchor=Anchor(labelled=labelled, by_prediction=rows)))
    return tuple(found)
