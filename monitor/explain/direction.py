"""Which way a column went: up or down, wider or narrower, one value or category, or a share of its rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from monitor.alert.cells import SHARES, Floats, Integers
from monitor.explain.amounts import number_text
from monitor.explain.sides import Sides, cell_scores, usual_variance

Kind = Literal[
    "location", "spread", "value", "range", "category", "out_of_range", "missing", "invalid", "unseen", "gone", "rows",
    "performance", "same",
]  # fmt: skip
SHARE_KINDS: dict[str, Kind] = {"missing": "missing", "invalid": "invalid", "unseen": "unseen"}
ONE_CELL = 0.6  # of all that moved: then it is that one value or category
ONE_SIDE = 0.25  # the distribution functions cross by less than this share of their distance: all went one way
_CERTAIN = 5.0  # standard errors by which the share of one value among a thousand must have moved


@dataclass(frozen=True, slots=True, kw_only=True)
class Direction:
    """Where to: ``change`` is one of higher, lower, wider, narrower, more, less, above, below, both, fewer, worse.

    ``of`` is the category or value, ``cell`` its layout cell within the column (−1: none).
    """

    kind: Kind
    change: str = ""
    of: str = ""
    cell: int = -1

    def to_json(self) -> dict[str, Any]:
        """The direction as JSON values."""
        shape = {"kind": self.kind, "change": self.change}
        return shape | ({"of": self.of} if self.of else {})


def find_direction(sides: Sides, *, column: int, test: str) -> Direction:
    """The direction of a column under the test that found it (``psi`` for any distance of distributions)."""
    if test == "out_of_range":
        below, above = _outside(sides, column=column)
        change = "both" if below and above and min(below, above) >= ONE_SIDE * max(below, above) else (
            "below" if below > above else "above"
        )  # fmt: skip
        return Direction(kind="out_of_range", change=change)
    if test in SHARE_KINDS:
        return _more_or_less(sides, column=column, test=test)
    reference, current = sides.counts(column)
    if not reference.any() or not current.any():
        return Direction(kind="same")
    if sides.layout.columns[column].edges is None:
        return _category(sides, column=column)
    return _value(sides, column=column) or _one_way(reference, current) or _by_scores(sides, column=column)


def shares_of(counts: Integers) -> Floats:
    """Shares of counts, float64[cells]; 0 where there are none."""
    shares: Floats = counts / max(int(counts.sum()), 1)
    return shares


def _outside(sides: Sides, *, column: int) -> tuple[int, int]:
    """How many values of the window lie below and above everything in the reference."""
    _, current = sides.counts(column)
    return int(current[0]), int(current[-1])


def share_sides(sides: Sides, *, column: int, test: str) -> tuple[float, float]:
    """The share of a two-cell test, of the reference and of the window."""
    row = SHARES.index(test)
    pairs = ((side.hits[row, column], side.sizes[row + 1, column]) for side in (sides.baseline, sides.now))
    reference, current = (float(hits / max(size, 1.0)) for hits, size in pairs)
    return reference, current


def _more_or_less(sides: Sides, *, column: int, test: str) -> Direction:
    reference, current = share_sides(sides, column=column, test=test)
    if reference == current:
        return Direction(kind="same")
    return Direction(kind=SHARE_KINDS[test], change="more" if current > reference else "less")


def _category(sides: Sides, *, column: int) -> Direction:
    """The category whose share moved furthest in units of its usual movement."""
    moved = category_moves(sides, column=column)
    best = int(np.abs(moved).argmax())
    name = category_name(sides, column=column, cell=best)
    return Direction(kind="category", change="more" if moved[best] > 0 else "less", of=name, cell=best)


def category_moves(sides: Sides, *, column: int) -> Floats:
    """The step of each category's share, float64[cells], in units of what sampling and its usual movement bring.

    (p − q)/√(q (ν + S)), q of both sides together, S of the judged cell that the category is in.
    """
    reference, current = sides.counts(column)
    m, n = int(reference.sum()), int(current.sum())
    pooled = (reference + current + 0.5) / (m + n + 0.5 * len(reference))
    begin = int(sides.layout.offsets[column])
    groups = sides.judged.group[begin : begin + len(reference)].tolist()
    by_group = {group: usual_variance(sides, column=column, group=group) for group in set(groups)}
    usual = np.array([by_group[group] for group in groups])
    moves: Floats = (shares_of(current) - shares_of(reference)) / np.sqrt(pooled * (1.0 / m + 1.0 / n + usual))
    return moves


def category_name(sides: Sides, *, column: int, cell: int) -> str:
    """The name of a category's cell; of those that are not listed what they have in common."""
    described = sides.layout.columns[column]
    if cell == described.other_cell:
        return "(the rarer ones)"
    return "(new ones)" if cell == described.unseen_cell else described.categories[cell]


