"""JSON and NDJSON bodies as slices of decoded records, by the schema's structs where they fit.

Slices hold 1,000 records or 4 MiB of them, so that a large body is never all Python objects at once, and a record
that does not fit sends only its own slice the general way.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import msgspec

from monitor.columns.quarantine import Quarantined, reason_message
from monitor.columns.text import json_text
from monitor.ingest.limits import MAX_JSON_DEPTH, Limits, TooManyRecords
from monitor.ingest.parse_json import UNREADABLE, parse_body, parse_lines, scan_records
from monitor.ingest.shapes import Shapes, put_first
from monitor.ingest.structure import (
    check_depth,
    check_line,
    check_values,
    may_be_deep,
    refuse_depth,
    structure_of,
)
from monitor.model.errors import InvalidInput, Malformed

SLICE_RECORDS = 1_000
SLICE_BYTES = 4 << 20
_TOO_DEEP = b"!"  # no JSON, as a line that nests too deep is taken for
_WHOLE_BYTES = 2 << 20  # bodies up to this are decoded in one go: their objects fit


class _RawBody(msgspec.Struct):
    records: list[msgspec.Raw]


_RAW_BODY = msgspec.json.Decoder(_RawBody)
T = TypeVar("T", bytes, msgspec.Raw)
_NOT_JSON = (msgspec.DecodeError, RecursionError, ValueError)


@dataclass(slots=True)
class Slice:
    """Records from ``first`` on: ``structs`` of the plan, or ``values`` of any shape; one of them is None.

    ``texts`` gives the records' own JSON texts where structs or lines need them: to keep one that cannot be used.
    """

    first: int
    structs: Sequence[Any] | None = None
    values: Sequence[Any] | None = None
    texts: Callable[[], Sequence[bytes | msgspec.Raw]] = tuple


def json_slices(body: bytes, *, plan: Shapes | None, limits: Limits) -> Iterator[Slice]:
    """The slices of an ``application/json`` body."""
    if len(body) <= _WHOLE_BYTES:
        structs = _shallow_structs(body, plan)
        if structs is not None:
            _check_count(len(structs), limits)
            for first in range(0, len(structs), SLICE_RECORDS):
                part = structs if len(structs) <= SLICE_RECORDS else structs[first : first + SLICE_RECORDS]
                yield Slice(first, structs=part, texts=partial(_texts, body, first))
            return
        values = parse_body(body)
        _check_count(len(values), limits)
        yield from _cut(values)
        return
    structure = structure_of(body, level=2)
    refuse_depth(structure.depth)
    _check_count(structure.elements, limits)
    check_values(structure.largest)
    try:
        raws = _RAW_BODY.decode(body).records
    except _NOT_JSON:
        yield from _scanned(body)
        return
    _check_count(len(raws), limits)
    first = 0
    for raw_part in _portions(raws):
        joined = b"[" + b",".join(raw_part) + b"]"
        structs = None if plan is None else _list_structs(joined, plan)
        if structs is not None:
            yield Slice(first, structs=structs, texts=partial(list, raw_part))
        else:
            yield Slice(first, values=parse_body(b'{"records":' + joined + b"}"))
        first += len(raw_part)


def ndjson_slices(body: bytes, *, plan: Shapes | None, limits: Limits) -> Iterator[Slice]:
    """The slices of an ``application/x-ndjson`` body; blank lines are nothing."""
    ends = body.count(b"\n")
    if ends > 2 * limits.max_records:  # a blank line behind each may be; objects for more are not made
        raise TooManyRecords(ends, limits=limits)
    lines = [line for line in body.split(b"\n") if line and not line.isspace()]
    _check_count(len(lines), limits)
    first = 0
    for part in _portions(lines):
        for line in part:
            check_line(line)
        shallow = [_TOO_DEEP if _nests_too_deep(line) else line for line in part]
        structs = None if plan is None else line_structs(b"\n".join(shallow), plan)
        if structs is not None:
            yield Slice(first, structs=structs, texts=partial(list, part))
        else:
            yield Slice(first, values=parse_lines(shallow), texts=partial(list, part))
        first += len(part)


def _nests_too_deep(line: bytes) -> bool:
    return may_be_deep(line) and structure_of(line, level=0).depth > MAX_JSON_DEPTH


def _portions(texts: Sequence[T]) -> Iterator[Sequence[T]]:
    """Records' texts in order, at most ``SLICE_RECORDS`` and about ``SLICE_BYTES`` together."""
    begin = held = 0
    for at, text in enumerate(texts):
        size = len(memoryview(text))
        if at > begin and (at - begin == SLICE_RECORDS or held + size > SLICE_BYTES):
            yield texts[begin:at]
            begin, held = at, 0
        held += size
    yield texts[begin:]


