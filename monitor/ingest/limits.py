"""Every bound of a request, with its name and default (API 3)."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1 << 20
MAX_JSON_DEPTH = 64
MAX_ERRORS_SHOWN = 100
MAX_KEY_CHARS = 255
JSON_WEIGHT = 4  # decoded JSON takes about four times its text


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The bounds of API 3; sizes in bytes, ``body_seconds`` how long a body may take to arrive."""

    max_body_bytes: int = 8 * MIB
    max_reference_bytes: int = 2048 * MIB
    max_decoded_bytes: int = 64 * MIB
    max_inflight_bytes: int = 128 * MIB
    max_records: int = 50_000
    max_columns: int = 2_000
    body_seconds: float = 60.0
