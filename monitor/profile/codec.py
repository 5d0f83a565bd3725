"""Profiles as bytes: a short header, then every array in the narrowest integers that hold it, zstd."""

from __future__ import annotations

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitor.profile.layout import Layout
from monitor.profile.profile import Profile, Unseen

FORMAT = 1
_FLOATS = ("minimum", "maximum", "total", "total_squares")
_INTEGERS = ("missing", "invalid", "counts")


class _Header(msgspec.Struct, array_like=True):
    format: int
    layout_digest: str
    rows: int
    columns: int
    cells: int
    widths: tuple[int, ...]
    unseen: Unseen


_decoder = msgspec.msgpack.Decoder(_Header)
_CODEC = pa.Codec("zstd", compression_level=1)


def encode(profile: Profile) -> bytes:
    """The profile as bytes; ``decode`` gives it back exactly."""
    integers = [_narrow(getattr(profile, name)) for name in _INTEGERS]
    header = msgspec.msgpack.encode(
        _Header(
            format=FORMAT, layout_digest=profile.layout_digest, rows=profile.rows, columns=len(profile.missing),
            cells=len(profile.counts), widths=tuple(a.itemsize for a in integers), unseen=profile.unseen,
        )
    )  # fmt: skip
    floats = [getattr(profile, name).astype("<f8", copy=False).tobytes() for name in _FLOATS]
    body = b"".join([len(header).to_bytes(4, "little"), header, *floats, *(a.tobytes() for a in integers)])
    return len(body).to_bytes(8, "little") + bytes(_CODEC.compress(body, asbytes=True))


def decode(payload: bytes, layout: Layout) -> Profile:
    """The profile of ``encode``'s bytes; ``ValueError`` where it was made under another layout."""
    body = _CODEC.decompress(payload[8:], int.from_bytes(payload[:8], "little"), asbytes=True)
    begin = 4 + int.from_bytes(body[:4], "little")
    header = _decoder.decode(body[4:begin])
    if header.format != FORMAT or header.layout_digest != layout.digest:
        raise ValueError(
            f"profile of format {header.format} and layout {header.layout_digest[:12]}: "
            f"expected format {FORMAT} and layout {layout.digest[:12]}"
        )
    arrays: dict[str, NDArray[np.float64] | NDArray[np.int64]] = {}
    for name in _FLOATS:
        arrays[name] = np.frombuffer(body, "<f8", header.columns, begin).astype(np.float64)
        begin += 8 * header.columns
    for name, width in zip(_INTEGERS, header.widths, strict=True):
        count = header.cells if name == "counts" else header.columns
        arrays[name] = np.frombuffer(body, f"<u{width}", count, begin).astype(np.int64)
        begin += width * count
    return Profile(layout_digest=header.layout_digest, rows=header.rows, unseen=header.unseen, **arrays)  # type: ignore[arg-type] # each by its name


def _narrow(values: NDArray[np.int64]) -> NDArray[np.unsignedinteger]:
    largest = int(values.max(initial=0))
    width = next(w for w in (1, 2, 4, 8) if largest < 1 << (8 * w))
    return values.astype(f"<u{width}")
