"""Kolmogorov-Smirnov distance from cells, with the bracket that the cells leave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import kolmogorov

from monitor.drift.bins import Floats, Integers, column_maxima, column_sums

_EXACT = 2.0**62  # what fits integers


@dataclass(frozen=True, slots=True, kw_only=True)
class KolmogorovSmirnov:
    """``distance`` float64[C] at the edges, ``upper`` float64[C] the most it can truly be, ``p_value`` float64[C]."""

    distance: Floats
    upper: Floats
    p_value: Floats


def ks(
    current: Integers, reference: Integers, *, offsets: Integers, atoms: NDArray[np.bool_] | None = None
) -> KolmogorovSmirnov:
    """The distance max |F − G| at the edges of right-closed cells and the bracket of the true D.

    F is the current, G the reference distribution function, both known exactly at every edge. The true
    D = sup |F(x) − G(x)| lies in [d, d + m], d the largest difference at an edge, m the largest reference mass of a
    cell that is not an atom. *Proof.* D ≥ d, for edges are among the x. For x in a cell (a, b], F and G rise:
    F(x) − G(x) ≤ F(b) − G(a) = (F(b) − G(b)) + (G(b) − G(a)) ≤ d + mass, and G(x) − F(x) ≤ G(b) − F(a) =
    (G(b) − G(a)) + (G(a) − F(a)) ≤ mass + d (a = −∞ and b = ∞ included, where F = G). In an atom's cell
    (the float below v, v] no float lies strictly between the edges, so F and G take no other values there. ∎

    ``atoms`` bool[cells] marks atoms. The p-value is asymptotic with the effective size nm/(n + m):
    Smirnov (1948), Ann. Math. Statist. 19(2), as ``scipy.stats.kstwobign``.

    >>> found = ks(np.array([0, 2, 2, 0]), np.array([0, 4, 0, 0]), offsets=np.array([0, 4]))
    >>> found.distance.tolist(), found.upper.tolist()
    ([0.5], [1.0])
    """
    n, m = column_sums(current, offsets=offsets), column_sums(reference, offsets=offsets)
    both, widths = (n > 0) & (m > 0), np.diff(offsets)
    factors: tuple[NDArray[Any], NDArray[Any]] = both / np.maximum(n, 1.0), both / np.maximum(m, 1.0)
    whole = np.ones_like(n)
    if (n * m < _EXACT).all():  # n m (F − G) in integers: they add up ten times as fast as floats, and to 0 exactly
        factors, whole = ((both * m).astype(np.int64), (both * n).astype(np.int64)), np.maximum(n * m, 1.0)
    of_n, of_m = (np.repeat(each, widths) for each in factors)
    apart = of_n * current
    apart -= of_m * reference
    # Within each column it sums to 0, so one running sum over all columns begins each of them at 0 (error 1e-12).
    np.cumsum(apart, out=apart)
    np.abs(apart, out=apart)
    distance = np.where(both, column_maxima(apart, offsets=offsets) / whole, 0.0)
    mass = column_maxima(reference if atoms is None else reference * ~atoms, offsets=offsets)
    return KolmogorovSmirnov(
        distance=distance,
        upper=np.where(both, np.minimum(distance + mass / np.maximum(m, 1.0), 1.0), distance),
        p_value=kolmogorov(np.sqrt(n * m / np.maximum(n + m, 1.0)) * distance),
    )
