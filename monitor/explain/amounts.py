"""Amounts as people read them: shares, values with their unit, times of day, spans, counts with their noun."""

from __future__ import annotations

import math

from monitor.model.schema import TIME_UNITS
from monitor.model.time import DAY_US, HOUR_US, MINUTE_US

_MOST_DIGITS = 9
_FEW = 20  # from here on a share says more than a count
_YEAR_DAYS = 365.25
_MONTH_DAYS = 30.0


def share_text(ratio: float, *, decimals: int | None = None) -> str:
    """A ratio in percent; never 0 % or 100 % for what is not all or nothing.

    >>> [share_text(ratio) for ratio in (0.0, 0.00004, 0.0042, 0.042, 0.314, 0.9996, 1.0)]
    ['0 %', 'under 0.01 %', '0.42 %', '4.2 %', '31 %', 'over 99.9 %', '100 %']
    """
    if ratio in (0.0, 1.0):
        return f"{100 * ratio:.0f} %"
    if ratio < 0.0001:
        return "under 0.01 %"
    if ratio > 0.999:
        return "over 99.9 %"
    usual = 2 if ratio < 0.01 else 1 if ratio < 0.1 or ratio > 0.99 else 0
    return f"{100 * ratio:.{usual if decimals is None else max(usual, decimals)}f} %"


def share_pair(reference: float, current: float) -> tuple[str, str]:
    """Two ratios in percent, with as many digits as tell them apart.

    >>> share_pair(0.31, 0.45), share_pair(0.3111, 0.3122)
    (('31 %', '45 %'), ('31.1 %', '31.2 %'))
    """
    texts = "", ""
    for decimals in range(4):
        texts = share_text(reference, decimals=decimals), share_text(current, decimals=decimals)
        if texts[0] != texts[1] or reference == current:
            break
    return texts


def number_text(value: float, *, digits: int = 3) -> str:
    """A number to so many significant digits, whole ones whole, thousands apart.

    >>> [number_text(value) for value in (0.0, 78.08, 1024.4, 0.012345, 1234567.8, -3.0, 1e-9)]
    ['0', '78.1', '1,024', '0.0123', '1,234,568', '-3', '1e-09']
    """
    size = abs(value)
    if size and (size < 1e-4 or size >= 1e9):
        return f"{value:.{digits}g}"
    before = math.floor(math.log10(size)) + 1 if size else 1
    text = f"{value:,.{max(digits - before, 0)}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def time_of_day(value: float, *, unit: str) -> str | None:
    """The number as a time of day by its unit; None where the unit counts no time of day, or the number is none.

    >>> time_of_day(14.25, unit="hour of day"), time_of_day(1525, unit="hhmm"), time_of_day(30, unit="hour of day")
    ('14:15', '15:25', None)
    """
    if unit not in TIME_UNITS:
        return None
    if unit == "hhmm":
        hours, minutes = divmod(round(value), 100)
        total = hours * 60 + min(minutes, 59)
    else:
        total = round(value * TIME_UNITS[unit])
    return f"{total // 60:02d}:{total % 60:02d}" if 0 <= total <= 24 * 60 else None


def value_text(value: float, *, unit: str = "", digits: int = 3) -> str:
    """A value with its unit.

    >>> value_text(35.12, unit="°F"), value_text(14.5, unit="hour of day"), value_text(3.0)
    ('35.1 °F', '14:30', '3')
    """
    clock = time_of_day(value, unit=unit)
    if clock is not None:
        return clock
    text = number_text(value, digits=digits)
    return f"{text} {unit}" if unit and unit not in TIME_UNITS else text


def value_pair(reference: float, current: float, *, unit: str = "") -> tuple[str, str]:
    """Two values, with as many digits as tell them apart, both to the same decimal; the unit behind the second.

    >>> value_pair(35.1, 78.08, unit="°F"), value_pair(1000.02, 1000.04), value_pair(-0.001, 1.07)
    (('35.1', '78.1 °F'), ('1,000.02', '1,000.04'), ('0.00', '1.07'))
    """
    clocks = time_of_day(reference, unit=unit), time_of_day(current, unit=unit)
    if clocks[0] is not None and clocks[1] is not None:
        return clocks[0], clocks[1]
    bare = "" if unit in TIME_UNITS else unit
    largest = max(abs(reference), abs(current))
    if largest and (largest < 1e-3 or largest >= 1e9):
        return f"{reference:.3g}", f"{current:.3g} {bare}".rstrip()
    whole = reference == round(reference) and current == round(current)
    least = 0 if whole else max(2 - math.floor(math.log10(largest)), 0) if largest else 0
    texts = "", ""
    for decimals in range(least, least + _MOST_DIGITS):
        texts = _rounded(reference, decimals=decimals), _rounded(current, decimals=decimals)
        if texts[0] != texts[1] or reference == current:
            break
    return texts[0], f"{texts[1]} {bare}".rstrip()


def _rounded(value: float, *, decimals: int) -> str:
    """The value to so many decimals; no minus before a zero."""
    return f"{round(value, decimals) + 0.0:,.{decimals}f}"


def part_text(count: int, total: int, *, of: str) -> str:
    """So many of so many: in percent, few ones by their count.

    >>> part_text(310, 1000, of="rows"), part_text(1, 120, of="rows"), part_text(7, 7, of="values")
    ('31 % of rows', '1 of 120 rows', '100 % of values')
    """
    if 0 < count < min(_FEW, total):
        return f"{count:,} of {total:,} {of}"
    return f"{share_text(count / max(total, 1))} of {of}"


def score_text(score: float) -> str:
    """A score such as a surprise: one decimal, two significant digits where it is small.

    >>> score_text(12.345), score_text(0.0423), score_text(0.0)
    ('12.3', '0.042', '0.0')
    """
    return f"{score:.1f}" if score == 0.0 or abs(score) >= 1.0 else f"{score:.2g}"


def count_text(count: int, noun: str) -> str:
    """A count with its noun.

    >>> count_text(1, "row"), count_text(1024, "row"), count_text(0, "column")
    ('1 row', '1,024 rows', '0 columns')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def span_text(span_us: float) -> str:
    """A span of time in its fitting unit, rounded.

    >>> [span_text(days * DAY_US) for days in (0.25, 1, 20, 59, 200, 1461)]
    ['6 hours', '24 hours', '20 days', '59 days', '7 months', '4 years']
    """
    days = span_us / DAY_US
    for below, unit, of in (
        (2 * HOUR_US, "minute", span_us / MINUTE_US), (2 * DAY_US, "hour", span_us / HOUR_US),
        (90 * DAY_US, "day", days), (2 * _YEAR_DAYS * DAY_US, "month", days / _MONTH_DAYS),
    ):  # fmt: skip
        if span_us < below:
            return count_text(max(round(of), 1), unit)
    return count_text(round(days / _YEAR_DAYS), "year")


def listing(names: list[str], *, most: int = 5) -> str:
    """Names in a row, the last behind "and"; of more than ``most`` how many are left out.

    >>> listing(["a"]), listing(["a", "b", "c"]), listing(["a", "b", "c", "d"], most=2)
    ('a', 'a, b and c', 'a, b and 2 more')
    """
    shown = names if len(names) <= most else [*names[:most], f"{len(names) - most:,} more"]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}" if shown else ""
