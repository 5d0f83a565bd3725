"""Windows ``[start, end)``: where each instant belongs, by the model's window length and zone.

Windows shorter than a day are anchored at the epoch; days, weeks and months follow the model's
IANA time zone (a day may have 23 or 25 hours), weeks start on Monday.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

from monitor.model.errors import InvalidInput, NotAvailableYet
from monitor.model.time import DAY_US, HOUR_US, MINUTE_US, from_us, to_us

FIXED_US = {
    "1m": MINUTE_US, "5m": 5 * MINUTE_US, "10m": 10 * MINUTE_US, "15m": 15 * MINUTE_US, "30m": 30 * MINUTE_US,
    "1h": HOUR_US, "2h": 2 * HOUR_US, "3h": 3 * HOUR_US, "4h": 4 * HOUR_US, "6h": 6 * HOUR_US,
    "8h": 8 * HOUR_US, "12h": 12 * HOUR_US,
}  # fmt: skip
CALENDAR = ("1d", "7d", "1mo")
KNOWN = (*FIXED_US, *CALENDAR)


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowSpec:
    """How a model's time is cut: ``length`` one of ``KNOWN``, ``timezone`` an IANA name."""

    length: str = "1h"
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        if self.length == "batch":
            raise NotAvailableYet("window 'batch' is not available yet: use a length such as '1h' or '1d'")
        if self.length not in KNOWN:
            raise InvalidInput(f"window {self.length[:40]!r} is not known: expected one of {', '.join(KNOWN)}")
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise InvalidInput(
                f"timezone {self.timezone[:40]!r} is not known: expected an IANA name such as 'UTC' or 'Europe/Berlin'"
            ) from None

    @property
    def nominal_us(self) -> int:
        """The usual length in microseconds (a month counts 30 days)."""
        return FIXED_US.get(self.length) or {"1d": DAY_US, "7d": 7 * DAY_US, "1mo": 30 * DAY_US}[self.length]

    @property
    def per_month(self) -> float:
        """Windows in 30 days: 720 for an hour, 30 for a day."""
        return 30 * DAY_US / self.nominal_us

    def start_of(self, instant_us: int) -> int:
        """The start of the window that holds the instant.

        >>> WindowSpec(length="1h").start_of(3_600_000_001)
        3600000000
        """
        fixed = FIXED_US.get(self.length)
        if fixed is not None:
            return instant_us - instant_us % fixed
        local = from_us(instant_us).astimezone(ZoneInfo(self.timezone))
        return to_us(self._floor(local))

    def end_of(self, start_us: int) -> int:
        """The end of the window that starts at ``start_us`` (which is the next one's start)."""
        fixed = FIXED_US.get(self.length)
        if fixed is not None:
            return start_us + fixed
        local = from_us(start_us).astimezone(ZoneInfo(self.timezone))
        if self.length == "1mo":
            following = (local.replace(day=1) + timedelta(days=32)).replace(day=1)
        else:
            following = local + timedelta(days=1 if self.length == "1d" else 7)
        return to_us(_midnight(following))

    def ordinal(self, start_us: int) -> int:
        """The number of the window that starts then: one more for each that follows, with rows or without.

        >>> WindowSpec(length="1h").ordinal(3 * 3_600_000_000)
        3
        """
        fixed = FIXED_US.get(self.length)
        if fixed is not None:
            return start_us // fixed
        local = from_us(start_us).astimezone(ZoneInfo(self.timezone))
        if self.length == "1mo":
            return 12 * local.year + local.month
        return local.toordinal() if self.length == "1d" else local.toordinal() // 7

    def starts_of(self, instants_us: NDArray[np.int64]) -> NDArray[np.int64]:
        """``start_of`` for many instants: int64[n] in, int64[n] out."""
        fixed = FIXED_US.get(self.length)
        if fixed is not None:
            return instants_us - instants_us % fixed
        hours, inverse = np.unique(instants_us // (15 * MINUTE_US), return_inverse=True)  # zones move by 15 minutes
        starts = np.array([self.start_of(hour * 15 * MINUTE_US) for hour in hours.tolist()], np.int64)
        return starts[inverse]

    def between(self, first_us: int, last_us: int) -> Iterator[tuple[int, int]]:
        """Every window ``(start, end)`` from the one that holds ``first_us`` while start < ``last_us``."""
        start = self.start_of(first_us)
        while start < last_us:
            end = self.end_of(start)
            yield start, end
            start = end

    def _floor(self, local: datetime) -> datetime:
        if self.length == "1mo":
            return _midnight(local.replace(day=1))
        return _midnight(local if self.length == "1d" else local - timedelta(days=local.weekday()))


def _midnight(local: datetime) -> datetime:
    return local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
