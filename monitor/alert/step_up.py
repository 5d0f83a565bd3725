"""How many columns have drifted: each threshold a little lower than the last, where many move, few do by chance."""

from __future__ import annotations

import numpy as np

from monitor.alert.cells import Floats


def step_up(log_p: Floats, *, limit: float) -> float:
    """The −ln p above which tests count as drifted, of their −ln p float64[…] (nan: not judged).

    ``limit`` is the −ln p at which one test alone is drifted. The k smallest p are, with the largest k for which the
    k-th is within k times that of one alone: the step-up procedure of Benjamini and Hochberg (1995, J. R. Stat. Soc. B
    57, 289–300). The expected false share of what it calls drifted is at most tests · e^−limit where tests are
    independent or positively dependent (Benjamini and Yekutieli 2001, Ann. Stat. 29, 1165–1188).

    >>> p = np.array([0.001, 0.009, 0.02, 0.7])
    >>> bool(np.isclose(np.exp(-step_up(-np.log(p), limit=-np.log(0.01))), 0.03))
    True
    """
    ranked = np.sort(log_p[~np.isnan(log_p)], axis=None)[::-1]
    limits = limit - np.log(np.arange(1, len(ranked) + 1))
    within = np.flatnonzero(ranked > limits)
    return float(limits[within[-1]]) if len(within) else limit
