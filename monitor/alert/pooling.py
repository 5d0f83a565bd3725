"""Cells pooled until each expects enough rows: how coarse a column is judged depends on its rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.alert.cells import GROUPS, Flags, Floats, Integers

EXPECTED = 20.0  # rows a cell must expect; below it the signed root's tails are too light or too heavy


@dataclass(frozen=True, slots=True, kw_only=True)
class Pooling:
    """L levels of pooling, finest first: for each the pooled cell of each group and what it asks for.

    ``member`` uint8[L, D, GROUPS], ``width`` int64[L, D] pooled cells, ``needs`` float64[L, D] the rows from
    which a level is used. The last level has at most two cells and is used whatever the rows.
    """

    member: NDArray[np.uint8]
    width: Integers
    needs: Floats

    def take(self, columns: Integers) -> Pooling:
        """The pooling of some columns."""
        return Pooling(member=self.member[:, columns], width=self.width[:, columns], needs=self.needs[:, columns])

    def level(self, rows: Floats) -> Integers:
        """int64[D, …]: the finest level for each column at its rows, float64[D, …]."""
        needs = self.needs.reshape(self.needs.shape + (1,) * (rows.ndim - 1))
        fits = rows[None] >= needs
        fits[-1] = True
        level: Integers = fits.argmax(axis=0)
        return level


def build_pooling(shares: Floats, *, width: Integers, ordered: Flags, designs: Floats) -> Pooling:
    """The levels for reference shares float64[D, GROUPS]: one for each row of ``designs`` float64[L − 1, D]
    (numbers of rows to pool for), and two cells.

    ``ordered`` columns (numbers) pool neighbours, the others their smallest cells.
    """
    levels = np.concatenate([-np.sort(-designs, axis=0), np.zeros((1, len(shares)))])
    member = np.zeros((len(levels), *shares.shape), dtype=np.uint8)
    cells = np.zeros((len(levels), len(shares)), dtype=np.int64)
    needs = np.zeros((len(levels), len(shares)))
    for d, row in enumerate(shares.tolist()):
        groups = [[i] for i in range(int(width[d]))]
        for level, rows in enumerate(levels[:, d].tolist()):
            groups = _pooled(groups, shares=row, rows=rows, ordered=bool(ordered[d]))
            for position, group in enumerate(groups):
                member[level, d, group] = position
            cells[level, d] = len(groups)
            least = min((sum(row[i] for i in group) for group in groups), default=0.0)
            needs[level, d] = EXPECTED / least if least > 0 else np.inf
    return Pooling(member=member, width=cells, needs=needs)


def pool(counts: Floats, *, member: NDArray[np.uint8]) -> Floats:
    """Counts float64[D, W, GROUPS] summed into the pooled cells of ``member`` uint8[D, GROUPS]."""
    onto = (member[:, :, None] == np.arange(GROUPS)).astype(np.float64)
    pooled: Floats = counts @ onto
    return pooled


def _pooled(groups: list[list[int]], *, shares: list[float], rows: float, ordered: bool) -> list[list[int]]:
    """The groups merged, the smallest first, until each expects ``EXPECTED`` of ``rows`` or two are left."""
    groups = list(groups)
    sums = [sum(shares[i] for i in group) for group in groups]
    while len(groups) > 2 and rows * min(sums) < EXPECTED:
        least = sums.index(min(sums))
        near = (least - 1, least + 1) if ordered else range(len(groups))
        other = min((i for i in near if i != least and 0 <= i < len(groups)), key=lambda i: sums[i])
        low, high = min(least, other), max(least, other)
        groups[low], sums[low] = groups[low] + groups[high], sums[low] + sums[high]
        del groups[high], sums[high]
    return groups
