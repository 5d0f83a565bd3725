"""Pearson's chi-squared test of two samples of categories."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc

from monitor.drift.bins import Integers

LEAST_EXPECTED = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChiSquared:
    """The ``statistic``, its ``p_value`` and ``freedom``; ``pooled`` says how many bins were put together."""

    statistic: float
    p_value: float
    freedom: int
    pooled: int


def chi2(current: Integers, reference: Integers) -> ChiSquared | None:
    """The test on one column's bins int64[B]; None where fewer than two bins are left to compare.

    Bins in which either side expects fewer than 5 are pooled into one; no Yates correction.
    Source: Pearson (1900); Cochran (1954), Biometrics 10(4), for the 5; as ``scipy.stats.chi2_contingency``.

    >>> found = chi2(np.array([50, 50]), np.array([30, 70]))
    >>> round(found.statistic, 4), round(found.p_value, 5)
    (8.3333, 0.00389)
    """
    table = np.array([current, reference], dtype=np.float64)
    table = table[:, table.sum(axis=0) > 0]
    rare = _expected(table).min(axis=0, initial=np.inf) < LEAST_EXPECTED
    pooled = int(rare.sum())
    if pooled > 1:
        table = np.column_stack((table[:, ~rare], table[:, rare].sum(axis=1)))
    freedom = table.shape[1] - 1
    if freedom < 1 or not table.sum(axis=1).all():
        return None
    expected = _expected(table)
    statistic = float(((table - expected) ** 2 / expected).sum())
    return ChiSquared(statistic=statistic, p_value=float(chdtrc(freedom, statistic)), freedom=freedom, pooled=pooled)


def _expected(
    table: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.asarray(table.sum(axis=1, keepdims=True) * table.sum(axis=0, keepdims=True) / max(table.sum(), 1.0))
