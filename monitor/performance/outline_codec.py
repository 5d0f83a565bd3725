"""Outlines as bytes: a short header, then edges and centers, little-endian."""

from __future__ import annotations

import msgspec
import numpy as np

from monitor.performance.outline import Floats, Outline, OutlineTask

FORMAT = 1


class _Header(msgspec.Struct, array_like=True):
    format: int
    task: OutlineTask
    classes: tuple[str, ...]
    positive: str | None
    scored: tuple[int, ...]
    cells: tuple[int, ...]
    supposed: bool
    threshold: float
    center: float


_decoder = msgspec.msgpack.Decoder(_Header)


def outline_bytes(outline: Outline) -> bytes:
    """The bytes before compression: equal outlines, equal bytes."""
    header = msgspec.msgpack.encode(
        _Header(
            format=FORMAT, task=outline.task, classes=outline.classes, positive=outline.positive,
            scored=outline.scored, cells=tuple(len(c) for c in outline.centers),
            supposed=bool(outline.histograms), threshold=float(outline.threshold), center=float(outline.center),
        )
    )  # fmt: skip
    arrays = (a.astype("<f8").tobytes() for a in (*outline.edges, *outline.centers, *outline.histograms))
    return b"".join([len(header).to_bytes(4, "little"), header, *arrays])


def outline_of_bytes(flat: bytes) -> Outline:
    """The outline of ``outline_bytes``; ``ValueError`` for anything else."""
    begin = 4 + int.from_bytes(flat[:4], "little")
    try:
        header = _decoder.decode(flat[4:begin])
    except msgspec.DecodeError as error:
        raise ValueError(f"outline: {error}") from error
    if header.format != FORMAT or min(header.cells, default=1) < 1:
        raise ValueError(f"outline of format {header.format}, expected {FORMAT}, and cells {header.cells}")
    lengths = (
        *(cells - 1 for cells in header.cells),
        *header.cells,
        *(2 * cells for cells in header.cells * header.supposed),
    )
    if len(flat) != begin + 8 * sum(lengths):
        raise ValueError(f"outline: {len(flat)} bytes, expected {begin + 8 * sum(lengths)}")
    arrays: list[Floats] = []
    for length in lengths:
        arrays.append(np.frombuffer(flat, "<f8", length, begin).astype(np.float64))
        begin += 8 * length
    scored = len(header.cells)
    return Outline(
        task=header.task, classes=header.classes, positive=header.positive, scored=header.scored,
        edges=tuple(arrays[:scored]), centers=tuple(arrays[scored : 2 * scored]),
        histograms=tuple(a.reshape(2, -1) for a in arrays[2 * scored :]),
        threshold=header.threshold, center=header.center,
    )  # fmt: skip
