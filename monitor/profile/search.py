"""A branchless search for many values in the edges of many columns at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def lower_bounds(values: Floats, *, starts: Integers, lengths: Integers | int, edges: Floats) -> Integers:
    """int64[n]: for each value the position in ``edges`` of the first edge not below it.

    Value i is looked for in ``edges[starts[i] : starts[i] + lengths[i]]``, ascending, whose last is +inf. All
    lengths lie in ``[2^b, 2^(b+1))`` for one b, which makes the search b + 1 equal steps for every value (Bentley,
    Programming Pearls, column 9): a third of the time of one that branches, where values come in no order.

    >>> edges = np.array([1.0, 2.0, np.inf])
    >>> lower_bounds(np.array([0.5, 2.0, 7.0]), starts=np.zeros(3, int), lengths=3, edges=edges).tolist()
    [0, 1, 2]
    """
    position = starts.astype(np.int64)
    if not len(values):
        return position
    longest = lengths if isinstance(lengths, int) else int(lengths[0])
    half = 1 << (longest.bit_length() - 1)
    position += (values > edges.take(position + (half - 1))) * (lengths - half)
    probe, above, step = np.empty_like(values), np.empty(len(values), np.bool_), np.empty(len(values), np.int64)
    half >>= 1
    while half:
        # Shifting the edges saves adding to every position; "clip" only skips a bounds check.
        edges[half - 1 :].take(position, out=probe, mode="clip")
        np.greater(values, probe, out=above)
        np.multiply(above, half, out=step)
        position += step
        half >>= 1
    return position


def search_groups(lengths: Integers) -> list[Integers]:
    """Positions of the columns that can be searched together: with as many cells, by power of two.

    >>> [group.tolist() for group in search_groups(np.array([1001, 3, 1, 2, 1024]))]
    [[2], [1, 3], [0], [4]]
    """
    bits = np.array([int(n).bit_length() for n in lengths], dtype=np.int64)
    return [np.flatnonzero(bits == b) for b in np.unique(bits)]
