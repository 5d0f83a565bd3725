"""JSON bodies and lines as Python records when the structs did not fit: msgspec first, then the standard library.

The standard library reads what strict JSON refuses (NaN, Infinity, 1e400, lone surrogates), so that such a
value costs only itself; its depth is checked before.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from monitor.ingest.limits import MAX_JSON_DEPTH
from monitor.model.errors import InvalidInput, Malformed

_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_MAX_DIGITS = 400  # every float has fewer; Python refuses to print integers of over 4,300
_FAST = msgspec.json.Decoder()
UNREADABLE = object()


def parse_body(body: bytes) -> list[Any]:
    """The records of ``{"records": [...]}``; ``Malformed`` when it is no JSON, ``InvalidInput`` when not that."""
    try:
        shape = _FAST.decode(body)
    except (msgspec.DecodeError, RecursionError, ValueError):
        shape = _slow(body)
    if not isinstance(shape, dict) or not isinstance(shape.get("records"), list):
        raise InvalidInput(
            'the body holds no records: expected {"records": [Record, …]}, '
            "or one Record a line with Content-Type application/x-ndjson",
            code="no_records",
        )
    records: list[Any] = shape["records"]
    return records


def parse_lines(lines: Sequence[bytes]) -> list[Any]:
    """A value a line; ``UNREADABLE`` for a line that is no JSON."""
    try:
        values = _FAST.decode_lines(b"\n".join(lines))
        if len(values) == len(lines):
            return values
    except (msgspec.DecodeError, RecursionError, ValueError):
        pass
    return [_line(line) for line in lines]


def _line(line: bytes) -> Any:
    try:
        return _FAST.decode(line)
    except (msgspec.DecodeError, RecursionError, ValueError):
        pass
    try:
        return _slow(line)
    except Malformed:
        return UNREADABLE


def _slow(text: bytes) -> Any:
    check_depth(text)
    try:
        return json.loads(text, parse_int=_integer)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"the body is not JSON: {str(error)[:200]}") from None


def check_depth(text: bytes) -> None:
    """``Malformed`` where brackets nest deeper than the limit (strings left out, one pass in C)."""
    bare = np.frombuffer(_STRINGS.sub(b"", text), np.uint8)
    opened = (bare == ord("[")) | (bare == ord("{"))
    closed = (bare == ord("]")) | (bare == ord("}"))
    depth = int(np.cumsum(opened.astype(np.int64) - closed).max(initial=0))
    if depth > MAX_JSON_DEPTH:
        raise Malformed(f"the JSON nests {depth} deep: expected at most {MAX_JSON_DEPTH}")


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MAX_DIGITS else float(digits)
