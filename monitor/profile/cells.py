"""The cells of one numeric column, from its values, its distinct values and its range."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monitor.profile.layout import MAX_EDGES

MAX_DISTINCT = 1_000
ATOM_SHARE = 1 / 1_000
_MAX_ALL_EDGES = 2 * MAX_EDGES  # order statistics and atoms together: 2,001 cells

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def numeric_cells(values: Floats, *, distinct: Floats | None, low: float, high: float) -> tuple[Floats, Flags]:
    """Edges float64[k] and atoms bool[k + 1] from sampled values, the distinct values (or None) and the range.

    With the distinct values each is an atom v, between the edges (float below v, v). Else the edges are the
    values of rank i n / 1,000 and what holds more than 1/1,000 of the values is an atom. The range adds the float
    below ``low``, and ``high``.

    >>> numeric_cells(np.array([0.0, 0.0, 1.0]), distinct=np.array([0.0, 1.0]), low=0.0, high=1.0)[1].tolist()
    [False, True, False, True, False]
    """
    if distinct is not None:
        atoms, cuts = distinct, np.empty(0)
    else:
        ordered = np.sort(values + 0.0)
        ranks = np.ceil(np.arange(1, MAX_EDGES) * (len(ordered) / MAX_EDGES)).astype(np.int64) - 1
        cuts = np.append(ordered[ranks] if len(ordered) else ordered, [*_below(np.array([low])), high])
        atoms = _fitting(_frequent(ordered), cuts=cuts)
    edges = np.unique(np.concatenate((cuts, atoms, _below(atoms))))
    edges = edges[np.isfinite(edges)]  # below the lowest float there is nothing
    return edges, atoms_of(edges)


def atoms_of(edges: Floats) -> Flags:
    """bool[k + 1]: the cells ``(e[i-1], e[i]]`` that hold exactly one float.

    >>> atoms_of(np.array([np.nextafter(3.0, -np.inf), 3.0, 4.0])).tolist()
    [False, True, False, False]
    """
    atoms = np.zeros(len(edges) + 1, dtype=np.bool_)
    if len(edges):
        atoms[1:-1] = _below(edges[1:]) == edges[:-1]
        atoms[0] = edges[0] == -np.finfo(np.float64).max
    return atoms


def _below(values: Floats) -> Floats:
    """The next float below each; below the lowest, minus infinity."""
    with np.errstate(over="ignore"):
        return np.nextafter(values, -np.inf)


def _frequent(ordered: Floats) -> Floats:
    """The values that hold more than 1/1,000 of the ascending ones, the most frequent first, ties by value."""
    if not len(ordered):
        return ordered
    begins = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    counts = np.diff(np.append(begins, len(ordered)))
    many = counts > ATOM_SHARE * len(ordered)
    return ordered[begins[many]][np.argsort(-counts[many], kind="stable")]


def _fitting(atoms: Floats, *, cuts: Floats) -> Floats:
    """As many of the atoms as leave the column within its cells; an atom that is a cut adds one edge, else two."""
    added = np.cumsum(np.where(np.isin(atoms, cuts), 1, 2))
    return atoms[added <= _MAX_ALL_EDGES - len(np.unique(cuts))]
