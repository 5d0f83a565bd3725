"""Outlines of every kind and random rows for them."""

from __future__ import annotations

import numpy as np

from monitor.performance import Outline, count, score_cells

GRID = np.arange(0, 1.01, 0.05)
CLASSES = ("a", "b", "c")


def binary(*, scores=GRID, **kwargs) -> Outline:
    edges, centers = score_cells(np.asarray(scores, float))
    return Outline(
        task="binary_classification", classes=("no", "yes"), positive="yes", edges=(edges,), centers=(centers,),
        **kwargs,
    )  # fmt: skip


def multiclass(*, scores=None, classes=CLASSES) -> Outline:
    columns = [GRID] * len(classes) if scores is None else np.asarray(scores, float).T
    cells = [score_cells(column) for column in columns]
    return Outline(
        task="multiclass_classification", classes=tuple(classes), edges=tuple(e for e, _ in cells),
        centers=tuple(c for _, c in cells),
    )  # fmt: skip


def rows_of(outline: Outline, *, n: int, rng: np.random.Generator) -> dict:
    """The columns of n rows with everything that can be odd about them."""
    assumed = rng.uniform(size=n) < 0.2
    if outline.regression:
        odd = np.array([np.nan, np.inf, -np.inf, 1e300, 0.0, -1.0, -3.0])
        label, prediction = (
            np.where(rng.uniform(size=n) < 0.3, rng.choice(odd, n), rng.normal(10, 4, n)) for _ in range(2)
        )
        estimated = np.where(rng.uniform(size=(n, 2)) < 0.2, np.nan, rng.gamma(2.0, size=(n, 2)))
        return {"label": label, "prediction": prediction, "assumed": assumed, "estimated": estimated}
    classes, scored = len(outline.classes), len(outline.edges)
    label, prediction = (rng.integers(-2, classes + 1, n).astype(np.int32) for _ in range(2))
    scores = np.where(rng.uniform(size=(n, scored)) < 0.7, rng.choice(GRID, (n, scored)), rng.uniform(size=(n, scored)))
    odd = rng.choice([np.nan, np.inf, -0.0, 1.5, -0.1], (n, scored))
    scores = np.where(rng.uniform(size=(n, scored)) < 0.2, odd, scores)
    return {"label": label, "prediction": prediction, "scores": scores, "assumed": assumed}


def card_of(outline: Outline, rows: dict, *, part=slice(None)):
    return count(outline, **{name: column[part] for name, column in rows.items()})


KINDS = {
    "binary": binary(),
    "binary without scores": Outline(task="binary_classification", classes=("yes", "no"), positive="yes"),
    "multiclass": multiclass(),
    "multiclass without scores": Outline(task="multiclass_classification", classes=CLASSES),
    "multiclass that supposes its classes": multiclass().supposing([GRID] * 3),
    "regression": Outline(task="regression", center=10.0),
}
