"""Ids for records that bring none: UUID version 7 (RFC 9562, section 5.7), many at a time."""

from __future__ import annotations

import os

import numpy as np
import pyarrow as pa

_CHARS = 36
# The variant's digit out of a random one: binary 10 in front, its two last bits behind.
_VARIANT = np.zeros(256, np.uint8)
_VARIANT[list(b"0123456789abcdef")] = list(b"89ab" * 4)


def make_ids(count: int, *, now_us: int) -> pa.Array:
    """``count`` new UUIDv7 texts of that instant: string[count] without nulls.

    >>> make_ids(1, now_us=0)[0].as_py()[:15]
    '00000000-0000-7'
    """
    time = f"{now_us // 1_000:012x}"
    chars = np.empty((count, _CHARS), np.uint8)
    chars[:] = np.frombuffer(f"{time[:8]}-{time[8:]}-7000-8000-{'0' * 12}".encode(), np.uint8)
    digits = np.frombuffer(os.urandom(10 * count).hex().encode(), np.uint8).reshape(count, 20)
    chars[:, 15:18] = digits[:, :3]
    chars[:, 19] = _VARIANT[digits[:, 3]]
    chars[:, 20:23] = digits[:, 4:7]
    chars[:, 24:36] = digits[:, 7:19]
    offsets = np.arange(count + 1, dtype=np.int32) * _CHARS
    return pa.Array.from_buffers(pa.string(), count, [None, pa.py_buffer(offsets), pa.py_buffer(chars)], 0)


def make_id(*, now_us: int) -> str:
    """One new UUIDv7 text."""
    noise = int.from_bytes(os.urandom(10), "big")
    time = f"{now_us // 1_000:012x}"
    return (
        f"{time[:8]}-{time[8:]}-7{noise >> 68:03x}-{(noise >> 48) & 0x3FFF | 0x8000:04x}-{noise & 0xFFFFFFFFFFFF:012x}"
    )


def json_list(ids: pa.Array) -> bytes:
    """The JSON text of a list of such ids."""
    count = len(ids)
    if count == 0:
        return b"[]"
    first = ids.offset * _CHARS
    chars = np.frombuffer(ids.buffers()[2], np.uint8)[first : first + count * _CHARS].reshape(count, _CHARS)
    quoted = np.empty((count, _CHARS + 3), np.uint8)
    quoted[:, 0] = quoted[:, _CHARS + 1] = ord('"')
    quoted[:, _CHARS + 2] = ord(",")
    quoted[:, 1 : _CHARS + 1] = chars
    return b"[" + quoted.tobytes()[:-1] + b"]"
