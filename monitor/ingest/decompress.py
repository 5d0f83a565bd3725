"""``Content-Encoding``: streamed decompression that stops at a cap, so that a bomb costs no more than the cap."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator

import pyarrow as pa

from monitor.model.errors import Malformed, TooLarge, UnsupportedMedia

_STEP = 1 << 20
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


def decompress(body: bytes, *, encoding: str, max_bytes: int, taken: Callable[[int], None]) -> bytes:
    """The decoded body; ``taken`` hears of each piece before it is kept (and may refuse it).

    Raises ``UnsupportedMedia`` for an unknown encoding, ``Malformed`` for a damaged or truncated body and
    ``TooLarge`` beyond ``max_bytes``.
    """
    name = encoding.strip().lower()
    if name in ("", "identity", "none"):
        return body
    pieces: Iterator[bytes]
    if name in ("gzip", "x-gzip"):
        pieces = _gzip(body)
    elif name == "zstd":
        pieces = _zstd(body, max_bytes=max_bytes)
    else:
        raise UnsupportedMedia(f"Content-Encoding {encoding[:40]!r} is not known: expected gzip, zstd or none")
    kept: list[bytes] = []
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > max_bytes:
            raise TooLarge(
                f"the body is over {max_bytes} bytes decompressed (MAX_DECODED_BYTES): send it in smaller requests"
            )
        taken(len(piece))
        kept.append(piece)
    return b"".join(kept)


def _gzip(body: bytes) -> Iterator[bytes]:
    rest = body
    while rest:
        stream = zlib.decompressobj(wbits=31)
        while not stream.eof:
            try:
                piece = stream.decompress(rest, _STEP)
            except zlib.error as error:
                raise Malformed(f"the body is not gzip as Content-Encoding says: {error}") from None
            rest = stream.unused_data if stream.eof else stream.unconsumed_tail
            if piece:
                yield piece
            elif not stream.eof and not rest:
                raise Malformed("the gzip body is truncated: it ends before its end mark")
        rest = rest.lstrip(b"\x00")  # padding after the last member is allowed
    if not body:
        raise Malformed("the body is empty, and no gzip")


def _zstd(body: bytes, *, max_bytes: int) -> Iterator[bytes]:
    if body[:4] != _ZSTD_MAGIC:
        raise Malformed("the body is not zstd as Content-Encoding says: its first bytes are no frame header")
    if _zstd_window(body) > max_bytes:
        raise TooLarge(f"the zstd window is over {max_bytes} bytes (MAX_DECODED_BYTES): compress with a smaller one")
    stream = pa.CompressedInputStream(pa.BufferReader(body), "zstd")
    while True:
        try:
            piece = stream.read(_STEP)
        except OSError as error:
            raise Malformed(f"the zstd body cannot be decompressed: {error}") from None
        if not piece:
            return
        yield piece


def _zstd_window(frame: bytes) -> int:
    """The window a decoder must allocate, by RFC 8878 section 3.1.1.1 (0 for a single segment or a cut header)."""
    if len(frame) < 6 or frame[4] & 0x20:
        return 0
    base = 1 << (10 + (frame[5] >> 3))
    return base + (base >> 3) * (frame[5] & 7)
