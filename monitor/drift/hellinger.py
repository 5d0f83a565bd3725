"""Hellinger distance: sqrt(½ Σ (√p − √q)²), 0 to 1."""

from __future__ import annotations

import numpy as np

from monitor.drift.bins import Floats, Integers, column_sums, shares


def hellinger(current: Integers, reference: Integers, *, offsets: Integers) -> Floats:
    """float64[C]: the distance of each column's shares.

    Source: Nikulin, "Hellinger distance", Encyclopedia of Mathematics.

    >>> hellinger(np.array([1, 0]), np.array([0, 1]), offsets=np.array([0, 2])).tolist()
    [1.0]
    """
    p, q = shares(current, offsets=offsets), shares(reference, offsets=offsets)
    return np.sqrt(column_sums((np.sqrt(p) - np.sqrt(q)) ** 2, offsets=offsets) / 2)
