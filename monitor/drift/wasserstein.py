"""Wasserstein distance (earth mover's): the area between the two distribution functions, in the column's unit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monitor.drift.bins import Floats, Integers


@dataclass(frozen=True, slots=True, kw_only=True)
class Wasserstein:
    """The ``distance`` and the most that spreading mass within cells can have moved it (``error``), column's unit."""

    distance: float
    error: float


def wasserstein(current: Integers, reference: Integers, *, edges: Floats, low: float, high: float) -> Wasserstein:
    """The area for one column: counts int64[k + 1] of both sides over edges float64[k].

    Within a cell the mass is spread evenly between its edges; the outer cells end at ``low`` and ``high``, the extremes
    of both sides. Each side's true distribution function differs from the spread one by at most the cell's mass,
    so the area is wrong by at most Σ width × (current mass + reference mass).
    Source: Ramdas, Garcia Trillos and Cuturi (2017), Entropy 19(2), eq. 16 (the one-dimensional form).

    >>> edges = np.array([0.0, 1.0, 2.0])
    >>> wasserstein(np.array([0, 0, 2, 0]), np.array([0, 2, 0, 0]), edges=edges, low=0.0, high=2.0).distance
    1.0
    """
    p, q = current / max(int(current.sum()), 1), reference / max(int(reference.sum()), 1)
    bounds = np.concatenate(([min(low, float(edges[0]))], edges, [max(high, float(edges[-1]))]))
    widths = np.diff(bounds)
    after = np.cumsum(p - q)
    before = np.concatenate(([0.0], after[:-1]))
    same = before * after >= 0
    total = np.abs(before) + np.abs(after)
    crossing = (before**2 + after**2) / np.where(
        total > 0, total, 1.0
    )  # two triangles where the difference changes sign
    area = widths * np.where(same, total, crossing) / 2
    return Wasserstein(distance=float(area.sum()), error=float((widths * (p + q)).sum()))
