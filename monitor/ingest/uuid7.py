"""Ids for records that bring none: UUID version 7 (RFC 9562, section 5.7)."""

from __future__ import annotations

import os

_VARIANT = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))


def make_ids(count: int, *, now_us: int) -> list[str]:
    """``count`` new UUIDv7 texts of that instant.

    >>> make_ids(1, now_us=0)[0][:15]
    '00000000-0000-7'
    """
    time = f"{now_us // 1_000:012x}"
    head = f"{time[:8]}-{time[8:]}-7"
    noise = os.urandom(10 * count).hex()
    return [
        f"{head}{noise[i : i + 3]}-{_VARIANT[noise[i + 3]]}{noise[i + 4 : i + 7]}-{noise[i + 7 : i + 19]}"
        for i in range(0, 20 * count, 20)
    ]
