"""Ids for records that bring none: UUID version 7 (RFC 9562, section 5.7), many at a time; and the time they hold."""

from __future__ import annotations

import os

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from monitor.columns.instants import LATEST_US
from monitor.noise import NOISE

_CHARS = 36
# The variant's digit out of a random one: binary 10 in front, its two last bits behind.
_VARIANT = np.zeros(256, np.uint8)
_VARIANT[list(b"0123456789abcdef")] = list(b"89ab" * 4)
_TIME_PLACES = np.array([*range(8), *range(9, 13)])  # 48 bits of milliseconds
_TIME_SHIFTS = np.arange(44, -1, -4, dtype=np.int64)
_HYPHENS = np.array([8, 13, 18, 23])
_VALUES = np.full(256, -1, np.int64)  # of a hexadecimal digit
_VALUES[np.frombuffer(b"0123456789abcdef", np.uint8)] = np.arange(16)
_VALUES[np.frombuffer(b"ABCDEF", np.uint8)] = np.arange(10, 16)


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
    noise = int.from_bytes(NOISE.take(10), "big")
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


def times_of(ids: pa.Array) -> NDArray[np.int64]:
    """int64[n]: the time in microseconds that each id holds if it is a UUIDv7 (and before 2200), else -1.

    >>> times_of(pa.array(["00000000-0001-7000-8000-000000000000", "order-1"])).tolist()
    [1000, -1]
    """
    times = np.full(len(ids), -1, np.int64)
    rows = np.flatnonzero(np.asarray(pc.binary_length(ids).to_numpy(zero_copy_only=False)) == _CHARS)
    if not len(rows):
        return times
    chosen = ids.take(pa.array(rows))
    first = chosen.offset * _CHARS
    chars = np.frombuffer(chosen.buffers()[2], np.uint8)[first : first + len(rows) * _CHARS].reshape(-1, _CHARS)
    digits = _VALUES[chars[:, _TIME_PLACES]]
    shaped = (chars[:, _HYPHENS] == ord("-")).all(axis=1) & (chars[:, 14] == ord("7")) & (digits >= 0).all(axis=1)
    us = (digits << _TIME_SHIFTS).sum(axis=1) * 1_000
    read = shaped & (us < LATEST_US)  # later ones are no times a record can have
    times[rows[read]] = us[read]
    return times
