"""A scorecard from the columns of a window's joined rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.performance.numbers import count_numbers
from monitor.performance.outline import Flags, Floats, Integers, Outline
from monitor.performance.scorecard import (
    CALIBRATION_BINS,
    CLASS_LOSSES,
    FLOAT_ARRAYS,
    POWERS,
    Scorecard,
    empty,
    powers,
    shapes,
)
from monitor.performance.spread import influence_sums, influence_tables
from monitor.profile.buckets import make_buckets
from monitor.profile.counting import SEARCH_BELOW

MISSING = -1  # a category code; anything below it is a value that could not be read
Codes = NDArray[np.int32]
_INNER_BINS = np.linspace(0.0, 1.0, CALIBRATION_BINS + 1)[1:-1]
_LEAST = float(np.finfo(np.float64).eps)


def count(
    outline: Outline,
    *,
    prediction: Codes | Floats,
    label: Codes | Floats,
    scores: Floats | None = None,
    assumed: Flags | None = None,
    estimated: Floats | None = None,
) -> Scorecard:
    """The scorecard of n rows.

    Classification: ``prediction`` and ``label`` int32[n] are positions in the outline's classes, C an unseen class, −1
    missing, below that unreadable; ``scores`` float64[n, K], NaN missing. A row without a prediction has that of its
    scores: positive at or above the threshold, or the highest score (the first of equals) where all are valid.
    Regression: ``prediction`` and ``label`` float64[n], NaN missing, infinite or beyond 1e45 unreadable;
    ``estimated`` float64[n, 2] the estimated absolute and squared error of each row, NaN where there is none.
    ``assumed`` bool[n]: the label was assumed for want of one.
    """
    if outline.regression:
        return count_numbers(outline, prediction=prediction, label=label, assumed=assumed, estimated=estimated)
    scored = len(outline.edges)
    given = np.full((len(label), scored), np.nan) if scores is None else scores + 0.0  # no negative zeros
    if given.shape != (len(label), scored) or prediction.shape != label.shape:
        raise ValueError(f"{prediction.shape} predictions and {given.shape} scores for {label.shape} labels")
    valid = (given >= 0) & (given <= 1)
    known = _predictions(outline, prediction=prediction.astype(np.int64), scores=given, valid=valid)
    return _count_classes(
        outline, prediction=known, label=label.astype(np.int64), scores=given, valid=valid, assumed=assumed
    )


def _predictions(outline: Outline, *, prediction: Integers, scores: Floats, valid: Flags) -> Integers:
    """The predictions, where there is none that of the scores."""
    if not outline.edges:
        return prediction
    rows = np.flatnonzero((prediction < 0) & valid.all(axis=1))
    filled = prediction.copy()
    if outline.binary:
        positive = outline.positive_index
        filled[rows] = np.where(scores[rows, 0] >= outline.threshold, positive, 1 - positive)
    else:
        filled[rows] = np.array(outline.scored)[scores[rows].argmax(axis=1)]
    return filled


def _count_classes(
    outline: Outline, *, prediction: Integers, label: Integers, scores: Floats, valid: Flags, assumed: Flags | None
) -> Scorecard:
    classes, labelled = len(outline.classes), label >= 0
    both = labelled & (prediction >= 0)
    pairs = np.bincount(label[both] * (classes + 1) + prediction[both], minlength=(classes + 1) ** 2)
    return replace(
        empty(outline),
        rows=len(label),
        labelled=int(labelled.sum()),
        assumed=0 if assumed is None else int((labelled & assumed).sum()),
        unseen_labels=int((label == classes).sum()),
        invalid_labels=int((label < MISSING).sum()),
        invalid_predictions=int((prediction < MISSING).sum()),
        invalid_scores=(~valid & ~np.isnan(scores)).sum(axis=0, dtype=np.int64),
        confusion=pairs.reshape(classes + 1, classes + 1).astype(np.int64),
        losses=_class_losses(outline, label=label, scores=scores, valid=valid),
        **_score_counts(outline, prediction=prediction, label=label, scores=scores, valid=valid),
    )


def _score_counts(
    outline: Outline, *, prediction: Integers, label: Integers, scores: Floats, valid: Flags
) -> dict[str, Any]:
    """The histograms and calibration bins of each scored class, the influences on all of them together."""
    sizes = shapes(outline)
    names = ("by_label", "by_prediction", "bin_rows", "bin_hits", "bin_scores", "bin_squares")
    found = {name: np.zeros(sizes[name], np.float64 if name in FLOAT_ARRAYS else np.int64) for name in names}
    tables = influence_tables(outline)
    total = np.zeros((sizes["influences"][0], len(label)))
    for k, (class_index, edges) in enumerate(zip(outline.scored, outline.edges, strict=True)):
        rows = np.flatnonzero(valid[:, k])
        column, hit = scores[rows, k], label[rows] == class_index
        cells = cell_finder(edges, values=len(rows))(column)
        found["by_prediction"][k] = _split(cells, of=prediction[rows], class_index=class_index, cells=outline.cells)
        found["by_label"][k] = _split(cells, of=label[rows], class_index=class_index, cells=outline.cells)
        if tables:
            total[:, rows] += tables[k][:, hit.astype(np.int64), cells]
        labelled = np.flatnonzero(label[rows] >= 0)
        for name, values in _calibration(column[labelled], hit=hit[labelled]).items():
            found[name][k] = values
    complete = valid.all(axis=1) & (label >= 0)
    return found | {"influences": influence_sums(total[:, complete] if tables else total[:, :0])}


def _calibration(scores: Floats, *, hit: Flags) -> dict[str, NDArray[Any]]:
    """The sums of each calibration bin of one class."""
    bins, gaps = _INNER_BINS.searchsorted(scores), hit - scores
    return {
        "bin_rows": np.bincount(bins, minlength=CALIBRATION_BINS),
        "bin_hits": np.bincount(bins[hit], minlength=CALIBRATION_BINS),
        "bin_scores": np.bincount(bins, weights=scores, minlength=CALIBRATION_BINS),
        "bin_squares": np.bincount(bins, weights=gaps * gaps, minlength=CALIBRATION_BINS),
    }


def _split(score_cells: Integers, *, of: Integers, class_index: int, cells: int) -> Integers:
    """int64[2, cells]: rows by (other class, this class) and score cell; rows without a class are left out."""
    places = (score_cells + (of == class_index) * cells)[of >= 0]
    return np.bincount(places, minlength=2 * cells).reshape(2, cells).astype(np.int64, copy=False)


def cell_finder(edges: Floats, *, values: int) -> Callable[[Floats], Integers]:
    """A function from scores float64[n] to their cells int64[n], made for that many values."""
    if not len(edges) or values < SEARCH_BELOW:
        return lambda part: edges.searchsorted(part).astype(np.int64, copy=False)
    return make_buckets(edges).cells


def _class_losses(outline: Outline, *, label: Integers, scores: Floats, valid: Flags) -> Floats:
    """float64[2, 4]: the powers of log loss and Brier score, of the rows whose scores are all valid.

    Binary: the label is the positive class or not. Multiclass: every class must be scored, the label be one of them.
    """
    losses = np.zeros((len(CLASS_LOSSES), POWERS))
    if not outline.edges or (not outline.binary and len(outline.scored) < len(outline.classes)):
        return losses
    rows = np.flatnonzero(valid.all(axis=1) & (label >= 0) & (outline.binary | (label < len(outline.classes))))
    if outline.binary:
        hit, score = label[rows] == outline.positive_index, scores[rows, 0]
        given = np.where(hit, score, 1.0 - score)
        squared = (1.0 - given) ** 2
    else:
        column = np.argsort(outline.scored)[label[rows]]  # of each row's class
        given = scores[rows, column]
        squared = np.einsum("ij,ij->i", scores[rows], scores[rows]) - given * given + (1.0 - given) ** 2
    losses[0] = powers(-np.log(np.clip(given, _LEAST, 1.0 - _LEAST)))
    losses[1] = powers(squared)
    return losses
