"""What share of the records with a given score truly is of the class: isotonic calibration on score cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Refusal = Literal["few_labels"]

LEAST_LABELS = 200  # of the reference, both halves together
LEAST_OF_A_CLASS = 20  # with the class, and without it
_SURELY = 1e9  # standard errors, where scores of 0 and 1 are contradicted


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Calibration:
    """The probability of the class in each of B score cells, and how well the reference's labels say it.

    ``probability`` float64[B]; ``centers`` float64[B] the raw scores; ``labelled`` int64[2, B] the reference's labels
    (without, with the class) behind it; ``isotonic`` False where the raw scores are kept; ``gain`` the mean squared
    error that calibrating takes away on held-out labels, with its standard error ``gain_se``; ``misfit`` how many
    standard errors the labels are from the raw scores, in number or in spread; ``reason`` is ``few_labels`` where
    nothing may be estimated.

    A cell's isotonic fit is ``(1 − share)`` times that of block ``left`` plus ``share`` times that of ``right``
    (int64[B], float64[B]); ``block_variance`` float64[J] is how sure each block is.

    ``excess`` float64[2] and ``sides`` int64[2]: what records (not) predicted to be of the class have above their
    probabilities, and the reference's labels that say so; 0 where not known (``monitor.performance.anchor``).
    """

    centers: Floats
    labelled: Integers
    isotonic: bool
    gain: float
    gain_se: float
    misfit: float
    reason: Refusal | None
    probability: Floats
    left: Integers
    right: Integers
    share: Floats
    block_variance: Floats
    excess: Floats = field(default_factory=lambda: np.zeros(2))
    sides: Integers = field(default_factory=lambda: np.zeros(2, np.int64))

    @property
    def labels(self) -> int:
        """The number of reference labels behind it."""
        return int(self.labelled.sum())

    @property
    def method(self) -> str:
        """``isotonic`` or ``raw``."""
        return "isotonic" if self.isotonic else "raw"

    def variance_of(self, weights: Floats) -> float:
        """The variance that the calibration's own error gives to Σ weights · probability, weights float64[B].

        The labels of different blocks are independent. Raw scores have it too: that they agree with the reference's
        labels is known no better than those labels say.
        """
        blocks = len(self.block_variance)
        slope = np.bincount(self.left, weights * (1.0 - self.share), blocks)
        slope += np.bincount(self.right, weights * self.share, blocks)
        return float(np.sum(slope * slope * self.block_variance))

    def side_variance(self, slopes: Floats, *, by_prediction: Integers) -> float:
        """The same for a slope float64[2] that is one for all records of a side (predicted so or not, int64[2, B]).

        Where ``sides`` have labels, these alone tell a side's share, by the chance they have themselves: that of the
        window's own records of the side, n of them, times n by the number of labels.
        """
        if not self.sides.all():
            return self.variance_of(slopes @ by_prediction)
        chance = by_prediction @ (self.probability * (1.0 - self.probability))
        return float(np.sum(slopes**2 * chance * by_prediction.sum(axis=1) / self.sides))

    def confusion_of(self, by_prediction: Integers) -> Floats:
        """float64[2]: of int64[2, B] records by (not) predicted so, how many are to be expected of the class."""
        rows = by_prediction.sum(axis=1)
        found: Floats = np.clip(by_prediction @ self.probability + rows * self.excess, 0.0, rows)
        return found

    def levelled(self, weights: Floats, *, rows: Floats) -> float:
        """What Σ rows · weights · probability (float64[B] each) is short of because the fit is level within a block.

        Labels still go with scores inside a block, and pooling always takes that away in one direction: for a weight
        that rises with the score the sum over the reference's own rows is never below that of its labels (Robertson,
        Wright and Dykstra 1988, Order Restricted Statistical Inference, theorem 1.3.2). A block's difference on the
        reference is added for each of its rows, so the reference's own losses come out as its labels say. 0 for raw.
        """
        if not self.isotonic:
            return 0.0
        blocks, known = len(self.block_variance), self.labelled.sum(axis=0).astype(np.float64)
        missed = np.bincount(self.left, (self.labelled[1] - known * self.probability) * weights, blocks)
        mass = np.bincount(self.left, rows * (1.0 - self.share), blocks) + np.bincount(
            self.right, rows * self.share, blocks
        )
        return float(missed @ (mass / np.bincount(self.left, known, blocks)))


def calibrate(fit: Integers, *, held_out: Integers, centers: Floats) -> Calibration:
    """The calibration that the reference's labels call for: the raw scores, where they agree with them.

    ``fit`` and ``held_out`` int64[2, B]: rows without and with the class by score cell; ``centers`` float64[B]: the
    cells' mean raw scores, ascending in 0..1. Isotonic regression by pooling adjacent violators: Zadrozny and Elkan
    (2002), KDD. It is used where, fitted on one half, its Brier score on the other is below that of the
    raw scores by more than one standard error of the difference (the simpler rule unless another is better: Breiman et
    al. 1984, section 3.4.3), or where the labels of both depart from the raw scores by more than one standard error
    (``misfit``); it is then fitted on both. The first alone keeps scores that exaggerate by a tenth, and estimates from
    them miss by several of their stated errors (docs/estimates.md). ``ValueError`` for other shapes.

    >>> scores = np.array([0.1, 0.5, 0.9])
    >>> half = np.array([[450, 300, 150], [50, 200, 350]])
    >>> found = calibrate(half, held_out=half, centers=scores)
    >>> found.method, found.probability.round(2).tolist()
    ('isotonic', [0.1, 0.4, 0.7])
    """
    _require_cells(fit, held_out, centers)
    both = fit + held_out
    few = both.sum() < LEAST_LABELS or both.sum(axis=1).min() < LEAST_OF_A_CLASS
    if few or not fit.sum() or not held_out.sum():
        return restored(both, centers=centers, isotonic=False, gain=0.0, gain_se=0.0, misfit=0.0, reason="few_labels")
    gain, gain_se = _gain(held_out, raw=centers, calibrated=_isotonic(fit, centers=centers).probability)
    misfit = _misfit(both, raw=centers)
    helps = gain > gain_se or misfit > 1.0
    return restored(both, centers=centers, isotonic=helps, gain=gain, gain_se=gain_se, misfit=misfit, reason=None)


def calibrate_classes(fit: Integers, *, held_out: Integers, centers: Sequence[Floats]) -> tuple[Calibration, ...]:
    """One class against the rest, for each of K classes: labels int64[K, 2, B], ``centers`` K of at most B each.

    Cells beyond a class's centers are empty and left out. Source: Zadrozny and Elkan (2002), KDD.
    """
    return tuple(
        calibrate(one[:, : len(middle)], held_out=other[:, : len(middle)], centers=middle)
        for one, other, middle in zip(fit, held_out, centers, strict=True)
    )


def restored(
    labelled: Integers,
    *,
    centers: Floats,
    isotonic: bool,
    gain: float,
    gain_se: float,
    misfit: float,
    reason: Refusal | None,
) -> Calibration:
    """The calibration of labels int64[2, B] for which it is known already whether calibrating helps."""
    curve = _isotonic(labelled, centers=centers) if labelled.any() else _unlabelled(centers)
    return Calibration(
        centers=centers, labelled=labelled, isotonic=isotonic, gain=gain, gain_se=gain_se, misfit=misfit, reason=reason,
        probability=curve.probability if isotonic else centers, left=curve.left, right=curve.right, share=curve.share,
        block_variance=curve.variance,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Curve:
    probability: Floats
    left: Integers
    right: Integers
    share: Floats
    variance: Floats


def _unlabelled(centers: Floats) -> _Curve:
    none = np.zeros(len(centers), np.int64)
    return _Curve(probability=centers, left=none, right=none, share=np.zeros(len(centers)), variance=np.zeros(1))


def _isotonic(labelled: Integers, *, centers: Floats) -> _Curve:
    """The isotonic fit; cells without labels lie on the line between their neighbours with labels."""
    from scipy.optimize import isotonic_regression  # a tenth of every start, for what references alone need

    rows = labelled.sum(axis=0).astype(np.float64)
    filled = np.flatnonzero(rows)
    fitted = isotonic_regression(labelled[1, filled] / rows[filled], weights=rows[filled])
    starts = np.asarray(fitted.blocks[:-1], dtype=np.int64)
    block = np.repeat(np.arange(len(starts)), np.diff(fitted.blocks))
    # +½ and +1: a block in which all labels are alike is not certain (Brown, Cai and DasGupta 2001, Stat. Sci. 16(2))
    total = np.add.reduceat(rows[filled], starts)
    smooth = (np.add.reduceat(labelled[1, filled].astype(np.float64), starts) + 0.5) / (total + 1.0)
    place = np.maximum.accumulate(centers)
    after = np.minimum(np.searchsorted(filled, np.arange(len(centers))), len(filled) - 1)
    before = np.where(filled[after] == np.arange(len(centers)), after, np.maximum(after - 1, 0))
    before = np.where(np.arange(len(centers)) > filled[-1], after, before)
    gap = place[filled[after]] - place[filled[before]]
    share = np.divide(place - place[filled[before]], gap, out=np.zeros(len(centers)), where=gap > 0)
    values = np.clip(fitted.x, 0.0, 1.0)
    return _Curve(
        probability=(1.0 - share) * values[before] + share * values[after],
        left=block[before], right=block[after], share=share, variance=smooth * (1.0 - smooth) / total,
    )  # fmt: skip


def _gain(labelled: Integers, *, raw: Floats, calibrated: Floats) -> tuple[float, float]:
    """How much lower the calibrated Brier score is on these labels, per row, and its standard error."""
    rows = float(labelled.sum())
    each = np.stack((raw**2 - calibrated**2, (1.0 - raw) ** 2 - (1.0 - calibrated) ** 2))
    mean = float(np.sum(labelled * each)) / rows
    variance = float(np.sum(labelled * (each - mean) ** 2)) / max(rows - 1.0, 1.0)
    return mean, float(np.sqrt(variance / rows))


def _misfit(labelled: Integers, *, raw: Floats) -> float:
    """|z| of the number of labels of the class, or of the Brier score, were the raw scores its chances: the larger.

    Source: Spiegelhalter (1986), Statistics in Medicine 5(5).
    """
    rows = labelled.sum(axis=0)
    excess, variance = labelled[1] - rows * raw, rows * raw * (1.0 - raw)
    found = 0.0
    for weight in (np.ones(len(raw)), 1.0 - 2.0 * raw):
        away, spread = abs(float(excess @ weight)), float(np.sqrt(variance @ weight**2))
        found = max(found, away / spread if spread > 0.0 else float(away > 0.0) * _SURELY)
    return found


def _require_cells(fit: Integers, held_out: Integers, centers: Floats) -> None:
    shapes: Sequence[tuple[int, ...]] = (fit.shape, held_out.shape)
    if any(shape != (2, len(centers)) for shape in shapes):
        raise ValueError(
            f"labels of shape {fit.shape} and {held_out.shape}: expected (2, {len(centers)}) as centers has"
        )
    if not (np.all(centers >= 0.0) and np.all(centers <= 1.0)):
        raise ValueError("centers: expected scores in 0..1")
