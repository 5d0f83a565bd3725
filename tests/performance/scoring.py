"""Simulated classifiers whose scores are (or are not) the chance of the class, in 1,000 cells."""

from __future__ import annotations

import numpy as np

CELLS = 1_000
EDGES = np.linspace(0.0, 1.0, CELLS + 1)[1:-1]
CENTERS = (np.arange(CELLS) + 0.5) / CELLS
SURE = np.rint(1e6 * np.stack((1 - CENTERS, CENTERS))).astype(np.int64)  # labels enough to leave no doubt


def records(rng, n, *, a=2.0, b=2.0, honesty=1.0):
    """Scores float64[n] and labels bool[n]; at honesty 1 the score is the chance, below it exaggerates."""
    score = rng.beta(a, b, n)
    chance = 1.0 / (1.0 + np.exp(-honesty * np.log(score / (1.0 - score))))
    return score, rng.uniform(size=n) < chance


def by(flags, score, edges=EDGES):
    """int64[2, B]: records without and with the flag by score cell."""
    cells = edges.searchsorted(score)
    return np.stack([np.bincount(cells[flags == side], minlength=len(edges) + 1) for side in (False, True)])
