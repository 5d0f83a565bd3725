"""Jensen-Shannon distance: the square root of the divergence in bits, 0 to 1."""

from __future__ import annotations

import numpy as np
from scipy.special import rel_entr

from monitor.drift.bins import Floats, Integers, column_sums, shares


def js(current: Integers, reference: Integers, *, offsets: Integers) -> Floats:
    """float64[C]: sqrt(½ KL(p ‖ m) + ½ KL(q ‖ m)) with m = (p + q)/2, logarithms to base 2.

    Source: Lin (1991), IEEE Trans. Inf. Theory 37(1); the same as ``scipy.spatial.distance.jensenshannon(base=2)``.

    >>> js(np.array([1, 0]), np.array([0, 1]), offsets=np.array([0, 2])).tolist()
    [1.0]
    """
    p, q = shares(current, offsets=offsets), shares(reference, offsets=offsets)
    middle = (p + q) / 2
    divergence = column_sums(rel_entr(p, middle) + rel_entr(q, middle), offsets=offsets) / (2 * np.log(2))
    distance: Floats = np.sqrt(np.clip(divergence, 0.0, 1.0))
    return distance
