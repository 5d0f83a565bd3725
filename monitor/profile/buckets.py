"""A bucket table over the edges of one column: how a million values find their cells in a few milliseconds.

A key never falls as values rise, whatever the rounding. So a value lies above every edge of an earlier bucket and
below every edge of a later one, and only where its own bucket holds edges is it compared with them: exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monitor.profile.search import Floats, Integers, lower_bounds

ROUNDS = 2  # edges of one bucket that are compared one by one; an atom has two
_SIZES = (4_096, 65_536)
_ROUNDING = 2.0**52  # added to a smaller number, the last bits of the float are that number, rounded
_ROUNDING_BITS = int(np.float64(_ROUNDING).view(np.int64))
_GOOD = 2.0  # the cost below which no larger table is tried
_COMPARE_COST = 0.3
_SEARCH_COST = 8.0  # of a value in a crowded bucket; both in units of looking one value up


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearKey:
    """Equal steps of the value: ``(v - low) · scale``."""

    low: float
    scale: float
    size: int

    def of(self, values: Floats, *, inside: bool = False) -> Integers:
        """int64[n]: the bucket of each value, 0 to size - 1; quicker where all are known to lie ``inside``."""
        with np.errstate(over="ignore"):  # the far end of a float's range: clipped
            scaled = values - self.low
            scaled *= self.scale
        if not inside:
            np.clip(scaled, 0, self.size - 1, out=scaled)
        scaled += _ROUNDING
        buckets: Integers = scaled.view(np.int64)
        buckets -= _ROUNDING_BITS
        return buckets

    def covers(self, low: float, high: float) -> bool:
        """Whether values from ``low`` to ``high`` have their buckets without clipping; Python's floats do not warn."""
        return (low - self.low) * self.scale >= 0.0 and (high - self.low) * self.scale <= self.size - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ExponentKey:
    """Equal steps of the order-preserving integer view of the float, so many an octave: for heavy tails."""

    low: int
    shift: int
    size: int

    def of(self, values: Floats, *, inside: bool = False) -> Integers:
        """int64[n]: the bucket of each value, 0 to size - 1; quicker where all are known to lie ``inside``."""
        ordered = ordered_bits(values)
        ordered >>= self.shift
        if not inside:
            np.clip(ordered, self.low, self.low + self.size - 1, out=ordered)  # before subtracting: it could wrap
        ordered -= self.low
        return ordered

    def covers(self, low: float, high: float) -> bool:
        """Whether values from ``low`` to ``high`` have their buckets without clipping."""
        bottom, top = (ordered_bits(np.array([low, high])) >> self.shift).tolist()
        return bool(self.low <= bottom and top < self.low + self.size)


Key = LinearKey | ExponentKey


def ordered_bits(values: Floats) -> Integers:
    """int64[n]: the bits of each float, so that integers compare as the floats do (no negative zeros).

    >>> ordered_bits(np.array([-2.0, -1e-300, 0.0, 3.0])).argsort().tolist()
    [0, 1, 2, 3]
    """
    bits = values.view(np.int64)
    ordered: Integers = (bits >> 63) & np.int64(0x7FFFFFFFFFFFFFFF)
    ordered ^= bits
    return ordered


@dataclass(frozen=True, slots=True, kw_only=True)
class Buckets:
    """``first`` int64[size + 1]: bucket b holds the edges ``first[b]`` to ``first[b + 1]``; +inf ends ``edges``."""

    key: Key
    edges: Floats
    first: Integers
    most: int  # edges in the fullest bucket
    cost: float

    def cells(self, values: Floats, *, low: float = -np.inf, high: float = np.inf) -> Integers:
        """int64[n]: the cell of each value, as ``np.searchsorted(edges, values)`` gives it.

        No value lies below ``low`` or above ``high``: telling makes it quicker.
        """
        keys = self.key.of(values, inside=self.key.covers(low, high))
        cells = self.first.take(keys, mode="clip")  # "clip" only skips a bounds check
        if self.most > ROUNDS:
            keys += 1
            held = self.first.take(keys, mode="clip")
            held -= cells
            rows = np.flatnonzero(held > ROUNDS)
            cells[rows] = lower_bounds(
                values[rows], starts=np.zeros(len(rows), np.int64), lengths=len(self.edges), edges=self.edges
            )
        for _ in range(min(self.most, ROUNDS)):
            cells += values > self.edges.take(cells, mode="clip")
        return cells


def make_buckets(edges: Floats) -> Buckets:
    """The cheapest table for at least one edge, float64[k]; edges are taken for quantiles of what is counted."""
    best: Buckets | None = None
    for size in _SIZES:
        for key in _keys(edges, size=size):
            made = _buckets(edges, key=key)
            best = made if best is None or made.cost < best.cost else best
        if best is not None and best.cost < _GOOD:
            break
    if best is None:
        raise ValueError("a bucket table needs an edge")
    return best


def _keys(edges: Floats, *, size: int) -> list[Key]:
    """Keys over all edges and over the middle 98 % of them; what lies outside falls into the outer buckets."""
    keys: list[Key] = []
    for trim in dict.fromkeys((0, len(edges) // 100)):
        low, high = float(edges[trim]), float(edges[-1 - trim])
        if low < high and np.isfinite(high - low):
            keys.append(LinearKey(low=low, scale=min(size / (high - low), 1e300), size=size))
        bottom, top = ordered_bits(np.array([low, high])).tolist()
        shift = max((top - bottom).bit_length() - (size.bit_length() - 1), 0)
        keys.append(ExponentKey(low=bottom >> shift, shift=shift, size=size))
    return keys


def _buckets(edges: Floats, *, key: Key) -> Buckets:
    held = np.bincount(key.of(edges), minlength=key.size)
    most, crowded = int(held.max()), float(held[held > ROUNDS].sum()) / len(edges)
    return Buckets(
        key=key, edges=np.append(edges, np.inf), first=np.concatenate(([0], np.cumsum(held, dtype=np.int64))),
        most=most, cost=1.0 + _COMPARE_COST * min(most, ROUNDS) + _SEARCH_COST * crowded,
    )  # fmt: skip
