"""How surprising a window is for one column, in nats: −ln of a p-value that its usual movement allows."""

from __future__ import annotations

import numpy as np
from scipy.special import gammaincc, gammaln, log_ndtr, ndtri

from monitor.alert.cells import Flags, Floats, Integers
from monitor.alert.movement import Movement

_LOG_2, _LOG_3, _LOG_6 = np.log(2.0), np.log(3.0), np.log(6.0)
_FAR = 200.0  # from here on the tail of chi-square is taken from its asymptotic series


def column_surprise(
    roots: Floats, *, noise: Floats, movement: Movement, shares: Floats, width: Integers, ordered: Flags
) -> Floats:
    """x = −ln min(3 P(χ²_{B−1} > T), 3B · 2Φ(−max |z_cell|), 6 · 2Φ(−max(|z_location|, |z_spread|))), float64[D, W].

    ``roots`` float64[D, W, B], ``noise`` float64[D, W], ``shares`` float64[D, B] of the reference, ``width``
    int64[D] the cells B of each column, ``ordered`` bool[D] columns that have a location. T is the squared
    length of w = Eᵀu/√(λ + ν), PSI/ν when nothing varies. The z look along one direction each: a single
    cell, a shift, a change of spread. Of two cells all three are the same, and x = −ln P(χ²₁ > T).
    """
    turned, spread = _turned(roots, noise=noise, movement=movement)
    log_p = log_chi2_tail((turned**2 / spread).sum(axis=2), np.maximum(width - 1, 1)[:, None])
    along = focused_directions(shares, width=width, ordered=ordered) @ movement.directions
    z = np.abs(_scores(turned, spread=spread, along=along))
    cells = _LOG_3 + np.log(np.maximum(width, 1))[:, None] + _LOG_2 + log_ndtr(-z[:, :-2].max(axis=1))
    shape = _LOG_6 + _LOG_2 + log_ndtr(-z[:, -2:].max(axis=1))
    focused = np.minimum(cells, np.where(ordered[:, None], shape, np.inf))
    best = np.where((width > 2)[:, None], np.minimum(_LOG_3 + log_p, focused), log_p)
    return np.maximum(-best, 0.0)


def focused_scores(
    roots: Floats, *, noise: Floats, movement: Movement, shares: Floats, width: Integers, ordered: Flags
) -> Floats:
    """z float64[D, B + 2, W] of windows along each focused direction (``focused_directions``), signed.

    z_a = (Eᵀa/√(λ + ν)) · w / |Eᵀa/√(λ + ν)|, standard normal in healthy windows; arguments as ``column_surprise``.
    """
    turned, spread = _turned(roots, noise=noise, movement=movement)
    along = focused_directions(shares, width=width, ordered=ordered) @ movement.directions
    return _scores(turned, spread=spread, along=along)


def _turned(roots: Floats, *, noise: Floats, movement: Movement) -> tuple[Floats, Floats]:
    """Eᵀu and λ + ν, float64[D, W, B]; λ is one of each column, or one of each of its windows."""
    variance = movement.variance
    return roots @ movement.directions, (variance if variance.ndim == 3 else variance[:, None, :]) + noise[:, :, None]


def _scores(turned: Floats, *, spread: Floats, along: Floats) -> Floats:
    pull = along @ (turned / spread).transpose(0, 2, 1)
    length = np.sqrt(along**2 @ (1.0 / spread).transpose(0, 2, 1))
    scores: Floats = pull / np.where(length > 0, length, np.inf)
    return scores


def focused_directions(shares: Floats, *, width: Integers, ordered: Flags) -> Floats:
    """Directions in the space of roots, float64[D, B + 2, B]: each single cell, then location and spread.

    A cell i pulls along (e_i − q)/√q, a shift along √q z and a spread along √q (z² − mean), z the normal
    scores of the cells; rows of cells that a column does not have, and of unordered columns, are 0.
    """
    cells = shares.shape[1]
    filled = np.arange(cells) < width[:, None]
    root_q = np.sqrt(np.where(filled, np.maximum(shares, 1e-12), 1.0))
    along = np.zeros((len(shares), cells + 2, cells))
    along[:, :cells] = np.where(filled, -shares / root_q, 0.0)[:, None, :] * filled[:, :, None]
    each = np.arange(cells)
    along[:, each, each] += np.where(filled, 1.0 / root_q, 0.0)
    middle = np.clip(np.cumsum(shares, axis=1) - 0.5 * shares, 1e-9, 1.0 - 1e-9)
    scores = np.where(filled & ordered[:, None], ndtri(middle), 0.0)
    squares = scores**2 - (shares * scores**2).sum(axis=1, keepdims=True)
    along[:, -2] = root_q * scores
    along[:, -1] = np.where(filled & ordered[:, None], root_q * squares, 0.0)
    return along


def share_surprise(roots: Floats, *, noise: Floats, variance: Floats) -> Floats:
    """x = −ln P(χ²₁ > v²/(λ + ν)) of two-cell tests: arrays of one shape in and out."""
    # χ²₁ is a normal's square, and its tail by the normal's costs a tenth of the incomplete gamma function's.
    log_p: Floats = _LOG_2 + log_ndtr(-np.sqrt(roots**2 / (variance + noise)))
    return np.maximum(-log_p, 0.0)


def log_chi2_tail(statistic: Floats, degrees: Floats | Integers) -> Floats:
    """ln P(χ²_f > T), also where the probability underflows (error below 1e-6 there).

    >>> round(float(log_chi2_tail(np.array([3.841458820694124]), np.array([1]))[0]), 6) == round(float(np.log(0.05)), 6)
    True
    """
    a, x = np.broadcast_arrays(np.asarray(degrees) / 2.0, statistic / 2.0)
    far = x > _FAR
    with np.errstate(divide="ignore"):
        near = np.log(gammaincc(a, np.where(far, 1.0, x)))
    if not far.any():
        return near
    # DLMF 8.11.2: Γ(a, x) ~ x^(a−1) e^−x (1 + (a−1)/x + (a−1)(a−2)/x² + …)
    y = np.where(far, x, 1.0)
    series = 1 + (a - 1) / y * (1 + (a - 2) / y * (1 + (a - 3) / y * (1 + (a - 4) / y)))
    asymptotic = (a - 1) * np.log(y) - y - gammaln(a) + np.log(np.where(far, series, 1.0))
    return np.where(far, asymptotic, near)
