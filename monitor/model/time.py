"""Instants are integers: microseconds since 1970-01-01T00:00:00Z, named ``*_us``."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from monitor.model.errors import InvalidInput

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = {"us": 1, "ms": 1_000, "s": SECOND_US, "m": MINUTE_US, "h": HOUR_US, "d": DAY_US, "w": 7 * DAY_US}
_DURATION = re.compile(r"(\d+)(us|ms|s|m|h|d|w)")


def from_us(instant_us: int) -> datetime:
    """The instant as an aware UTC datetime.

    >>> from_us(0).isoformat()
    '1970-01-01T00:00:00+00:00'
    """
    return _EPOCH + timedelta(microseconds=instant_us)


def to_us(instant: datetime) -> int:
    """Microseconds since the epoch of an aware datetime (a naive one is taken as UTC)."""
    aware = instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(microseconds=1)


def rfc3339(instant_us: int) -> str:
    """The instant as RFC 3339 in UTC, with as many fraction digits as it needs.

    >>> rfc3339(1_500_000)
    '1970-01-01T00:00:01.500000Z'
    >>> rfc3339(0)
    '1970-01-01T00:00:00Z'
    """
    return from_us(instant_us).isoformat().removesuffix("+00:00") + "Z"


def parse_instant(text: str, *, name: str = "time") -> int:
    """Microseconds since the epoch of an RFC 3339 date or date-time; without a zone it is UTC.

    >>> parse_instant("1970-01-01T00:00:02Z")
    2000000
    """
    try:
        return to_us(datetime.fromisoformat(text))
    except ValueError:
        raise InvalidInput(
            f"{name} {text[:40]!r} is not a time: expected RFC 3339 such as 2026-03-01T00:00:00Z", code="time"
        ) from None


def parse_duration(text: str, *, name: str = "duration") -> int:
    """Microseconds of a duration such as ``5m``, ``90s``, ``30d``.

    >>> parse_duration("5m")
    300000000
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise InvalidInput(
            f"{name} {text[:40]!r} is not a duration: expected a whole number and one of "
            "ms, s, m, h, d, w, such as 90s, 5m, 6h or 30d",
            code="duration",
        )
    return int(match[1]) * _UNITS[match[2]]


def parse_ahead(text: str, *, name: str, now_us: int) -> int:
    """The instant that a duration from now (``4h``) or a time (``2027-01-01``) names; it may lie behind.

    >>> parse_ahead("5m", name="until", now_us=1), parse_ahead("1970-01-01T00:00:02Z", name="until", now_us=1)
    (300000001, 2000000)
    """
    relative = text[-1:].isalpha() and not text.endswith("Z")
    return now_us + parse_duration(text, name=name) if relative else parse_instant(text, name=name)


def format_duration(duration_us: int) -> str:
    """The duration in its largest whole unit.

    >>> format_duration(7_200_000_000)
    '2h'
    """
    for unit in ("w", "d", "h", "m", "s", "ms"):
        if unit != "w" and duration_us % _UNITS[unit] == 0:
            return f"{duration_us // _UNITS[unit]}{unit}"
    return f"{duration_us}us"
