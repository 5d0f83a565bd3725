"""Population stability index: Σ (p − q) ln(p / q), ½ added to every count of both sides."""

from __future__ import annotations

import numpy as np

from monitor.drift.bins import Floats, Integers, column_sums


def psi(current: Integers, reference: Integers, *, offsets: Integers) -> Floats:
    """float64[C]: the index of each column's bins, natural logarithm, 0 and up.

    With B bins, p = (c + ½)/(n + B/2) and q = (r + ½)/(m + B/2), so no bin is empty and the index is finite.
    Source: Siddiqi (2006), Credit Risk Scorecards, ch. 10; the ½ is Jeffreys' prior.

    >>> psi(np.array([50, 50]), np.array([30, 70]), offsets=np.array([0, 2])).round(4).tolist()
    [0.1659]
    """
    widths = np.diff(offsets)
    n = column_sums(current, offsets=offsets) + widths / 2
    m = column_sums(reference, offsets=offsets) + widths / 2
    p = (current + 0.5) / np.repeat(n, widths)
    q = (reference + 0.5) / np.repeat(m, widths)
    return column_sums((p - q) * np.log(p / q), offsets=offsets)
