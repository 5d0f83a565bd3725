"""Episodes, their intervals, and how soon a shift is found."""

from __future__ import annotations

import numpy as np
from scipy.stats import chi2


def episodes(over, *, apart):
    """The positions at which episodes begin: windows over the bound, merged when at most ``apart`` lie between."""
    positions = np.flatnonzero(over)
    if not len(positions):
        return positions
    return positions[np.concatenate([[True], np.diff(positions) > apart])]


def rate_interval(count, *, months):
    """The exact 95 % interval of a Poisson rate a month (Garwood 1936, Biometrika 28, 437-442).

    >>> [round(float(x), 2) for x in rate_interval(4, months=2)]
    [0.54, 5.12]
    """
    low = chi2.ppf(0.025, 2 * count) / 2 if count else 0.0
    return low / months, chi2.ppf(0.975, 2 * (count + 1)) / 2 / months


def delay(over, *, onset):
    """Windows from the onset to the first over the bound, itself counted; inf where none is."""
    found = np.flatnonzero(over[onset:])
    return float(found[0] + 1) if len(found) else np.inf
