"""How many values lie in each right-closed cell: exact, by search for few values, by buckets for many.

A bucket table cuts the range of the edges into 2^16 buckets by a monotone key. A bucket that holds no edge lies
inside one cell, so its values are counted by bucket; one that holds one or two edges is settled by comparing
with them; only in buckets with more are values searched. Monotone means: v ≤ w implies key(v) ≤ key(w), so every
edge in an earlier bucket is below v and every edge in a later one above it, whatever the rounding of the key.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

BUCKETS = 1 << 16
SEARCH_BELOW = 4_096  # fewer values than this are searched: a table would not pay
_CHUNK = 1 << 17  # values keyed at a time: the intermediate arrays stay in the cache

Key = Callable[[NDArray[np.float64]], NDArray[np.intp]]


def count_cells(values: NDArray[np.float64], *, edges: NDArray[np.float64]) -> NDArray[np.int64]:
    """int64[k + 1]: how many of the finite values float64[n] lie in each cell of the edges float64[k].

    >>> count_cells(np.array([0.0, 1.0, 1.5, 9.0]), edges=np.array([0.0, 1.0, 2.0])).tolist()
    [1, 1, 1, 1]
    """
    if len(edges) == 0:
        return np.array([len(values)], np.int64)
    if len(values) < SEARCH_BELOW:
        return np.bincount(np.searchsorted(edges, values), minlength=len(edges) + 1)
    return _table(edges.tobytes()).count(values)


@lru_cache(maxsize=256)
def _table(edges: bytes) -> BucketTable:
    return BucketTable(np.frombuffer(edges, np.float64))


class BucketTable:
    """The buckets over one column's edges; made once, used for every large batch."""

    def __init__(self, edges: NDArray[np.float64]) -> None:
        self.edges = edges
        self.key, crowding = _better_key(edges)
        starts = np.searchsorted(crowding, np.arange(BUCKETS))
        held = np.bincount(crowding, minlength=BUCKETS)
        self.base = starts.astype(np.intp)  # the cell of a value above every edge of earlier buckets
        self.held = np.minimum(held, 3).astype(np.uint8)
        padded = np.concatenate((edges, [np.inf, np.inf]))
        self.first = np.where(held >= 1, padded[starts], np.inf)
        self.second = np.where(held >= 2, padded[starts + 1], np.inf)

    def count(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        """int64[k + 1] for float64[n]."""
        cells = len(self.edges) + 1
        buckets = np.zeros(BUCKETS, np.int64)
        counts = np.zeros(cells, np.int64)
        for begin in range(0, len(values), _CHUNK):
            part = values[begin : begin + _CHUNK]
            key = self.key(part)
            held = self.held[key]
            buckets += np.bincount(key[held == 0] if held.any() else key, minlength=BUCKETS)
            near = np.flatnonzero((held == 1) | (held == 2))
            if len(near):
                value, bucket = part[near], key[near]
                settled = self.base[bucket] + (value > self.first[bucket]) + (value > self.second[bucket])
                counts += np.bincount(settled, minlength=cells)
            crowded = part[held == 3]
            if len(crowded):
                counts += np.bincount(np.searchsorted(self.edges, crowded), minlength=cells)
        return counts + np.bincount(self.base, weights=buckets, minlength=cells).astype(np.int64)


def _better_key(edges: NDArray[np.float64]) -> tuple[Key, NDArray[np.intp]]:
    """The key whose buckets are crowded by fewest edges: linear, linear over the middle, or by the float's bits.

    Edges are reference quantiles, so the share of crowded edges is about the share of values that are searched. The
    middle serves tails on both sides, the bits (equal buckets per octave) a tail on one.
    """
    trimmed = edges[len(edges) // 20 : len(edges) - len(edges) // 20]
    keys = (_linear_key(edges), _bit_key(edges), _linear_key(trimmed))
    crowding = [key(edges) for key in keys]
    crowded = [int((np.bincount(c, minlength=BUCKETS)[c] > 2).sum()) for c in crowding]
    best = int(np.argmin(crowded))
    return keys[best], crowding[best]


def _linear_key(edges: NDArray[np.float64]) -> Key:
    low, high = float(edges[0]), float(edges[-1])
    scale = (BUCKETS - 1) / (high - low) if high > low else np.inf
    if not 0 < scale < np.inf:  # a range too wide or too narrow for a float: one bucket, the other key is better
        return lambda values: np.zeros(len(values), np.intp)

    def key(values: NDArray[np.float64]) -> NDArray[np.intp]:
        clipped = np.clip(values, low, high)
        clipped -= low
        clipped *= scale
        return clipped.astype(np.intp)

    return key


def _bit_key(edges: NDArray[np.float64]) -> Key:
    low, high = (int(k) for k in _ordered(edges[[0, -1]]))
    shift = np.uint64(max((high - low).bit_length() - 16, 0))

    def key(values: NDArray[np.float64]) -> NDArray[np.intp]:
        ordered = np.clip(_ordered(values), np.uint64(low), np.uint64(high))
        return ((ordered - np.uint64(low)) >> shift).astype(np.intp)

    return key


def _ordered(values: NDArray[np.float64]) -> NDArray[np.uint64]:
    """The floats' bits as integers in the same order (negative ones reversed); −0.0 must be 0.0."""
    bits = np.ascontiguousarray(values + 0.0).view(np.uint64)
    flip = np.where(bits >> np.uint64(63), np.uint64(0xFFFFFFFFFFFFFFFF), np.uint64(0x8000000000000000))
    return bits ^ flip
