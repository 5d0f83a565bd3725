"""L-infinity distance: the largest change of any one share, 0 to 1."""

from __future__ import annotations

import numpy as np

from monitor.drift.bins import Floats, Integers, column_maxima, shares


def l_infinity(current: Integers, reference: Integers, *, offsets: Integers) -> Floats:
    """float64[C]: max |p − q| over each column's bins.

    Source: Breck et al. (2019), Data Validation for Machine Learning, MLSys, section 4.2.

    >>> l_infinity(np.array([50, 50]), np.array([30, 70]), offsets=np.array([0, 2])).round(6).tolist()
    [0.2]
    """
    p, q = shares(current, offsets=offsets), shares(reference, offsets=offsets)
    return column_maxima(np.abs(p - q), offsets=offsets)
