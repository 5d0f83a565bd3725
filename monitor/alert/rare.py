"""How surprising a count is where almost none are expected: the beta-binomial's upper tail."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, gammaln

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
_BLOCKS = (32, 256, 1024, 4096)  # terms summed before the rest is taken as a geometric series


def rare_surprise(hits: Floats, sizes: Floats, *, reference_hits: Floats, reference_sizes: Floats) -> Floats:
    """−ln P(X ≥ hits), in nats, X beta-binomial(n; r + ½, m − r + ½): arrays of one shape in and out.

    The share of hits is known from r of m reference rows only (Jeffreys' prior), so a first hit in a
    thousand rows is no surprise where the reference is as small. Exact to 1e-9 up to 5,000 terms of the
    sum, beyond that an upper bound of P.

    >>> x = rare_surprise(np.array([0.0, 1.0]), np.array([1.0, 1.0]), reference_hits=np.zeros(2),
    ...     reference_sizes=np.full(2, 9.0))
    >>> np.exp(-x).round(6).tolist()  # of one row: (0 + ½)/(9 + 1)
    [1.0, 0.05]
    """
    hits, sizes, reference_hits, reference_sizes = np.broadcast_arrays(hits, sizes, reference_hits, reference_sizes)
    surprise = np.zeros(hits.shape)
    some = (hits > 0) & ~_far_below(hits, sizes, a=reference_hits + 0.5, b=reference_sizes - reference_hits + 0.5)
    if some.any():
        k, n = hits[some].astype(float), sizes[some].astype(float)
        a, b = reference_hits[some] + 0.5, reference_sizes[some] - reference_hits[some] + 0.5
        log_mass = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1) + betaln(k + a, n - k + b) - betaln(a, b)
        surprise[some] = np.maximum(-(log_mass + np.log(_tail_ratio(k, n, a, b))), 0.0)
    return surprise


def _far_below(k: Floats, n: Floats, *, a: Floats, b: Floats) -> Flags:
    """Where k is more than six standard deviations under its mean: no surprise, and a sum that could overflow."""
    share, known = a / (a + b), a + b
    variance = n * share * (1.0 - share) * (known + n) / (known + 1.0)
    return k < n * share - 6.0 * np.sqrt(variance)


def _tail_ratio(k: Floats, n: Floats, a: Floats, b: Floats) -> Floats:
    """P(X ≥ k) / P(X = k): the sum of the products of successive mass ratios."""
    total, term, at = np.ones_like(k), np.ones_like(k), k.copy()
    going = np.arange(len(k))
    for block in _BLOCKS:
        j = at[going, None] + np.arange(block)
        ratio = _mass_ratio(j, n[going, None], a[going, None], b[going, None])
        terms = term[going, None] * np.cumprod(ratio, axis=1)
        total[going] += terms.sum(axis=1)
        term[going], at[going] = terms[:, -1], at[going] + block
        going = going[term[going] > 1e-10 * total[going]]
        if len(going) == 0:
            return total
    last = _mass_ratio(at[going], n[going], a[going], b[going])
    total[going] += term[going] * last / np.maximum(1.0 - last, 1e-6)
    return total


def _mass_ratio(j: Floats, n: Floats, a: Floats, b: Floats) -> Floats:
    """P(X = j + 1) / P(X = j), 0 from n on."""
    return np.where(j < n, (n - j) * (a + j) / ((j + 1) * np.maximum(b + n - j - 1, 0.5)), 0.0)
