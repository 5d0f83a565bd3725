"""Timestamps of every form a record may carry, as microseconds since the epoch.

RFC 3339 (also with a space; without a zone UTC, counted), integers of 10, 13, 16 or 19 digits (s, ms, µs,
ns), numbers with a fraction (seconds), Arrow dates and timestamps; 1970 to 2200. An integral float is the
integer it equals, so that a value means the same in every media type.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from monitor.columns.batch import TIMESTAMP_TYPE
from monitor.model.time import SECOND_US, to_us

READABLE, MISSING, UNREADABLE, OUT_OF_RANGE = 0, 1, 2, 3
LATEST_US = 7_258_118_400 * SECOND_US  # 2200-01-01T00:00:00Z, exclusive

_RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\d(?:[Tt ]\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?(Z|z|[+-]\d\d(?::?\d\d)?)?)?", re.ASCII
)
_INTEGER = re.compile(r"-?\d{1,40}", re.ASCII)
_FRACTION = re.compile(r"-?\d{1,40}\.\d{1,40}", re.ASCII)
# Digits → how many microseconds a unit is (below 1: nanoseconds are divided).
_DIGITS = {10: SECOND_US, 13: 1_000, 16: 1}


@dataclass(frozen=True, slots=True)
class Instants:
    """``us`` int64[n] (meaningful where ``state`` is READABLE), ``state`` int8[n], ``naive`` without a zone."""

    us: NDArray[np.int64]
    state: NDArray[np.int8]
    naive: int = 0


def instant_of(value: Any) -> tuple[int, int, bool]:
    """``(us, state, naive)`` of one sent value.

    >>> instant_of("1970-01-01 00:00:01"), instant_of(1_700_000_000_000), instant_of(12)
    ((1000000, 0, True), (1700000000000000, 0, False), (0, 2, False))
    """
    if value is None:
        return 0, MISSING, False
    if isinstance(value, str):
        match = _RFC3339.fullmatch(value)
        if match is not None:
            return _rfc3339(value, naive=match[1] is None)
        if _INTEGER.fullmatch(value):
            return _integer(int(value))
        return _number(float(value)) if _FRACTION.fullmatch(value) else (0, UNREADABLE, False)
    if isinstance(value, bool):
        return 0, UNREADABLE, False
    if isinstance(value, int):
        return _integer(value)
    return _number(value) if isinstance(value, float) else (0, UNREADABLE, False)


def parse_instants(array: pa.Array, *, form: str = "typed") -> Instants:
    """The instants of a whole sent column, vectorised; Python reads distinct odd values only."""
    kind = array.type
    if form == "json":
        return _distinct(array, texts=True)
    if pa.types.is_string(kind):
        return _strings(array)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return _arrow_times(array)
    if pa.types.is_integer(kind):
        return _integers(array)
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _floats(array)
    missing = array.is_null().to_numpy(zero_copy_only=False)
    return Instants(np.zeros(len(array), np.int64), np.where(missing, MISSING, UNREADABLE).astype(np.int8))


def _rfc3339(text: str, *, naive: bool) -> tuple[int, int, bool]:
    try:
        us = to_us(datetime.fromisoformat(text.upper()))
    except ValueError:
        return 0, UNREADABLE, False
    except OverflowError:  # an offset that leads out of the years 1 to 9999
        return 0, OUT_OF_RANGE, False
    return us, _range(us), naive


def _integer(value: int) -> tuple[int, int, bool]:
    digits = len(str(abs(value))) if abs(value) < 1 << 64 else 20
    if digits == 19:
        return value // 1_000, _range(value // 1_000), False
    if digits not in _DIGITS:
        return 0, UNREADABLE, False
    us = value * _DIGITS[digits]
    return us, _range(us), False


def _number(value: float) -> tuple[int, int, bool]:
    if value != value or value in (float("inf"), float("-inf")):
        return 0, UNREADABLE, False
    if value.is_integer():
        return _integer(int(value))
    if abs(value) >= LATEST_US:
        return 0, OUT_OF_RANGE, False
    us = round(value * SECOND_US)
    return us, _range(us), False


def _range(us: int) -> int:
    return READABLE if 0 <= us < LATEST_US else OUT_OF_RANGE


def _checked(us: NDArray[np.int64], missing: NDArray[np.bool_], *, naive: int = 0) -> Instants:
    state = np.where((us >= 0) & (us < LATEST_US), READABLE, OUT_OF_RANGE).astype(np.int8)
    state[missing] = MISSING
    return Instants(us, state, naive)


def _arrow_times(array: pa.Array) -> Instants:
    missing = array.is_null().to_numpy(zero_copy_only=False)
    naive = 0 if pa.types.is_timestamp(array.type) and array.type.tz else len(array) - array.null_count
    if pa.types.is_date(array.type):
        array = array.cast(pa.date32()).cast(pa.timestamp("s"))
    counts = array.cast(pa.int64()).fill_null(0).to_numpy()
    if array.type.unit == "ns":
        return _checked(counts // 1_000, missing, naive=naive)
    unit = {"s": SECOND_US, "ms": 1_000, "us": 1}[array.type.unit]
    too_far = np.abs(counts) > LATEST_US // unit  # before multiplying, which could overflow
    us = np.where(too_far, np.int64(-1), counts) * np.where(too_far, 1, unit)
    return _checked(us, missing, naive=naive)


def _integers(array: pa.Array) -> Instants:
    if pa.types.is_unsigned_integer(array.type) and array.type.bit_width == 64:
        return _distinct(array)
    missing = array.is_null().to_numpy(zero_copy_only=False)
    values = array.cast(pa.int64()).fill_null(0).to_numpy()
    us = np.full(len(values), -1, np.int64)
    known = np.zeros(len(values), np.bool_)
    size = np.abs(np.maximum(values, -(2**63 - 1)))  # the smallest integer has no absolute value
    for digits, factor in (*_DIGITS.items(), (19, 0)):
        fits = (size >= 10 ** (digits - 1)) & (size < 10**digits if digits < 19 else size > 0)
        us[fits] = values[fits] * factor if factor else values[fits] // 1_000
        known |= fits
    found = _checked(us, missing)
    found.state[~known & ~missing] = UNREADABLE
    return found


def _floats(array: pa.Array) -> Instants:
    values = pc.cast(array, pa.float64(), safe=False).fill_null(0.0).to_numpy()
    fraction = np.isfinite(values) & (values != np.trunc(values)) & (np.abs(values) < LATEST_US / SECOND_US)
    if not fraction.all():  # integral ones follow the digits, the rest is rare: distinct values in Python
        return _distinct(array)
    return _checked(np.rint(values * SECOND_US).astype(np.int64), np.zeros(len(values), np.bool_))


def _strings(array: pa.Array) -> Instants:
    missing = array.is_null().to_numpy(zero_copy_only=False)
    for kind in (TIMESTAMP_TYPE, pa.timestamp("us"), pa.timestamp("ns", tz="UTC"), pa.timestamp("ns")):
        try:
            times = pc.cast(array, kind)
        except pa.ArrowInvalid:
            continue
        naive = 0 if kind.tz else len(array) - array.null_count
        us = times.cast(pa.int64()).fill_null(0).to_numpy()
        return _checked(us // 1_000 if kind.unit == "ns" else us, missing, naive=naive)
    return _distinct(array)


def _distinct(array: pa.Array, *, texts: bool = False) -> Instants:
    encoded = array.dictionary_encode()
    values: Sequence[Any] = encoded.dictionary.to_pylist()
    read = [instant_of(json.loads(v) if texts else v) for v in values] or [(0, MISSING, False)]
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    us = np.array([r[0] if r[1] == READABLE else 0 for r in read], np.int64)[codes]
    state = np.array([r[1] for r in read], np.int8)[codes]
    naive = np.array([r[2] for r in read], np.bool_)[codes]
    state[codes < 0] = MISSING
    return Instants(us, state, int(naive[codes >= 0].sum()))
