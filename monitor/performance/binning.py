"""Columns of numbers in at most 64 bins each and one for missing: what trees are grown on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monitor.profile.buckets import make_buckets

Floats = NDArray[np.float64]
Codes = NDArray[np.uint8]

MAX_BINS = 64
MISSING = 0
CODES = MAX_BINS + 1
_SEARCH_BELOW = 20_000  # rows under which a plain search is quicker than making a bucket table


def bin_edges(matrix: Floats) -> tuple[Floats, ...]:
    """The edges of each column's bins, at most 63, from float64[n, F] with NaN for missing.

    Between neighbouring values where there are at most 64, else at quantiles: Ke et al. (2017), LightGBM, NeurIPS.

    >>> bin_edges(np.array([[1.0], [3.0], [3.0], [np.nan]]))[0].tolist()
    [2.0]
    """
    return tuple(_edges_of(matrix[:, f]) for f in range(matrix.shape[1]))


def _edges_of(column: Floats) -> Floats:
    values = column[np.isfinite(column)]
    distinct = np.unique(values)
    if len(distinct) < 2:
        return np.empty(0)
    if len(distinct) <= MAX_BINS:
        return np.unique(distinct[:-1] + (distinct[1:] - distinct[:-1]) / 2.0)
    return np.unique(np.quantile(values, np.arange(1, MAX_BINS) / MAX_BINS, method="lower"))


def bin_codes(matrix: Floats, *, edges: tuple[Floats, ...]) -> Codes:
    """uint8[F, n]: 0 where missing, else 1 + the number of edges below the value.

    >>> bin_codes(np.array([[1.0], [2.0], [9.0], [np.nan]]), edges=(np.array([2.0]),)).tolist()
    [[1, 1, 2, 0]]
    """
    found = np.empty((len(edges), len(matrix)), np.uint8)
    for f, inner in enumerate(edges):
        column = np.ascontiguousarray(matrix[:, f]) + 0.0  # no negative zeros
        missing = np.isnan(column)
        column[missing] = 0.0
        if len(column) < _SEARCH_BELOW or not len(inner):
            cells = inner.searchsorted(column)
        else:
            cells = make_buckets(inner).cells(column)
        found[f] = cells
        found[f] += 1
        found[f, missing] = MISSING
    return found
