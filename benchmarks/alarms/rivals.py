"""What people use: fixed PSI, KS p-values, mean ± 3σ of reference chunks; as used, and re-tuned to a given rate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import kstwobign


@dataclass(frozen=True, kw_only=True)
class Rival:
    """``statistic`` float64[W] of windows against a history; an alarm is above ``used``, as people set it."""

    name: str
    statistic: object
    used: object


def psi(windows, *, reference):
    """float64[W, D] of windows (or of a history's) on the cells the reference has, half a row added to each count."""
    cells, whole = windows.cells, reference.cells
    there = whole > 0
    p = (cells + 0.5) / (cells + 0.5 * there).sum(axis=2, keepdims=True)
    q = (whole + 0.5) / (whole + 0.5 * there).sum(axis=1, keepdims=True)
    return np.where(there, (p - q) * np.log(p / q), 0.0).sum(axis=2)


def ks(windows, *, reference):
    """float64[W, D]: −ln p of the two-sample statistic at the cells' edges (asymptotic law)."""
    cells, whole = windows.cells, reference.cells
    n, m = np.maximum(cells.sum(axis=2), 1.0), np.maximum(whole.sum(axis=1), 1.0)
    distance = np.abs(cells.cumsum(axis=2) / n[:, :, None] - whole.cumsum(axis=1) / m[:, None]).max(axis=2)
    return -kstwobign.logsf(distance * np.sqrt(n * m / (n + m)))


def highest_psi(history, windows):
    """The highest PSI of the columns."""
    return psi(windows, reference=history.reference).max(axis=1)


def lowest_p(history, windows):
    """−ln of the lowest KS p-value of the columns."""
    return ks(windows, reference=history.reference).max(axis=1)


def chunk_sigmas(history, windows):
    """The most standard deviations by which a column's PSI is above the mean of the reference's own chunks.

    Chunks are the history's windows, held against the whole reference, as monitoring libraries do.
    """
    usual = psi(history, reference=history.reference)
    spread = np.maximum(usual.std(axis=0, ddof=1), 1e-12)
    return ((psi(windows, reference=history.reference) - usual.mean(axis=0)) / spread).max(axis=1)


def rivals():
    """Every rival; ``used`` gives the bound from the number of columns."""
    return (
        Rival(name="PSI > 0.2", statistic=highest_psi, used=lambda columns: 0.2),
        Rival(name="PSI > 0.1", statistic=highest_psi, used=lambda columns: 0.1),
        Rival(name="KS p < 0.05", statistic=lowest_p, used=lambda columns: -np.log(0.05)),
        Rival(name="KS, Bonferroni", statistic=lowest_p, used=lambda columns: -np.log(0.05 / columns)),
        Rival(name="mean ± 3σ of chunks", statistic=chunk_sigmas, used=lambda columns: 3.0),
    )


def tuned(found, *, apart, episodes):
    """The bound at which statistics float64[W] of healthy windows have at most so many episodes."""
    order = np.argsort(-found, kind="stable")
    free = np.ones(len(found), dtype=bool)
    peaks = []
    for position in order:
        if free[position]:
            peaks.append(found[position])
            free[max(position - apart, 0) : position + apart + 1] = False
        if len(peaks) > episodes:
            break
    return float(peaks[-1])
