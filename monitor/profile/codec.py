"""Profiles as bytes: a short header, then every array in the narrowest integers that hold it, zstd."""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.profile.frames import deflate, inflate
from monitor.profile.layout import Layout
from monitor.profile.profile import Profile, Unseen

FORMAT = 1
_FLOATS = ("minimum", "maximum", "total", "total_squares")
_INTEGERS = ("missing", "invalid", "counts")

_WIDTHS = (1, 2, 4, 8)


class _Header(msgspec.Struct, array_like=True):
    format: int
    layout_digest: str
    rows: Annotated[int, msgspec.Meta(ge=0)]
    widths: tuple[int, ...]
    unseen: Unseen


_decoder = msgspec.msgpack.Decoder(_Header)


def encode(profile: Profile) -> bytes:
    """The profile as bytes; ``decode`` gives it back exactly."""
    integers = [_narrow(getattr(profile, name)) for name in _INTEGERS]
    header = msgspec.msgpack.encode(
        _Header(
            format=FORMAT, layout_digest=profile.layout_digest, rows=profile.rows,
            widths=tuple(a.itemsize for a in integers), unseen=profile.unseen,
        )
    )  # fmt: skip
    floats = [getattr(profile, name).astype("<f8", copy=False).tobytes() for name in _FLOATS]
    return deflate(b"".join([len(header).to_bytes(4, "little"), header, *floats, *(a.tobytes() for a in integers)]))


def decode(payload: bytes, layout: Layout) -> Profile:
    """The profile of ``encode``'s bytes; ``ValueError`` for anything else, or where the layout was another."""
    body = inflate(payload)
    begin = 4 + int.from_bytes(body[:4], "little")
    try:
        header = _decoder.decode(body[4:begin])
    except msgspec.DecodeError as error:
        raise ValueError(f"profile: {error}") from error
    if header.format != FORMAT or header.layout_digest != layout.digest:
        raise ValueError(
            f"profile of format {header.format} and layout {header.layout_digest[:12]}: "
            f"expected format {FORMAT} and layout {layout.digest[:12]}"
        )
    if len(header.widths) != len(_INTEGERS) or not set(header.widths) <= set(_WIDTHS):
        raise ValueError(f"profile: integers of {header.widths} bytes")
    arrays: dict[str, NDArray[np.float64] | NDArray[np.int64]] = {}
    columns = len(layout.columns)
    for name in _FLOATS:
        arrays[name] = np.frombuffer(body, "<f8", columns, begin).astype(np.float64)
        begin += 8 * columns
    for name, width in zip(_INTEGERS, header.widths, strict=True):
        count = int(layout.offsets[-1]) if name == "counts" else columns
        arrays[name] = np.frombuffer(body, f"<u{width}", count, begin).astype(np.int64)
        begin += width * count
    if begin != len(body):
        raise ValueError(f"profile: {len(body) - begin} bytes too many")
    return Profile(layout_digest=header.layout_digest, rows=header.rows, unseen=header.unseen, **arrays)  # type: ignore[arg-type] # each by its name


def _narrow(values: NDArray[np.int64]) -> NDArray[np.unsignedinteger]:
    largest = int(values.max(initial=0))
    width = next(w for w in _WIDTHS if largest < 1 << (8 * w))
    return values.astype(f"<u{width}")
