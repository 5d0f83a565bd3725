"""How many values lie in each right-closed cell of one column: by search for few values, by buckets for many.

Both are exact; ``benchmarks/counting.py`` holds them against searching and sorting.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monitor.profile.buckets import Buckets, make_buckets
from monitor.profile.search import Floats, Integers

SEARCH_BELOW = 8_192  # fewer values than this are searched: a table would not pay
BLOCK = 32_768  # values worked on at a time: their temporaries stay in the second-level cache


@dataclass(frozen=True, slots=True, kw_only=True)
class CellCounter:
    """Counts values into the cells of the edges float64[k]; without ``buckets`` each value is searched."""

    edges: Floats
    buckets: Buckets | None

    def __call__(self, values: Floats, *, low: float = -np.inf, high: float = np.inf) -> Integers:
        """int64[k + 1]: how many of the finite values float64[n] lie in each cell.

        None of them lies below ``low`` or above ``high``: telling makes it quicker.
        """
        if not len(self.edges):
            return np.array([len(values)], np.int64)
        if self.buckets is None:
            cells = self.edges.searchsorted(values)
        else:
            cells = self.buckets.cells(values, low=low, high=high)
        return np.bincount(cells, minlength=len(self.edges) + 1).astype(np.int64, copy=False)


def cell_counter(edges: Floats, *, values: int) -> CellCounter:
    """A counter for that many values in all."""
    return CellCounter(edges=edges, buckets=make_buckets(edges) if len(edges) and values >= SEARCH_BELOW else None)


def count_cells(values: Floats, *, edges: Floats) -> Integers:
    """int64[k + 1]: how many of the finite values float64[n] lie in each cell of the edges float64[k].

    >>> count_cells(np.array([0.0, 1.0, 1.0, 5.0]), edges=np.array([0.0, 1.0])).tolist()
    [1, 2, 1]
    """
    counter = cell_counter(edges, values=len(values))
    counts = np.zeros(len(edges) + 1, np.int64)
    for start in range(0, len(values), BLOCK):
        counts += counter(values[start : start + BLOCK] + 0.0)  # no negative zeros
    return counts
