"""The usual movement: along which directions, and how far, a column moves with nothing wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monitor.alert.cells import Flags, Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """Directions E float64[D, B, B] (in columns) and the variance λ float64[D, B] along each, beyond noise.

    λ is float64[D, W, B] where each of W windows has its own.
    """

    directions: Floats
    variance: Floats

    def covariance(self) -> Floats:
        """E diag(λ) Eᵀ, float64[D, B, B]."""
        return (self.directions * self.variance[:, None, :]) @ self.directions.transpose(0, 2, 1)


def usual_movement(roots: Floats, *, noise: Floats, valid: Flags, shares: Floats) -> Movement:
    """The movement of healthy windows: S = mean(u uᵀ) − ν̄ (I − √q √qᵀ) taken apart, one standard error added.

    ``roots`` float64[D, W, B] of each window against a reference that does not contain it, ``noise``
    float64[D, W], ``valid`` bool[D, W] the windows that count, ``shares`` float64[D, B] of the reference.
    Negative variances are 0. The standard error √(2/K)(λ + ν̄) is what K windows leave unknown.
    """
    weight = valid.astype(np.float64)
    counted = np.maximum(weight.sum(axis=1), 1.0)
    used = np.where(valid[:, :, None], roots, 0.0)
    mean_noise = np.where(valid, noise, 0.0).sum(axis=1) / counted
    root_q = np.sqrt(shares)
    expected = np.eye(shares.shape[1]) - root_q[:, :, None] * root_q[:, None, :]
    squares = used.transpose(0, 2, 1) @ used / counted[:, None, None]
    variance, directions = np.linalg.eigh(squares - mean_noise[:, None, None] * expected)
    kept = np.maximum(variance, 0.0)
    error = np.sqrt(2.0 / counted)[:, None] * (kept + mean_noise[:, None])
    # Nothing is known, and nothing is added, where no window counted.
    return Movement(directions=directions, variance=np.where(valid.any(axis=1, keepdims=True), kept + error, 0.0))


def share_variance(roots: Floats, *, noise: Floats, valid: Flags) -> Floats:
    """λ of two-cell tests, float64[T, D], from roots of windows float64[W, T, D]: as ``usual_movement``."""
    weight = valid.astype(np.float64)
    counted = np.maximum(weight.sum(axis=0), 1.0)
    mean_noise = np.where(valid, noise, 0.0).sum(axis=0) / counted
    kept = np.maximum(np.where(valid, roots**2, 0.0).sum(axis=0) / counted - mean_noise, 0.0)
    return np.where(valid.any(axis=0), kept + np.sqrt(2.0 / counted) * (kept + mean_noise), 0.0)


def pooled_movement(movement: Movement, *, onto: Floats, shares: Floats, pooled_shares: Floats) -> Movement:
    """The movement in pooled cells, ``onto`` 0/1 float64[D, B, B]: by u' ≈ Rᵀu, R = √q onto /√q'."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.sqrt(shares)[:, :, None] * onto / np.sqrt(pooled_shares)[:, None, :]
    turn = np.nan_to_num(ratio, nan=0.0, posinf=0.0)
    variance, directions = np.linalg.eigh(turn.transpose(0, 2, 1) @ movement.covariance() @ turn)
    return Movement(directions=directions, variance=np.maximum(variance, 0.0))
