"""Every bound of a request, with its name and default (API 3)."""

from __future__ import annotations

from dataclasses import dataclass

from monitor.model.errors import TooLarge

MIB = 1 << 20
MAX_JSON_DEPTH = 64
MAX_RECORD_VALUES = 100_000  # of one record, lists and nested objects counted through
MAX_ERRORS_SHOWN = 100
MAX_KEY_CHARS = 255
JSON_WEIGHT = 4  # decoded JSON takes about four times its text


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The bounds of API 3; sizes in bytes."""

    max_body_bytes: int = 8 * MIB
    max_reference_bytes: int = 2048 * MIB
    max_decoded_bytes: int = 64 * MIB
    max_inflight_bytes: int = 128 * MIB
    max_records: int = 50_000
    max_columns: int = 2_000

    @property
    def max_cells(self) -> int:
        """Rows × columns of a request: what is missing takes room too, and takes none in the body."""
        return self.max_decoded_bytes // 4


class TooManyRecords(TooLarge):
    """A request of more records than one may hold; none of them was looked at."""

    code = "too_large"

    def __init__(self, records: int, *, limits: Limits) -> None:
        super().__init__(f"{records} records: expected at most {limits.max_records} a request (MAX_RECORDS)")
        self.records = records
