"""A small gradient booster: squared loss, depth 4, grown on histograms of binned columns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monitor.performance.binning import CODES, Codes
from monitor.performance.forest import DEPTH, LEAVES, NO_SPLIT, NODES, Forest, leaves

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

TREES = 100
LEARNING_RATE = 0.1
LEAST_LEAF = 20
PATIENCE = 10  # trees without a better held-out error after which growing ends
MOST_ROWS = 1 << 16
_NOTHING = 1e-290  # a residual that is none: steps of it would overflow
_COUNT = float(1 << 36)  # one row's weight beside its residual in the packed sums
_STEPS = float(1 << 19)  # of the largest residual: 2^16 rows of them stay within half of _COUNT, all within 53 bits


def boost(codes: Codes, *, target: Floats, held_out: Codes, held_out_target: Floats, trees: int = TREES) -> Forest:
    """The forest that lessens the squared error of ``target`` float64[n] from codes uint8[F, n], n ≤ 65,536.

    Trees are fitted one after the other to what is left, each by a tenth; growing ends when 10 in a row did not
    lessen the error on the held-out rows, and those after the best are dropped. Source: Friedman (2001), Ann. Statist.
    29(5); on histograms, the larger child's by subtraction: Ke et al. (2017), LightGBM, NeurIPS; as
    ``sklearn.ensemble.HistGradientBoostingRegressor(max_depth=4, max_bins=64)``. ``ValueError`` for more rows.
    """
    if len(target) > MOST_ROWS:
        raise ValueError(f"{len(target)} rows: expected at most {MOST_ROWS}, whose sums are exact; draw fewer")
    base = float(target.mean())
    left, held = target - base, held_out_target - base
    grown: list[tuple[NDArray[np.int16], Codes, Floats]] = []
    best, best_trees = float(held @ held), 0
    for _ in range(trees):
        feature, threshold, leaf = _grow(codes, residual=left)
        counts = np.bincount(leaf, minlength=LEAVES)
        value = LEARNING_RATE * np.bincount(leaf, left, LEAVES) / np.maximum(counts, 1)
        left = left - value[leaf]
        held = held - value[leaves(held_out, feature=feature, threshold=threshold)]
        grown.append((feature, threshold, value))
        error = float(held @ held)
        if error < best:
            best, best_trees = error, len(grown)
        elif len(grown) - best_trees >= PATIENCE:
            break
    kept = grown[:best_trees]
    return Forest(
        base=base,
        feature=np.array([f for f, _, _ in kept], np.int16).reshape(-1, NODES),
        threshold=np.array([t for _, t, _ in kept], np.uint8).reshape(-1, NODES),
        value=np.array([v for _, _, v in kept], np.float64).reshape(-1, LEAVES),
    )


def _grow(codes: Codes, *, residual: Floats) -> tuple[NDArray[np.int16], Codes, Integers]:
    """One tree's features and thresholds by node, and the leaf of each row int64[n]."""
    n = len(residual)
    feature, threshold = np.zeros(NODES, np.int16), np.full(NODES, NO_SPLIT, np.uint8)
    largest = float(np.abs(residual).max(initial=0.0))
    scale = _STEPS / largest if largest > _NOTHING else 0.0
    packed = np.rint(residual * scale) + _COUNT
    node, rows = np.zeros(n, np.int64), np.arange(n)
    sums = _histograms(codes, packed=packed, node=node, nodes=1)
    for level in range(DEPTH):
        nodes, first = 1 << level, (1 << level) - 1
        chosen, at, left_rows, all_rows = _splits(sums)
        feature[first : first + nodes], threshold[first : first + nodes] = chosen, at
        node = 2 * node + (codes[chosen[node], rows] > at[node])
        if level + 1 < DEPTH:
            smaller = np.where(2 * left_rows <= all_rows, 0, 1)
            in_smaller = np.flatnonzero((node & 1) == smaller[node >> 1])
            small = _histograms(
                codes[:, in_smaller], packed=packed[in_smaller], node=node[in_smaller] >> 1, nodes=nodes
            )
            both = np.stack((small, sums - small), axis=1)
            both[smaller == 1] = both[smaller == 1, ::-1]
            sums = both.reshape(2 * nodes, *sums.shape[1:])
    return feature, threshold, node


def _histograms(codes: Codes, *, packed: Floats, node: Integers, nodes: int) -> Floats:
    """float64[nodes, F, 65]: by node, column and bin the sum of the packed residuals.

    A residual in whole steps and the number 1 share one float64, so that one pass sums both, exactly: quantised
    residuals as in Shi et al. (2022), NeurIPS.
    """
    place = node * CODES
    each = [np.bincount(place + column, packed, nodes * CODES).reshape(nodes, CODES) for column in codes]
    return np.stack(each, axis=1)


def _splits(sums: Floats) -> tuple[Integers, Codes, Integers, Integers]:
    """The best split of each node by its histograms: column, threshold, rows left of it, all rows.

    The gain is S_l²/n_l + S_r²/n_r − S²/n; sides of under 20 rows are not looked at.
    """
    running = np.cumsum(sums, axis=2)
    total = running[:, :1, -1:]
    count = np.rint(running / _COUNT)
    count_all = np.rint(total / _COUNT)
    left = running - count * _COUNT
    all_sum = total - count_all * _COUNT
    right_count, right = count_all - count, all_sum - left
    allowed = (count >= LEAST_LEAF) & (right_count >= LEAST_LEAF)
    gain = left**2 / np.maximum(count, 1.0) + right**2 / np.maximum(right_count, 1.0)
    gain -= all_sum**2 / np.maximum(count_all, 1.0)
    gain = np.where(allowed, gain, 0.0).reshape(len(sums), -1)
    best = gain.argmax(axis=1)
    found = gain[np.arange(len(sums)), best] > 0.0
    every = count_all[:, 0, 0].astype(np.int64)
    column = np.where(found, best // CODES, 0)
    threshold = np.where(found, best % CODES, NO_SPLIT).astype(np.uint8)
    left_rows = np.where(found, count.reshape(len(sums), -1)[np.arange(len(sums)), best], every).astype(np.int64)
    return column, threshold, left_rows, every
