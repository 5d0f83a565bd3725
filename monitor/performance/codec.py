"""Scorecards as bytes: a short header, the filled cells of every histogram, the sums; zstd."""

from __future__ import annotations

from math import prod
from typing import Annotated, Any

import msgspec
import numpy as np

from monitor.performance.outline import Integers, Outline
from monitor.performance.scorecard import FLOAT_ARRAYS, INTEGER_ARRAYS, TALLIES, Scorecard, shapes
from monitor.profile.frames import deflate, inflate

FORMAT = 1
_WIDTHS = (1, 2, 4, 8)
_Count = Annotated[int, msgspec.Meta(ge=0)]


class _Header(msgspec.Struct, array_like=True):
    format: int
    outline_digest: str
    tallies: tuple[_Count, ...]
    filled: tuple[_Count, ...]  # of each integer array, the cells that are not zero
    widths: tuple[int, int]  # bytes of a gap and of a count


_decoder = msgspec.msgpack.Decoder(_Header)


def encode(card: Scorecard) -> bytes:
    """The scorecard as bytes; ``decode`` gives it back exactly."""
    flat = [getattr(card, name).ravel() for name in INTEGER_ARRAYS]
    filled = [np.flatnonzero(values) for values in flat]
    # Where the filled cells lie is told by the steps between them: small numbers, whatever the histogram's length.
    gaps = np.concatenate([np.diff(at, prepend=0) for at in filled])
    counts = np.concatenate([values[at] for values, at in zip(flat, filled, strict=True)])
    widths = _width(gaps), _width(counts)
    header = msgspec.msgpack.encode(
        _Header(
            format=FORMAT, outline_digest=card.outline_digest, tallies=tuple(getattr(card, t) for t in TALLIES),
            filled=tuple(len(at) for at in filled), widths=widths,
        )
    )  # fmt: skip
    floats = (getattr(card, name).astype("<f8").tobytes() for name in FLOAT_ARRAYS)
    packed = (values.astype(f"<u{width}").tobytes() for values, width in zip((gaps, counts), widths, strict=True))
    return deflate(b"".join([len(header).to_bytes(4, "little"), header, *floats, *packed]))


def decode(payload: bytes, outline: Outline) -> Scorecard:
    """The scorecard of ``encode``'s bytes; ``ValueError`` for anything else, or where the outline was another."""
    body = inflate(payload)
    begin = 4 + int.from_bytes(body[:4], "little")
    try:
        header = _decoder.decode(body[4:begin])
    except msgspec.DecodeError as error:
        raise ValueError(f"scorecard: {error}") from error
    sizes = shapes(outline)
    _check(header, outline=outline, size=len(body) - begin, floats=sum(prod(sizes[n]) for n in FLOAT_ARRAYS))
    arrays: dict[str, Any] = dict(zip(TALLIES, header.tallies, strict=True))
    for name in FLOAT_ARRAYS:
        length = prod(sizes[name])
        arrays[name] = np.frombuffer(body, "<f8", length, begin).astype(np.float64).reshape(sizes[name])
        begin += 8 * length
    whole = sum(header.filled)
    gaps = np.frombuffer(body, f"<u{header.widths[0]}", whole, begin).astype(np.int64)
    counts = np.frombuffer(body, f"<u{header.widths[1]}", whole, begin + header.widths[0] * whole).astype(np.int64)
    done = 0
    for name, filled in zip(INTEGER_ARRAYS, header.filled, strict=True):
        part = slice(done, done + filled)
        arrays[name] = _spread(gaps[part], counts=counts[part], shape=sizes[name])
        done += filled
    return Scorecard(outline_digest=header.outline_digest, **arrays)


def _check(header: _Header, *, outline: Outline, size: int, floats: int) -> None:
    if header.format != FORMAT or header.outline_digest != outline.digest:
        raise ValueError(
            f"scorecard of format {header.format} and outline {header.outline_digest[:12]}: "
            f"expected format {FORMAT} and outline {outline.digest[:12]}"
        )
    if len(header.tallies) != len(TALLIES) or len(header.filled) != len(INTEGER_ARRAYS):
        raise ValueError(f"scorecard: {len(header.tallies)} tallies and {len(header.filled)} arrays")
    if not set(header.widths) <= set(_WIDTHS):
        raise ValueError(f"scorecard: integers of {header.widths} bytes")
    expected = 8 * floats + sum(header.widths) * sum(header.filled)
    if size != expected:
        raise ValueError(f"scorecard: {size} bytes of counts and sums, expected {expected}")


def _spread(gaps: Integers, *, counts: Integers, shape: tuple[int, ...]) -> Integers:
    """The whole array of its filled cells."""
    at = np.cumsum(gaps)
    if (gaps < 0).any() or (counts < 0).any() or (len(at) and not 0 <= at.min() <= at.max() < prod(shape)):
        raise ValueError(f"scorecard: a count outside an array of shape {shape}")
    values = np.zeros(prod(shape), np.int64)
    values[at] = counts
    return values.reshape(shape)


def _width(values: Integers) -> int:
    largest = int(values.max(initial=0))
    return next(w for w in _WIDTHS if largest < 1 << (8 * w))
