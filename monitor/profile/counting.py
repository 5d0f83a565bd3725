"""How many values lie in each right-closed cell of one column: by search for few values, by buckets for many.

Both are exact; ``benchmarks/counting.py`` holds them against searching and sorting.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from monitor.profile.buckets import make_buckets
from monitor.profile.search import Floats, Integers

SEARCH_BELOW = 8_192  # fewer values than this are searched: a table would not pay
BLOCK = 32_768  # values worked on at a time: their temporaries stay in the second-level cache

Counter = Callable[[Floats], Integers]


def cell_counter(edges: Floats, *, values: int) -> Counter:
    """A function from finite values float64[n] to their counts int64[k + 1], made for that many values in all."""
    cells = len(edges) + 1
    if not len(edges):
        return lambda part: np.array([len(part)], np.int64)
    if values < SEARCH_BELOW:
        return lambda part: np.bincount(edges.searchsorted(part), minlength=cells).astype(np.int64, copy=False)
    buckets = make_buckets(edges)
    return lambda part: np.bincount(buckets.cells(part), minlength=cells)


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
