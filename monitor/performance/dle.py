"""Direct loss estimation (DLE) for regression: how wrong predictions will prove, from what they were made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from monitor.performance.binning import Codes, bin_codes, bin_edges
from monitor.performance.booster import boost
from monitor.performance.forest import LEAVES, NODES, Forest

Floats = NDArray[np.float64]

LEAST_LABELS = 200
MOST_ROWS = 100_000
_LARGEST = 1e45  # of a prediction or label: fourth powers of their difference stay finite
_ROWS_AT_ONCE = 1 << 17  # of a window's matrix, so that its codes stay small


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Loss:
    """A model of one loss.

    ``forest`` has no tree where the mean loss is all that can be said; ``level`` multiplies it, so that its mean over
    the labelled rows is their mean loss. ``noise``: the variance of a row's loss about its estimate is this times the
    estimate's square. ``gain`` is what the model takes off the held-out squared error of the mean, with ``gain_se``.
    """

    forest: Forest
    level: float
    noise: float
    gain: float
    gain_se: float

    @property
    def method(self) -> Literal["model", "constant"]:
        """``model`` where trees beat the mean loss on held-out rows, else ``constant``."""
        return "model" if len(self.forest.value) else "constant"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LossModel:
    """Models of the absolute and the squared loss, by F columns and the prediction.

    ``edges`` has the bins' edges of the F columns and of the prediction; ``labels`` rows are behind it; ``reason`` is
    ``few_labels`` where nothing may be estimated.
    """

    edges: tuple[Floats, ...]
    absolute: Loss
    squared: Loss
    labels: int
    reason: Literal["few_labels"] | None = None

    def losses(self, matrix: Floats, *, prediction: Floats) -> Floats:
        """float64[n, 2]: the estimated absolute and squared error of each row, NaN without a prediction below 1e45.

        ``matrix`` float64[n, F] in the order of the fit, NaN for missing; ``prediction`` float64[n]. Never negative.
        ``ValueError`` for another number of columns.
        """
        if matrix.shape != (len(prediction), len(self.edges) - 1):
            raise ValueError(
                f"matrix of shape {matrix.shape}: expected ({len(prediction)}, {len(self.edges) - 1}), as it was fitted"
            )
        found = np.full((len(prediction), 2), np.nan)
        if self.reason is not None:
            return found
        for start in range(0, len(prediction), _ROWS_AT_ONCE):
            rows = slice(start, start + _ROWS_AT_ONCE)
            codes = bin_codes(np.column_stack((matrix[rows], prediction[rows])), edges=self.edges)
            for position, loss in enumerate((self.absolute, self.squared)):
                found[rows, position] = _applied(loss, codes=codes)
        found[~(np.abs(prediction) < _LARGEST)] = np.nan
        return found


def fit_losses(matrix: Floats, *, prediction: Floats, label: Floats, rng: np.random.Generator) -> LossModel:
    """The loss model of the reference's labelled rows: ``matrix`` float64[n, F], ``prediction``, ``label`` float64[n].

    At most 100,000 of the rows with a prediction and a label below 1e45, drawn with ``rng`` and dealt: six in ten grow
    the trees, two in ten say when to stop, two in ten whether the trees beat the mean loss by more than one standard
    error of the difference in squared error (Breiman et al. 1984, section 3.4.3); else the mean loss is used.
    Categories stand as small whole numbers. Source: NannyML, How it works: direct loss estimation (DLE).
    """
    usable = np.flatnonzero((np.abs(prediction) < _LARGEST) & (np.abs(label) < _LARGEST))  # False for NaN
    rows = rng.permutation(usable)[:MOST_ROWS]
    columns = np.column_stack((matrix[rows], prediction[rows]))
    error = np.abs(prediction[rows] - label[rows])
    if len(rows) < LEAST_LABELS:
        none = _constant(np.zeros(1), gain=0.0, gain_se=0.0)
        return LossModel(
            edges=tuple(np.empty(0) for _ in range(columns.shape[1])), absolute=none, squared=none,
            labels=len(rows), reason="few_labels",
        )  # fmt: skip
    edges = bin_edges(columns[: _dealt(len(rows))[0]])
    codes = bin_codes(columns, edges=edges)
    return LossModel(
        edges=edges, absolute=_fitted(codes, loss=error), squared=_fitted(codes, loss=error**2), labels=len(rows)
    )


def _dealt(rows: int) -> tuple[int, int]:
    """Where the rows that grow trees end, and those that stop them."""
    return 6 * rows // 10, 8 * rows // 10


def _fitted(codes: Codes, *, loss: Floats) -> Loss:
    grow, stop = _dealt(len(loss))
    forest = boost(codes[:, :grow], target=loss[:grow], held_out=codes[:, grow:stop], held_out_target=loss[grow:stop])
    predicted = np.maximum(forest.predict(codes), 0.0)
    tested, found = loss[stop:], predicted[stop:]
    each = (tested - loss[:grow].mean()) ** 2 - (tested - found) ** 2
    gain, gain_se = float(each.mean()), float(each.std(ddof=1) / np.sqrt(len(each)))
    if not len(forest.value) or not gain > gain_se:
        return _constant(loss, gain=gain, gain_se=gain_se)
    level = float(loss.mean() / predicted.mean())
    noise = float(np.mean((tested - level * found) ** 2) / np.mean((level * found) ** 2))
    return Loss(forest=forest, level=level, noise=noise, gain=gain, gain_se=gain_se)


def _constant(loss: Floats, *, gain: float, gain_se: float) -> Loss:
    mean = float(loss.mean())
    none = Forest(
        base=mean, feature=np.empty((0, NODES), np.int16), threshold=np.empty((0, NODES), np.uint8),
        value=np.empty((0, LEAVES)),
    )  # fmt: skip
    noise = float(loss.var() / mean**2) if mean > 0 else 0.0
    return Loss(forest=none, level=1.0, noise=noise, gain=gain, gain_se=gain_se)


def _applied(loss: Loss, *, codes: Codes) -> Floats:
    found: Floats = np.maximum(loss.forest.predict(codes), 0.0) * loss.level
    return found
