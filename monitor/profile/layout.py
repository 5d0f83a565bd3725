"""Layouts: the cells that all profiles of one model share.

A numeric column has ascending edges e_1 < … < e_k and k + 1 right-closed cells (−∞, e_1], (e_1, e_2], …, (e_k, ∞).
The first edge is the float below the reference's minimum and the last its maximum, so the outer two cells hold
exactly what lies outside the reference's range. An *atom* v has the two edges (float below v, v): a cell of its own.
A categorical column has a cell per listed category, one for ``other`` (in the reference, not listed) and one for
``unseen`` (not in the reference).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from monitor.profile.frames import deflate, inflate
from monitor.profile.hashing import hash_strings

MAX_EDGES = 1_000
MAX_CATEGORIES = 1_000
MAX_KNOWN_CATEGORIES = 1_000_000
MANY_NAMES = 1_000  # from here on a look-up in Arrow is cheaper than one in Python


@dataclass(frozen=True, kw_only=True, eq=False)
class ColumnLayout:
    """The cells of one column.

    ``stored_name`` is its name in a stored batch (``f:<name>`` unless told). ``edges`` float64[k] (numeric),
    ``atoms`` bool[k + 1] says which cells hold one value only. ``categories`` are the listed names, ``known_hashes``
    uint64[u] the sorted hashes of *all* reference categories, or None where there were more than 1,000,000: then
    unseen is unknown and counts as ``other``.
    """

    name: str
    kind: Literal["numeric", "categorical"]
    stored_name: str = ""
    edges: NDArray[np.float64] | None = None
    atoms: NDArray[np.bool_] | None = None
    categories: tuple[str, ...] = ()
    known_hashes: NDArray[np.uint64] | None = None

    def __post_init__(self) -> None:
        if not self.stored_name:
            object.__setattr__(self, "stored_name", f"f:{self.name}")

    @property
    def empty(self) -> bool:
        """Whether the reference had no value in this column."""
        return not self.categories and (self.edges is None or not len(self.edges))

    @property
    def cells(self) -> int:
        """How many cells the column has."""
        return len(self.categories) + 2 if self.edges is None else len(self.edges) + 1

    @cached_property
    def category_cell(self) -> dict[str, int]:
        """The cell of each listed category."""
        return {name: cell for cell, name in enumerate(self.categories)}

    @property
    def other_cell(self) -> int:
        """The cell of reference categories that are not listed."""
        return len(self.categories)

    @property
    def unseen_cell(self) -> int:
        """The cell of categories that the reference does not have."""
        return len(self.categories) + 1

    def cells_of(self, names: pa.Array | Sequence[str]) -> NDArray[np.int64]:
        """The cell of each name, int64[len(names)]; a long Arrow array is looked up without a loop."""
        if len(names) <= MANY_NAMES:
            listed = self.category_cell
            texts = names if isinstance(names, Sequence) else names.to_pylist()
            cells = np.fromiter((listed.get(name, -1) for name in texts), np.int64, len(texts))
        else:
            whole = pa.array(names, pa.string()) if isinstance(names, Sequence) else names
            found = pc.index_in(whole, value_set=self._category_array).fill_null(-1)
            cells = found.to_numpy(zero_copy_only=False).astype(np.int64)
        strange = np.flatnonzero(cells < 0)
        if len(strange):
            whole = pa.array(names, pa.string()) if isinstance(names, Sequence) else names
            cells[strange] = self._unlisted(whole if len(strange) == len(whole) else whole.take(pa.array(strange)))
        return cells

    @cached_property
    def _category_array(self) -> pa.Array:
        return pa.array(self.categories, pa.string())

    def _unlisted(self, names: pa.Array) -> NDArray[np.int64]:
        if self.known_hashes is None:
            return np.full(len(names), self.other_cell)
        return np.where(_among(hash_strings(names), self.known_hashes), self.other_cell, self.unseen_cell)


def _among(hashes: NDArray[np.uint64], known: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """bool[n]: which hashes are in the ascending ``known``; in order of hash, so that a long list is read once."""
    if not len(known):
        return np.zeros(len(hashes), np.bool_)
    order = np.argsort(hashes)
    places = np.minimum(np.searchsorted(known, hashes[order]), len(known) - 1)
    found = np.empty(len(hashes), np.bool_)
    found[order] = known[places] == hashes[order]
    return found


@dataclass(frozen=True, kw_only=True, eq=False)
class Layout:
    """The columns of a layout, in order; column c has the flat cells ``offsets[c]`` to ``offsets[c + 1]``."""

    columns: tuple[ColumnLayout, ...]

    @cached_property
    def offsets(self) -> NDArray[np.int64]:
        """int64[C + 1]: where each column's cells begin in the flat counts."""
        return np.concatenate(([0], np.cumsum([c.cells for c in self.columns], dtype=np.int64)))

    @cached_property
    def positions(self) -> dict[str, int]:
        """The position of each column by name."""
        return {c.name: position for position, c in enumerate(self.columns)}

    @cached_property
    def numeric(self) -> NDArray[np.bool_]:
        """bool[C]: which columns hold numbers."""
        return np.array([c.edges is not None for c in self.columns], dtype=np.bool_)

    @cached_property
    def atoms(self) -> NDArray[np.bool_]:
        """bool[cells]: the flat cells that hold one value only (every cell of a category)."""
        whole = np.ones(int(self.offsets[-1]), bool)
        for column, begin in zip(self.columns, self.offsets.tolist(), strict=False):
            if column.atoms is not None:
                whole[begin : begin + column.cells] = column.atoms
        return whole

    @cached_property
    def column_of_cell(self) -> NDArray[np.int64]:
        """int64[cells]: the column of each flat cell."""
        return np.repeat(np.arange(len(self.columns)), np.diff(self.offsets))

    @cached_property
    def upper(self) -> NDArray[np.float64]:
        """float64[cells]: the upper end of each numeric cell, +inf for a last cell and for categories."""
        ends = np.full(int(self.offsets[-1]), np.inf)
        for column, start in zip(self.columns, self.offsets.tolist(), strict=False):
            if column.edges is not None:
                ends[start : start + len(column.edges)] = column.edges
        return ends

    @cached_property
    def centres(self) -> NDArray[np.float64]:
        """float64[C]: the middle edge of each numeric column, 0 where there is none.

        Squares are summed about it: about zero, the spread of timestamps would drown in rounding.
        """
        middles = [float(c.edges[len(c.edges) // 2]) if c.edges is not None and len(c.edges) else 0.0
                   for c in self.columns]  # fmt: skip
        return np.array(middles, dtype=np.float64)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the encoded layout: equal digests, equal cells."""
        return hashlib.sha256(_bytes_of(self)).hexdigest()

    def index(self, name: str) -> int:
        """The position of the column; ``KeyError`` if there is none of that name."""
        return self.positions[name]

    def encode(self) -> bytes:
        """The layout as bytes, which ``decode`` reads."""
        return deflate(_bytes_of(self))

    @classmethod
    def decode(cls, body: bytes, *, digest: str | None = None) -> Layout:
        """The layout of ``encode``'s bytes; ``ValueError`` for anything else. A ``digest`` kept beside is believed."""
        from monitor.profile.layout_codec import layout_of

        flat = inflate(body)
        layout = layout_of(flat)
        # of the bytes at hand, not encoded anew
        layout.__dict__["digest"] = hashlib.sha256(flat).hexdigest() if digest is None else digest
        return layout


def _bytes_of(layout: Layout) -> bytes:
    from monitor.profile.layout_codec import layout_bytes

    return layout_bytes(layout)
