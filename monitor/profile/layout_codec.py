"""Layouts as bytes: a JSON header, then the edges, atoms and hashes of all columns, little-endian, zstd."""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.profile.layout import ColumnLayout, Layout

_Count = Annotated[int, msgspec.Meta(ge=0)]


class _Shape(msgspec.Struct, kw_only=True):
    name: str
    stored: str
    edges: _Count | None
    categories: list[str]
    known: _Count | None


_header = msgspec.json.Decoder(list[_Shape])


def layout_bytes(layout: Layout) -> bytes:
    """The bytes before compression: equal layouts, equal bytes."""
    columns = layout.columns
    shapes = [
        _Shape(
            name=c.name, stored=c.stored_name, edges=None if c.edges is None else len(c.edges),
            categories=list(c.categories), known=None if c.known_hashes is None else len(c.known_hashes),
        )
        for c in columns
    ]  # fmt: skip
    edges = [c.edges.astype("<f8") for c in columns if c.edges is not None]
    atoms = [np.zeros(c.cells, np.bool_) if c.atoms is None else c.atoms for c in columns if c.edges is not None]
    known = [c.known_hashes.astype("<u8") for c in columns if c.known_hashes is not None]
    bits = np.packbits(np.concatenate([np.zeros(0, np.bool_), *atoms]))
    text = msgspec.json.encode(shapes)
    arrays = (a.tobytes() for a in (*edges, bits, *known))
    return b"".join([len(text).to_bytes(8, "little"), text, *arrays])


def layout_of(flat: bytes) -> Layout:
    """The layout of ``layout_bytes``; ``ValueError`` for anything else."""
    begin = 8 + int.from_bytes(flat[:8], "little")
    try:
        shapes = _header.decode(flat[8:begin])
    except msgspec.DecodeError as error:
        raise ValueError(f"layout: {error}") from error
    edges, atoms, known = _arrays(flat, begin, shapes=shapes)
    sizes = [len(shape.categories) + 2 if shape.edges is None else shape.edges + 1 for shape in shapes]
    upper = np.full(sum(sizes), np.inf)  # ``Layout.upper``, of which the edges of each column are a part
    columns, edge, cell, hashed, start = [], 0, 0, 0, 0
    for shape, size in zip(shapes, sizes, strict=True):
        numeric, width, hashes = shape.edges is not None, shape.edges or 0, shape.known or 0
        own = upper[start : start + width]
        own[:] = edges[edge : edge + width]
        columns.append(
            ColumnLayout(
                name=shape.name, stored_name=shape.stored, kind="numeric" if numeric else "categorical",
                edges=own if numeric else None, atoms=atoms[cell : cell + width + 1] if numeric else None,
                categories=tuple(shape.categories),
                known_hashes=None if shape.known is None else known[hashed : hashed + hashes],
            )
        )  # fmt: skip
        edge, cell, hashed = edge + width, cell + (size if numeric else 0), hashed + hashes
        start += size
    layout = Layout(columns=tuple(columns))
    layout.__dict__["upper"] = upper
    if len(layout.positions) != len(columns) or not _ascending(layout):
        raise ValueError("layout: edges that do not ascend, or a column twice")
    return layout


def _arrays(
    flat: bytes, begin: int, *, shapes: list[_Shape]
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.uint64]]:
    """All edges, the atom flags of all numeric cells, all known hashes."""
    widths = [shape.edges for shape in shapes if shape.edges is not None]
    edges, cells, known = sum(widths), sum(widths) + len(widths), sum(shape.known or 0 for shape in shapes)
    packed = (cells + 7) // 8
    if len(flat) != begin + 8 * edges + packed + 8 * known:
        raise ValueError(f"layout: {len(flat)} bytes, expected {begin + 8 * edges + packed + 8 * known}")
    bits = np.frombuffer(flat, np.uint8, packed, begin + 8 * edges)
    return (
        np.frombuffer(flat, "<f8", edges, begin),
        np.unpackbits(bits, count=cells).astype(np.bool_),
        np.frombuffer(flat, "<u8", known, begin + 8 * edges + packed).astype(np.uint64),
    )


def _ascending(layout: Layout) -> bool:
    """Whether the edges of each numeric column rise, all of them finite: one look at all columns."""
    ends = layout.upper
    level = np.flatnonzero(~(ends[1:] > ends[:-1]))  # also where an edge is NaN, or +inf beside the last cell's
    column = np.searchsorted(layout.offsets, level, side="right") - 1
    last = level == layout.offsets[column + 1] - 1
    first = ends[layout.offsets[:-1]]
    return bool(np.all(last | ~layout.numeric[column])) and not bool(np.isneginf(first).any() or np.isnan(ends).any())
