"""How long columns remember: a history of windows that say much the same is worth fewer than it counts.

A threshold learned from K windows of a column that moves up and down once in K has seen one of its ways. Its alarms
come more often than promised, and last; the number of windows alone does not show it.
"""

from __future__ import annotations

import numpy as np

from monitor.alert.cells import Flags, Floats

FEW = 10  # independent windows below which promises were measured to be broken
_SURE, _LEAST = 3.0, 0.05  # standard errors, and what is left of a window, that count as remembered


def memory(roots: Floats, *, noise: Floats, valid: Flags) -> Floats:
    """How many windows count as one, float64[D]: 1 where they are independent, τ = 1 + 2 Σ ρ of what is remembered.

    ``roots`` float64[D, W, B], ``noise`` [D, W], ``valid`` bool[D, W] as for the movement. About their mean (roots of
    what moves far are all a little low) and along the direction in which they move most; ρ are the autocorrelations
    beyond noise, up to the first that chance could give (as the initial sequence of Geyer 1992, Statistical Science 7,
    473-483).

    >>> rng = np.random.default_rng(1)
    >>> pulled = np.repeat(rng.standard_normal(200), 10)[None, :, None] * np.array([1.0, -1.0])
    >>> known = {"noise": np.full((1, 2_000), 1e-3), "valid": np.ones((1, 2_000), dtype=bool)}
    >>> bool(8 < memory(pulled, **known)[0] < 12)
    True
    """
    columns, windows = valid.shape
    if windows < 2:
        return np.ones(columns)
    along = _along(roots, valid=valid)
    pairs = np.maximum(_products(valid.astype(np.float64)), 1.0)
    covariance = _products(along) / pairs
    own = covariance[:, 0] - np.where(valid, noise, 0.0).sum(axis=1) / pairs[:, 0]
    error = covariance[:, :1] / np.sqrt(pairs[:, :1])
    moving = own > _SURE * np.sqrt(2.0) * error[:, 0]
    remembered = covariance[:, 1:] > np.maximum(_SURE * error, _LEAST * own[:, None])
    standing = np.logical_and.accumulate(remembered, axis=1)
    share = np.minimum(covariance[:, 1:] / np.where(moving, own, 1.0)[:, None], 1.0)
    return np.where(moving, 1.0 + 2.0 * np.where(standing, share, 0.0).sum(axis=1), 1.0)


def _along(roots: Floats, *, valid: Flags) -> Floats:
    """float64[D, W]: the roots less their mean, along the direction of most variance; 0 where a window is not valid."""
    weight = valid[:, :, None].astype(np.float64)
    mean = (roots * weight).sum(axis=1, keepdims=True) / np.maximum(weight.sum(axis=1, keepdims=True), 1.0)
    apart = (roots - mean) * weight
    _, directions = np.linalg.eigh(apart.transpose(0, 2, 1) @ apart)
    along: Floats = (apart @ directions[:, :, -1:])[:, :, 0]
    return along


def _products(series: Floats) -> Floats:
    """Σ x(t) x(t + l) of series float64[D, W] by lag l, up to half of its length."""
    windows = series.shape[1]
    spectrum = np.fft.rfft(series, n=2 * windows, axis=1)
    products: Floats = np.fft.irfft(np.abs(spectrum) ** 2, n=2 * windows, axis=1)[:, : windows // 2 + 1]
    return products
