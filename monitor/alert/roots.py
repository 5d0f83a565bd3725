"""Signed roots: the PSI of a window taken apart by cell, so that the squares add up to it."""

from __future__ import annotations

import numpy as np

from monitor.alert.cells import Floats, Integers


def smoothed_shares(counts: Floats, *, width: Integers) -> Floats:
    """Shares of counts float64[D, W, B] with +½ in each of a column's ``width`` cells; 0 in the others."""
    filled = np.arange(counts.shape[2]) < width[:, None, None]
    lifted = np.where(filled, counts + 0.5, 0.0)
    total: Floats = np.maximum(lifted.sum(axis=2, keepdims=True), 0.5)
    return np.divide(lifted, total)


def signed_roots(current: Floats, reference: Floats) -> Floats:
    """u = sign(p − q) √((p − q) ln(p/q)) of shares p, q: Σ u² is the PSI, and u ≈ (p − q)/√q for small steps.

    >>> u = signed_roots(np.array([0.4, 0.6]), np.array([0.5, 0.5]))
    >>> round(float((u**2).sum()), 6)  # 0.1 ln 1.5
    0.040547
    """
    step = current - reference
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = step * np.log(current / reference)
    # Cells that a column does not have are 0 on both sides.
    return np.sign(step) * np.sqrt(np.maximum(np.nan_to_num(parts, nan=0.0, posinf=0.0), 0.0))


def share_root(hits: Floats, sizes: Floats, *, reference_hits: Floats, reference_sizes: Floats) -> Floats:
    """The signed root of the PSI of two cells, a share of hits and the rest: arrays of one shape in and out.

    >>> v = share_root(*np.array([[10.0], [100.0]]), reference_hits=np.array([10.0]), reference_sizes=np.array([100.0]))
    >>> float(v[0])
    0.0
    """
    p, q = (hits + 0.5) / (sizes + 1.0), (reference_hits + 0.5) / (reference_sizes + 1.0)
    parts = (p - q) * (np.log(p / q) - np.log((1 - p) / (1 - q)))
    root: Floats = np.copysign(np.sqrt(np.maximum(parts, 0.0)), p - q)
    return root


def noise(sizes: Floats, reference_sizes: Floats) -> Floats:
    """ν = 1/n + 1/m, the variance of a root that sampling alone brings; inf where there are no rows."""
    with np.errstate(divide="ignore"):
        return 1.0 / sizes + 1.0 / reference_sizes
