"""Makes monitor/alert/psi_tail_table.py: how far the tail of PSI is above chi-square's, by cells and rows.

    .venv/bin/python benchmarks/psi_tail_table.py > monitor/alert/psi_tail_table.py

Exact up to the grid, no dice: n rows in B equally likely cells are B independent Poisson counts given their sum, so
the joint distribution of the sum and of n Σ (p − q) ln(p/q) (+½ in each cell) is a B-fold convolution, done by FFT.
The reference is taken as known (m → ∞), which is the heavier case.
"""

import numpy as np
from scipy.special import gammaln
from scipy.stats import chi2

CELLS = range(3, 11)
EXPECTED = (20, 30, 50, 100, 200, 500)  # rows a cell expects
LEVELS = (2, 3, 4, 5, 6, 7, 8, 9, 10)  # −log10 of chi-square's p
STEP, SPAN = 0.02, 100.0


def tail(cells, expected):
    """P(T > t) on the grid of ``STEP``, float64[SPAN / STEP]."""
    n = cells * expected
    spread = 12 * int(np.sqrt(expected)) + 12
    counts = np.arange(max(0, expected - spread), expected + 2 * spread)
    length = 1 << int(np.ceil(np.log2(24 * np.sqrt(n) + 64)))
    p, q = (counts + 0.5) / (n + cells / 2), 1 / cells
    statistic = n * (p - q) * np.log(p / q) / STEP
    mass = np.exp(counts * np.log(expected) - expected - gammaln(counts + 1))
    bins = int(2 * SPAN / STEP)
    joint = np.zeros((length, bins))
    low = np.minimum(statistic.astype(int), bins - 2)
    part = np.clip(statistic - low, 0.0, 1.0)
    np.add.at(joint, (counts % length, low), mass * (1 - part))
    np.add.at(joint, (counts % length, low + 1), mass * part)
    whole = np.fft.irfft2(np.fft.rfft2(joint) ** cells, s=joint.shape)[n % length]
    whole = np.maximum(whole, 0.0)[: int(SPAN / STEP)]
    return np.cumsum(whole[::-1])[::-1] / whole.sum()


def excess(cells, expected):
    """ln(true p / chi-square's p) at each level."""
    beyond = tail(cells, expected)
    at = chi2.isf(10.0 ** -np.array(LEVELS, dtype=float), cells - 1) / STEP
    low = at.astype(int)
    log_p = np.log(beyond[low]) * (1 - (at - low)) + np.log(beyond[low + 1]) * (at - low)
    return log_p + np.array(LEVELS) * np.log(10)


def main():
    print('"""ln(p of PSI / p of chi-square): made by benchmarks/psi_tail_table.py, not by hand."""\n')
    print(f"CELLS = {tuple(CELLS)}")
    print(f"EXPECTED = {EXPECTED}  # rows that the smallest cell expects")
    print(f"LEVELS = {LEVELS}  # −log10 of chi-square's p")
    print("EXCESS = (  # by cells, then by expected rows, then by level")
    for cells in CELLS:
        print("    (")
        for expected in EXPECTED:
            print("        (" + ", ".join(f"{v:.3f}" for v in excess(cells, expected)) + "),")
        print("    ),")
    print(")")


if __name__ == "__main__":
    main()