def _value(sides: Sides, *, column: int) -> Direction | None:
    """One value, where it alone took or lost most of what moved; None where no value did."""
    described = sides.layout.columns[column]
    if described.atoms is None or described.edges is None:
        return None
    reference, current = sides.counts(column)
    q, p = shares_of(reference), shares_of(current)
    moved = np.where(described.atoms, p - q, 0.0)
    best = int(np.abs(moved).argmax())
    pooled = (reference[best] + current[best] + 1.0) / (reference.sum() + current.sum() + 2.0)
    error = float(np.sqrt(pooled * (1.0 - pooled) * (1.0 / reference.sum() + 1.0 / current.sum())))
    if abs(moved[best]) < max(ONE_CELL * _all_that_moved(sides, column=column), _CERTAIN * error):
        return None
    text = number_text(float(described.edges[best]), digits=6)  # an atom is its cell's upper edge
    return Direction(kind="value", change="more" if moved[best] > 0 else "less", of=text, cell=best)


def _all_that_moved(sides: Sides, *, column: int) -> float:
    """The total variation between the judged cells: how much of the mass is elsewhere now."""
    q, p = (
        counts.cells[column] / max(float(counts.cells[column].sum()), 1.0) for counts in (sides.baseline, sides.now)
    )
    return float(0.5 * np.abs(p - q).sum())


def _one_way(reference: Integers, current: Integers) -> Direction | None:
    """Higher or lower, where the distribution functions do not cross (but for what sampling brings); else None."""
    below = np.cumsum(shares_of(reference)) - np.cumsum(shares_of(current))
    up, down = float(below.max(initial=0.0)), float(-below.min(initial=0.0))
    sampling = 0.8 * float(np.sqrt(1.0 / reference.sum() + 1.0 / current.sum()))
    if min(up, down) - sampling > ONE_SIDE * max(up, down) or max(up, down) <= 0.0:
        return None
    return Direction(kind="location", change="higher" if up > down else "lower")


def _by_scores(sides: Sides, *, column: int) -> Direction:
    """Location, spread or one range of values, whichever moved furthest in units of its usual movement."""
    z = cell_scores(sides, [sides.now], column=column)[:, 0]
    location, spread = float(z[-2]), float(z[-1])
    ways = [
        Direction(kind="location", change="higher" if location > 0 else "lower"),
        Direction(kind="spread", change="wider" if spread > 0 else "narrower"),
    ]
    best = max(zip((abs(location), abs(spread)), ways, strict=True), key=lambda pair: pair[0])
    inner = np.abs(z[1 : sides.pooled_cells(column) - 1])
    if len(inner) and inner.max() > best[0]:
        cell = 1 + int(inner.argmax())
        if _gained(sides, column=column, pooled=cell) >= ONE_CELL * _all_that_moved(sides, column=column):
            return _range(sides, column=column, pooled=cell, change="more" if z[cell] > 0 else "less")
    return best[1]


def _gained(sides: Sides, *, column: int, pooled: int) -> float:
    """How much of the mass a judged cell took or lost."""
    inside = cells_of(sides, column=column, pooled=pooled)
    q, p = (float(shares_of(counts)[inside].sum()) for counts in sides.counts(column))
    return abs(p - q)


def _range(sides: Sides, *, column: int, pooled: int, change: str) -> Direction:
    edges = sides.layout.columns[column].edges
    inside = cells_of(sides, column=column, pooled=pooled)
    low, high = inside[0], inside[-1]
    assert edges is not None  # noqa: S101 - a column of numbers
    text = f"{number_text(float(edges[low - 1]))} to {number_text(float(edges[high]))}"
    return Direction(kind="range", change=change, of=text, cell=low)


def cells_of(sides: Sides, *, column: int, pooled: int) -> list[int]:
    """The layout cells of a judged cell, ascending."""
    cells = range(sides.layout.columns[column].cells)
    return [cell for cell in cells if sides.pooled_cell(column, cell=cell) == pooled]
