"""JSON bodies and lines as Python records when the structs did not fit: msgspec first, then the standard library.

The standard library reads what strict JSON refuses (NaN, Infinity, 1e400, lone surrogates), so that such a
value costs only itself; its depth is checked before.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from monitor.ingest.structure import check_depth
from monitor.model.errors import InvalidInput, Malformed

_MAX_DIGITS = 400  # every float has fewer; Python refuses to print integers of over 4,300
_BLANK = re.compile(r"[ \t\n\r]*")
_FAST = msgspec.json.Decoder()
UNREADABLE = object()


def parse_body(body: bytes) -> list[Any]:
    """The records of ``{"records": [...]}``; ``Malformed`` when it is no JSON, ``InvalidInput`` when not that."""
    try:
        shape = _FAST.decode(body)
    except (msgspec.DecodeError, RecursionError, ValueError):
        shape = _slow(body)
    if not isinstance(shape, dict) or not isinstance(shape.get("records"), list):
        raise _no_records()
    records: list[Any] = shape["records"]
    return records


def _no_records(found: str = "the body holds no records") -> InvalidInput:
    return InvalidInput(
        f'{found}: expected {{"records": [Record, …]}}, or one Record a line with Content-Type application/x-ndjson',
        code="no_records",
    )


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


def scan_records(body: bytes) -> Iterator[tuple[Any, int]]:
    """The records of a large body that strict JSON refuses and their sizes: they are never all objects at once.

    ``Malformed`` and ``InvalidInput`` as ``parse_body``, at the latest behind the last record.
    """
    check_depth(body)
    try:
        text = body.decode()
        key, at = _SCAN(text, _behind(text, 0, "{"))
        at = _behind(text, at, ":")
        if key != "records" or text[at : at + 1] != "[":
            raise _no_records(f"{str(key)[:60]!r} comes first and is no list of records")
        at = _blank(text, at + 1)
        while text[at : at + 1] != "]":
            value, end = _SCAN(text, at)
            yield value, end - at
            at = _blank(text, end)
            if text[at : at + 1] != "]":
                at = _behind(text, at, ",")
                if text[at : at + 1] == "]":
                    raise ValueError(f"expected a record: character {at}")
        if _behind(text, at + 1, "}") != len(text):
            raise ValueError(f"expected nothing behind the records: character {at + 1}")
    except (ValueError, StopIteration, RecursionError) as error:
        raise Malformed(f"the body is not JSON: {str(error)[:200]}") from None


def _behind(text: str, at: int, mark: str) -> int:
    """Where the text goes on behind a mark and blanks."""
    at = _blank(text, at)
    if text[at : at + 1] != mark:
        raise ValueError(f"expected {mark!r}: character {at}")
    return _blank(text, at + 1)


def _blank(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return at if found is None else found.end()


def _slow(text: bytes) -> Any:
    check_depth(text)
    try:
        return json.loads(text, parse_int=_integer)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"the body is not JSON: {str(error)[:200]}") from None


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MAX_DIGITS else float(digits)


# (text, where a value begins) → (value, where it ends)
_SCAN: Callable[[str, int], tuple[Any, int]] = json.JSONDecoder(parse_int=_integer).scan_once  # type: ignore[attr-defined]
