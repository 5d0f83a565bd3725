"""Layouts: the cells that all profiles of one model share.

A numeric column has ascending edges e_1 < … < e_k and k + 1 right-closed cells (−∞, e_1], (e_1, e_2], …, (e_k, ∞).
The first edge is the float below the reference's minimum and the last its maximum, so the outer two cells hold
exactly what lies outside the reference's range. An *atom* v has the two edges (float below v, v): a cell of its own.
A categorical column has a cell per listed category, one for ``other`` (in the reference, not listed) and one for
``unseen`` (not in the reference).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitor.profile.hashing import hash_names

MAX_EDGES = 1_000
MAX_CATEGORIES = 1_000
MAX_KNOWN_CATEGORIES = 1_000_000


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

    def cells_of(self, names: tuple[str, ...]) -> NDArray[np.int64]:
        """The cell of each name, int64[len(names)]."""
        listed = self.category_cell
        cells = np.fromiter((listed.get(name, -1) for name in names), np.int64, len(names))
        strange = np.flatnonzero(cells < 0)
        if len(strange):
            cells[strange] = self._unlisted(tuple(names[i] for i in strange.tolist()))
        return cells

    def _unlisted(self, names: tuple[str, ...]) -> NDArray[np.int64]:
        if self.known_hashes is None:
            return np.full(len(names), self.other_cell)
        hashes = hash_names(names)
        position = np.searchsorted(self.known_hashes, hashes)
        inside = np.minimum(position, max(len(self.known_hashes) - 1, 0))
        known = self.known_hashes[inside] == hashes if len(self.known_hashes) else np.zeros(len(names), bool)
        return np.where(known, self.other_cell, self.unseen_cell)


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
    def digest(self) -> str:
        """SHA-256 of the encoded layout: equal digests, equal cells."""
        return hashlib.sha256(_flat_bytes(self)).hexdigest()

    def index(self, name: str) -> int:
        """The position of the column; ``KeyError`` if there is none of that name."""
        return self.positions[name]

    def encode(self) -> bytes:
        """The layout as bytes: zstd of a JSON header, then edges, atoms and hashes as little-endian arrays."""
        flat = _flat_bytes(self)
        return len(flat).to_bytes(8, "little") + bytes(pa.compress(flat, codec="zstd", asbytes=True))

    @classmethod
    def decode(cls, body: bytes) -> Layout:
        """The layout of ``encode``'s bytes."""
        flat = pa.decompress(body[8:], int.from_bytes(body[:8], "little"), codec="zstd", asbytes=True)
        length = int.from_bytes(flat[:8], "little")
        position = 8 + length
        columns = []
        for shape in json.loads(flat[8:position]):
            column, position = _column(shape, flat, position)
            columns.append(column)
        return cls(columns=tuple(columns))


def _flat_bytes(layout: Layout) -> bytes:
    header, arrays = [], []
    for c in layout.columns:
        edges = None if c.edges is None else len(c.edges)
        known = None if c.known_hashes is None else len(c.known_hashes)
        header.append(
            {"name": c.name, "stored": c.stored_name, "edges": edges, "categories": list(c.categories), "known": known}
        )
        if c.edges is not None:
            atoms = c.atoms if c.atoms is not None else np.zeros(c.cells, bool)
            arrays += [c.edges.astype("<f8").tobytes(), np.packbits(atoms).tobytes()]
        if c.known_hashes is not None:
            arrays.append(c.known_hashes.astype("<u8").tobytes())
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=True).encode()
    return len(text).to_bytes(8, "little") + text + b"".join(arrays)


def _column(shape: dict[str, Any], flat: bytes, position: int) -> tuple[ColumnLayout, int]:
    edges = atoms = known = None
    if shape["edges"] is not None:
        count = shape["edges"]
        edges = np.frombuffer(flat, "<f8", count, position).astype(np.float64)
        position += 8 * count
        packed = (count + 8) // 8
        atoms = np.unpackbits(np.frombuffer(flat, np.uint8, packed, position), count=count + 1).astype(bool)
        position += packed
    if shape["known"] is not None:
        known = np.frombuffer(flat, "<u8", shape["known"], position).astype(np.uint64)
        position += 8 * shape["known"]
    kind: Literal["numeric", "categorical"] = "categorical" if edges is None else "numeric"
    return ColumnLayout(
        name=shape["name"], stored_name=shape["stored"], kind=kind, edges=edges, atoms=atoms,
        categories=tuple(shape["categories"]), known_hashes=known,
    ), position  # fmt: skip
