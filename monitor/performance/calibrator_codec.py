"""Calibrations as bytes: a header, then centers and reference labels of each class; the curves are fitted anew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
import numpy as np

from monitor.performance.calibrator import Calibration, Refusal, restored
from monitor.profile.frames import deflate, inflate

FORMAT: Literal[1] = 1


class _Class(msgspec.Struct, array_like=True, frozen=True):
    cells: Annotated[int, msgspec.Meta(ge=1)]
    isotonic: bool
    gain: float
    gain_se: float
    misfit: float
    reason: Refusal | None


class _Header(msgspec.Struct, array_like=True, frozen=True):
    format: Literal[1]
    classes: list[_Class]


_decoder = msgspec.msgpack.Decoder(_Header)


def encode_calibrations(calibrations: Sequence[Calibration]) -> bytes:
    """The calibrations as bytes; ``decode_calibrations`` gives them back exactly."""
    classes = [
        _Class(
            cells=len(c.centers), isotonic=c.isotonic, gain=c.gain, gain_se=c.gain_se, misfit=c.misfit, reason=c.reason
        )
        for c in calibrations
    ]
    header = msgspec.msgpack.encode(_Header(format=FORMAT, classes=classes))
    arrays = [array for c in calibrations for array in (c.centers.astype("<f8"), c.labelled.astype("<i8"))]
    return deflate(b"".join([len(header).to_bytes(4, "little"), header, *(a.tobytes() for a in arrays)]))


def decode_calibrations(payload: bytes) -> tuple[Calibration, ...]:
    """The calibrations of ``encode_calibrations``'s bytes; ``ValueError`` for anything else."""
    body = inflate(payload)
    begin = 4 + int.from_bytes(body[:4], "little")
    try:
        header = _decoder.decode(body[4:begin])
    except msgspec.DecodeError as error:
        raise ValueError(f"calibrations: {error}") from error
    expected = begin + sum(3 * 8 * c.cells for c in header.classes)
    if len(body) != expected:
        raise ValueError(f"calibrations: {len(body)} bytes, expected {expected}")
    found = []
    for one in header.classes:
        centers = np.frombuffer(body, "<f8", one.cells, begin).astype(np.float64)
        labelled = np.frombuffer(body, "<i8", 2 * one.cells, begin + 8 * one.cells).astype(np.int64)
        begin += 3 * 8 * one.cells
        if not (np.all(centers >= 0.0) and np.all(centers <= 1.0)) or labelled.min() < 0:
            raise ValueError("calibrations: scores outside 0..1 or negative counts")
        if one.isotonic and not labelled.any():
            raise ValueError("calibrations: an isotonic fit of no labels")
        found.append(
            restored(
                labelled.reshape(2, one.cells), centers=centers, isotonic=one.isotonic,
                gain=one.gain, gain_se=one.gain_se, misfit=one.misfit, reason=one.reason,
            )
        )  # fmt: skip
    return tuple(found)
