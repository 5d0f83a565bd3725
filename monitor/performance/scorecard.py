"""Scorecards: the mergeable summary of one window's (and segment's) outcomes.

An outcome is what a prediction is held against its label with: prediction, scores, label. Every field is a count or a
sum over rows, so two scorecards merge by addition and every metric of a window, a month or a segment is computed from
the same few arrays. A row without a label is a row without outcome: it counts in ``rows`` and ``by_prediction`` only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from monitor.performance.outline import Floats, Integers, Outline

CALIBRATION_BINS = 10
CLASS_LOSSES = ("log_loss", "brier")
NUMBER_LOSSES = (
    "error", "absolute_error", "squared_error", "percentage_error", "squared_log_error",
    "estimated_absolute_error", "estimated_squared_error",
)  # fmt: skip
MACRO_SCORE_METRICS = ("roc_auc", "average_precision")
POWERS = 4  # of a loss v: rows, Σ v, Σ v², Σ v³
TARGET_SUMS = ("d", "d2", "d3", "d4", "e2d", "e2d2")  # d = label − center, e = prediction − label


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scorecard:
    """Counts of ``rows`` rows under one outline of C classes, K of them scored in B cells.

    Rows: ``labelled`` have a label, ``assumed`` of these have one that was only assumed, ``unseen_labels`` one that is
    no class of the outline; ``invalid_labels`` and ``invalid_predictions`` could not be read and count as none.
    ``invalid_scores`` int64[K] lie outside 0 to 1 and are in no histogram.

    ``confusion`` int64[C + 1, C + 1]: labelled rows with a prediction, label × prediction, last the unseen classes.
    ``by_label`` int64[K, 2, B]: labelled rows by (label ≠ k, label = k) and score cell.
    ``by_prediction`` int64[K, 2, B]: all scored rows that have a prediction, by (prediction ≠ k, prediction = k) and
    score cell.
    Calibration of each scored class, 10 right-closed bins of equal width: ``bin_rows``, ``bin_hits`` int64[K, 10],
    ``bin_scores`` Σ s and ``bin_squares`` Σ (hit − s)² float64[K, 10].
    ``losses`` float64[L, 4]: rows, Σ v, Σ v², Σ v³ of each of ``CLASS_LOSSES`` or ``NUMBER_LOSSES``.
    ``influences`` float64[2, 3] (multiclass): by ``MACRO_SCORE_METRICS`` the rows with every score, Σ g and Σ g² of
    their influence g on the classes together (``monitor.performance.spread``).
    ``targets`` float64[6]: the sums ``TARGET_SUMS`` of a regression's labelled and predicted rows.
    """

    outline_digest: str
    rows: int
    labelled: int
    assumed: int
    unseen_labels: int
    invalid_labels: int
    invalid_predictions: int
    invalid_scores: Integers
    confusion: Integers
    by_label: Integers
    by_prediction: Integers
    bin_rows: Integers
    bin_hits: Integers
    bin_scores: Floats
    bin_squares: Floats
    losses: Floats
    influences: Floats
    targets: Floats


TALLIES = ("rows", "labelled", "assumed", "unseen_labels", "invalid_labels", "invalid_predictions")
INTEGER_ARRAYS = ("invalid_scores", "confusion", "by_label", "by_prediction", "bin_rows", "bin_hits")
FLOAT_ARRAYS = ("bin_scores", "bin_squares", "losses", "influences", "targets")


def shapes(outline: Outline) -> dict[str, tuple[int, ...]]:
    """The shape of each array of a scorecard of this outline."""
    scored, classes = len(outline.edges), 0 if outline.regression else len(outline.classes) + 1
    histogram, bins = (scored, 2, outline.cells), (scored, CALIBRATION_BINS)
    return {
        "invalid_scores": (scored,),
        "confusion": (classes, classes),
        "by_label": histogram,
        "by_prediction": histogram,
        "bin_rows": bins,
        "bin_hits": bins,
        "bin_scores": bins,
        "bin_squares": bins,
        "losses": (len(NUMBER_LOSSES if outline.regression else CLASS_LOSSES), POWERS),
        "influences": (0 if outline.regression or outline.binary else len(MACRO_SCORE_METRICS), 3),
        "targets": (len(TARGET_SUMS) if outline.regression else 0,),
    }


def empty(outline: Outline) -> Scorecard:
    """The scorecard of no rows: the identity of ``merge``."""
    sizes = shapes(outline)
    zeros: dict[str, Any] = dict.fromkeys(TALLIES, 0)
    zeros |= {name: np.zeros(sizes[name], np.int64) for name in INTEGER_ARRAYS}
    zeros |= {name: np.zeros(sizes[name], np.float64) for name in FLOAT_ARRAYS}
    return Scorecard(outline_digest=outline.digest, **zeros)


def merge(a: Scorecard, b: Scorecard) -> Scorecard:
    """The scorecard of both sets of rows; ``ValueError`` for different outlines."""
    if a.outline_digest != b.outline_digest:
        raise ValueError(f"scorecards of different outlines: {a.outline_digest[:12]} and {b.outline_digest[:12]}")
    names = (*TALLIES, *INTEGER_ARRAYS, *FLOAT_ARRAYS)
    summed: dict[str, Any] = {name: getattr(a, name) + getattr(b, name) for name in names}
    return Scorecard(outline_digest=a.outline_digest, **summed)


def powers(losses: Floats) -> Floats:
    """float64[4]: rows, Σ v, Σ v², Σ v³ of the losses float64[n].

    >>> powers(np.array([1.0, 2.0])).tolist()
    [2.0, 3.0, 5.0, 9.0]
    """
    squares = losses * losses
    return np.array([len(losses), losses.sum(), squares.sum(), squares @ losses])
