"""The unseen names of smallest hash, with their counts: a bounded list that merges in any order.

A name among the 100 smallest hashes of all rows is among the 100 smallest of every part that has it, so its count
is complete whatever the parts were. A list of the first or of the most frequent names would not have that.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitor.profile.hashing import hash_strings

MAX_UNSEEN = 100
Unseen = dict[str, dict[str, int]]


def smallest(names: pa.Array, *, counts: NDArray[np.int64]) -> dict[str, int]:
    """The counts of the (at most 100) distinct names of smallest hash, by name.

    >>> len(smallest(pa.array([str(i) for i in range(500)]), counts=np.ones(500, int)))
    100
    """
    if len(names) > MAX_UNSEEN:
        hashes = hash_strings(names)
        near = np.flatnonzero(hashes <= np.partition(hashes, MAX_UNSEEN - 1)[MAX_UNSEEN - 1])
        ranked = sorted(zip(hashes[near].tolist(), names.take(pa.array(near)).to_pylist(), near.tolist(), strict=True))
        kept = pa.array([row for _, _, row in ranked[:MAX_UNSEEN]], pa.int64())
        names, counts = names.take(kept), counts[kept.to_numpy()]
    return dict(sorted(zip(names.to_pylist(), counts.tolist(), strict=True)))


def add_names(a: dict[str, int], b: dict[str, int]) -> dict[str, int]:
    """The names of both, counts added, cut to the 100 of smallest hash.

    >>> add_names({"x": 1}, {"x": 2, "y": 1})
    {'x': 3, 'y': 1}
    """
    added = {name: a.get(name, 0) + b.get(name, 0) for name in sorted({*a, *b})}
    if len(added) <= MAX_UNSEEN:
        return added
    return smallest(pa.array(list(added), pa.string()), counts=np.fromiter(added.values(), np.int64, len(added)))


def merge_unseen(a: Unseen, b: Unseen) -> Unseen:
    """The unseen names of both sides, column by column."""
    return {column: add_names(a.get(column, {}), b.get(column, {})) for column in sorted({*a, *b})}
