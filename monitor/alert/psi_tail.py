"""The tail of PSI with nothing wrong: chi-square's, corrected where cells hold few rows."""

from __future__ import annotations

import numpy as np

from monitor.alert.cells import Floats, Integers
from monitor.alert.psi_tail_table import CELLS, EXCESS, EXPECTED, LEVELS
from monitor.alert.surprise import log_chi2_tail

_EXCESS = np.array(EXCESS)  # [cells, expected, level]
_INVERSE = 1.0 / np.array(EXPECTED, dtype=float)


def log_psi_tail(statistic: Floats, *, cells: Integers, expected: Floats) -> Floats:
    """ln P(PSI/ν > statistic) of B ``cells`` of which the smallest expects so many rows: arrays float64[D].

    Chi-square with B − 1 degrees promises too little in the far tail (1.4 times at 1e-4, twice at 1e-5 with ten
    cells of 20 rows); what it lacks is tabulated by exact convolution (benchmarks/psi_tail_table.py),
    linear in 1/rows and in the level, and goes on at its last slope beyond 1e-10.

    >>> chi2 = log_chi2_tail(np.array([33.7]), np.array([9]))
    >>> excess = log_psi_tail(np.array([33.7]), cells=np.array([10]), expected=np.array([20.0])) - chi2
    >>> round(float(np.exp(excess)[0]), 1)
    1.4
    """
    log_p = log_chi2_tail(statistic, np.maximum(cells - 1, 1))
    rows = np.clip(cells, CELLS[0], CELLS[-1]) - CELLS[0]
    few = np.clip(1.0 / np.maximum(expected, EXPECTED[0]), 0.0, _INVERSE[0])
    level = np.maximum(-log_p / np.log(10.0), 0.0)
    at = np.clip(np.searchsorted(LEVELS, level) - 1, 0, len(LEVELS) - 2)
    part = (level - np.array(LEVELS)[at]) / (np.array(LEVELS)[at + 1] - np.array(LEVELS)[at])
    curve = _between_rows(rows, few=few)
    column = np.arange(len(statistic))
    excess = curve[column, at] * (1 - part) + curve[column, at + 1] * part
    known = (cells >= CELLS[0]) & (level > LEVELS[0])
    return np.minimum(np.where(known, log_p + np.maximum(excess, 0.0), log_p), 0.0)


def _between_rows(rows: Integers, *, few: Floats) -> Floats:
    """The excess at every level, float64[D, levels], linear in 1/rows; none where rows are endless."""
    grid = np.append(_INVERSE, 0.0)[::-1]
    table = np.concatenate([_EXCESS, np.zeros_like(_EXCESS[:, :1])], axis=1)[:, ::-1]
    above = np.clip(np.searchsorted(grid, few, side="right"), 1, len(grid) - 1)
    part = ((few - grid[above - 1]) / (grid[above] - grid[above - 1]))[:, None]
    mixed: Floats = table[rows, above - 1] * (1 - part) + table[rows, above] * part
    return mixed
