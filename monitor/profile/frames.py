"""Compressed bytes that say their size: 8 bytes little-endian, then zstd."""

from __future__ import annotations

import pyarrow as pa

MAX_INFLATED = 1 << 30  # what bytes of a stranger may unpack to

_ZSTD = pa.Codec("zstd", compression_level=1)


def deflate(body: bytes) -> bytes:
    """The body compressed.

    >>> inflate(deflate(b"counts"))
    b'counts'
    """
    return len(body).to_bytes(8, "little") + bytes(_ZSTD.compress(body, asbytes=True))


def inflate(payload: bytes) -> bytes:
    """The body of ``deflate``'s bytes; ``ValueError`` for anything else, before memory is taken for it."""
    size = int.from_bytes(payload[:8], "little")
    if len(payload) < 8 or size > MAX_INFLATED:
        raise ValueError(f"unpacks to {size} bytes, expected at most {MAX_INFLATED}")
    try:
        body = bytes(_ZSTD.decompress(memoryview(payload)[8:], decompressed_size=size, asbytes=True))
    except (OSError, pa.ArrowException) as error:
        raise ValueError(f"cannot be unpacked ({error})") from error
    if len(body) != size:
        raise ValueError(f"unpacks to {len(body)} bytes, expected {size}")
    return body
