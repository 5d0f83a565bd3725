"""The ``.dlp`` file: a reference as counts only, no rows; what ``driftline profile`` writes.

Layout on disk: the magic ``DLP1``, the SHA-256 of what follows, a msgpack map of its parts (zstd inside the parts).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from monitor.model.errors import Malformed, TooLarge
from monitor.model.schema import Schema
from monitor.profile import codec
from monitor.profile.layout import Layout
from monitor.profile.profile import Profile

MAGIC = b"DLP1"
DLP_MEDIA_TYPE = "application/vnd.driftline.profile"
MAX_BYTES = 256 * 1024**2  # of a file, which is read whole
MAX_COUNTS_BYTES = 512 * 1024**2  # of the counts of all of its windows, once they are unpacked
_SMALLER = "profile fewer rows, longer windows (--window) or fewer columns (--ignore)"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileFile:
    """A profiled reference: ``windows`` are the profiles of its own windows by start (µs), where it had timestamps.

    ``roles`` is the JSON of its roles, ``window`` the length they were cut by, ``timezone`` its zone.
    """

    schema: Schema
    layout: Layout
    profile: Profile
    roles: dict[str, Any]
    window: str | None = None
    timezone: str = "UTC"
    windows: tuple[tuple[int, Profile], ...] = ()


class _Parts(msgspec.Struct):
    schema: dict[str, Any]
    layout: bytes
    profile: bytes
    roles: dict[str, Any]
    window: str | None = None
    timezone: str = "UTC"
    windows: list[tuple[int, bytes]] = []


def write_dlp(file: ProfileFile) -> bytes:
    """The file's bytes."""
    body = msgspec.msgpack.encode(
        _Parts(
            schema=file.schema.to_json(), layout=file.layout.encode(), profile=codec.encode(file.profile),
            roles=file.roles, window=file.window, timezone=file.timezone,
            windows=[(start, codec.encode(profile)) for start, profile in file.windows],
        )
    )  # fmt: skip
    return MAGIC + hashlib.sha256(body).digest() + body


def read_dlp(content: bytes) -> ProfileFile:
    """The file of ``write_dlp``'s bytes; ``Malformed`` where they are cut, changed or something else.

    ``TooLarge`` for a file, or for windows of it, that would take more memory than is stated.
    """
    if len(content) > MAX_BYTES:
        raise TooLarge(f"the .dlp profile has {len(content)} bytes: expected at most {MAX_BYTES}; {_SMALLER}")
    if content[:4] != MAGIC:
        raise Malformed(
            f"not a .dlp profile: it begins with {content[:4]!r}, expected {MAGIC!r}; make one with `driftline profile`"
        )
    if hashlib.sha256(memoryview(content)[36:]).digest() != content[4:36]:
        raise Malformed(
            "the .dlp profile is damaged: its checksum does not match; make it again with `driftline profile`"
        )
    try:
        parts = msgspec.msgpack.decode(memoryview(content)[36:], type=_Parts)
        layout = Layout.decode(parts.layout)
        _refuse_too_many(len(parts.windows), layout=layout)
        return ProfileFile(
            schema=Schema.from_json(parts.schema), layout=layout, profile=_profile(parts.profile, layout),
            roles=parts.roles, window=parts.window, timezone=parts.timezone,
            windows=tuple((start, _profile(payload, layout)) for start, payload in parts.windows),
        )  # fmt: skip
    except (msgspec.DecodeError, ValueError, KeyError, TypeError) as error:
        raise Malformed(f"the .dlp profile cannot be read: {error}; make it again with `driftline profile`") from error


def _refuse_too_many(windows: int, *, layout: Layout) -> None:
    size = windows * 8 * int(layout.offsets[-1])
    if size > MAX_COUNTS_BYTES:
        raise TooLarge(
            f"the .dlp profile has {windows} windows, whose counts take {size} bytes: expected at most "
            f"{MAX_COUNTS_BYTES}; {_SMALLER}"
        )


def _profile(payload: bytes, layout: Layout) -> Profile:
    """A profile that adds up: strangers write these files."""
    profile = codec.decode(payload, layout)
    begins = np.append(0, np.cumsum(np.append(profile.counts, 0)))[layout.offsets]
    rows = np.diff(begins) + profile.missing + profile.invalid
    parts = (profile.counts, profile.missing, profile.invalid)
    if any(int(part.min(initial=0)) < 0 for part in parts) or np.any(rows != profile.rows):
        raise ValueError("the counts of some column do not add up to the rows")
    return profile