def _scanned(body: bytes) -> Iterator[Slice]:
    first = held = 0
    values: list[Any] = []
    for value, size in scan_records(body):
        if values and (len(values) == SLICE_RECORDS or held + size > SLICE_BYTES):
            yield Slice(first, values=values)
            first, held, values = first + len(values), 0, []
        values.append(value)
        held += size
    if not values:
        raise _empty()
    yield Slice(first, values=values)


def _check_count(count: int, limits: Limits) -> None:
    if count == 0:
        raise _empty()
    if count > limits.max_records:
        raise TooManyRecords(count, limits=limits)


def _empty() -> InvalidInput:
    return InvalidInput("the body holds no record: expected at least one", code="empty")


def _cut(values: Sequence[Any]) -> Iterator[Slice]:
    for first in range(0, len(values), SLICE_RECORDS):
        yield Slice(first, values=values if len(values) <= SLICE_RECORDS else values[first : first + SLICE_RECORDS])


def _texts(body: bytes, first: int) -> Sequence[msgspec.Raw]:
    return _RAW_BODY.decode(body).records[first : first + SLICE_RECORDS]


def _shallow_structs(body: bytes, plan: Shapes | None) -> Sequence[Any] | None:
    """The records by the plan's structs, or None, of a body that nests no deeper than the limit.

    What closed shapes decode needs no look for that, which is a seventh of what ingest of such a body costs.
    """
    closed = plan is not None and plan.closed
    if not closed:
        check_depth(body)
    structs = None if plan is None else body_structs(body, plan)
    if closed and structs is None:
        check_depth(body)
    return structs


def body_structs(body: bytes, plan: Shapes) -> Sequence[Any] | None:
    """The records of ``{"records": […]}`` by the plan's structs; None when they do not all fit one of its shapes."""
    for shape in plan.shapes:
        try:
            decoded: Any = shape.body.decode(body)
        except _NOT_JSON:
            continue
        put_first(plan, shape)
        records: Sequence[Any] = decoded.records
        return records
    return None


def line_structs(body: bytes, plan: Shapes) -> Sequence[Any] | None:
    """The records of lines by the plan's structs; None when they do not all fit, or are not one a line."""
    lines = sum(1 for line in body.split(b"\n") if line and not line.isspace())
    for shape in plan.shapes:
        try:
            records: Sequence[Any] = shape.line.decode_lines(body)
        except _NOT_JSON:
            continue
        if len(records) == lines:
            put_first(plan, shape)
            return records
    return None


def _list_structs(text: bytes, plan: Shapes) -> Sequence[Any] | None:
    for shape in plan.shapes:
        try:
            records: Sequence[Any] = shape.list.decode(text)
        except _NOT_JSON:
            continue
        put_first(plan, shape)
        return records
    return None


def with_raw_text(quarantined: Iterable[Quarantined], cut: Slice) -> list[Quarantined]:
    """The records of a slice of structs with what was sent."""
    texts = cut.texts()
    return [replace(q, raw=json_text(json.loads(bytes(texts[q.index])))) for q in quarantined]


def readable_records(cut: Slice) -> tuple[list[Any], list[int], list[Quarantined]]:
    """The values of a slice, their places in it, and the lines that are no JSON."""
    values = list(cut.values or ())
    texts = cut.texts()
    unreadable = [
        _unreadable(i, bytes(texts[i]).decode("utf-8", "backslashreplace"))
        for i, v in enumerate(values) if v is UNREADABLE
    ]  # fmt: skip
    if not unreadable:
        return values, list(range(len(values))), []
    readable = [i for i, v in enumerate(values) if v is not UNREADABLE]
    return [values[i] for i in readable], readable, unreadable


def _unreadable(position: int, line: str) -> Quarantined:
    return Quarantined(index=position, code="malformed", field="line", raw=json_text(line),
                       message=reason_message("malformed", field="line", found=line))  # fmt: skip


def check_readable(quarantined: Sequence[Quarantined]) -> None:
    """``Malformed`` where no line of a body without usable records is JSON."""
    if quarantined and all(q.code == "malformed" for q in quarantined):
        raise Malformed("no line of the body is JSON: expected one Record a line")
