"""A request's JSON object, read strictly: no NaN, no NUL, no number beyond 64 bits, no bottomless nesting.

It is read under the budget of bytes in flight, and held there until the answer has gone.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import msgspec
from fastapi import Depends
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from monitor.api.services import Parts, Services
from monitor.ingest.body import read_body
from monitor.ingest.limits import JSON_WEIGHT
from monitor.model.errors import InvalidInput, Malformed, UnsupportedMedia

MAX_DEPTH = 32
MAX_VALUES = 1_000_000  # keys too
VALUE_BYTES = 100  # what one of them takes once it is decoded, a list of nothing for instance
_INT64 = 2**63
_MANY = 10_000  # values and keys take a megabyte: fewer are not counted again
_PIECE_BYTES = 200  # what is between two texts, while they are left out: measured, 170
_QUICK_BYTES = 65_536  # decoded at once: more would hold up whoever else is served
# Goes back nowhere and takes a text without an end to the end: its time and memory grow with the body and no faster.
_TEXT = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)


def media_type_is_json(request: Request) -> None:
    """Nothing, or ``UnsupportedMedia``; without a content type it is taken for JSON."""
    media_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise UnsupportedMedia(f"content type {media_type[:80]!r} is not taken here: expected application/json")
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise UnsupportedMedia(f"content encoding {encoding[:40]!r} is not taken here: send the JSON as it is")


@asynccontextmanager
async def held_body(request: Request, *, services: Services) -> AsyncIterator[bytes]:
    """The whole body, and the bytes that it and what is made of it take, until the block ends.

    ``Unavailable`` where the budget has not that much left.
    """
    ingest = services.ingest
    with ingest.budget.lease(0) as lease:
        body = await read_body(
            request.receive, declared=request.headers.get("content-length"), lease=lease, weight=JSON_WEIGHT,
            limits=ingest.receiver.limits,
        )  # fmt: skip
        lease.grow(await _most_values(body) * VALUE_BYTES)
        yield body


async def json_object(request: Request, services: Parts) -> AsyncIterator[dict[str, Any]]:
    """The body as a JSON object; says what is wrong with it otherwise."""
    media_type_is_json(request)
    async with held_body(request, services=services) as body:
        yield await _decoded(body)


async def json_object_or_nothing(request: Request, services: Parts) -> AsyncIterator[dict[str, Any]]:
    """The body as a JSON object; an empty one is an object without fields."""
    async with held_body(request, services=services) as body:
        if body:
            media_type_is_json(request)
        yield await _decoded(body) if body else {}


async def _decoded(body: bytes) -> dict[str, Any]:
    return decode_object(body) if len(body) <= _QUICK_BYTES else await run_in_threadpool(decode_object, body)


def _separators(body: bytes) -> int:
    """At least the number of values and keys, for each has one of these before it (those within texts count too)."""
    return sum(body.count(mark) for mark in (b",", b":", b"[", b"{"))


def _separators_outside_texts(body: bytes) -> int:
    return _separators(_TEXT.sub(b"", body))


async def _most_values(body: bytes) -> int:
    """At least the number of values and keys of a body that is held: where it seems to be large, without the texts.

    Unless the texts are many and short: each is a piece of its own while they are left out, all in what is held.
    """
    found = _separators(body)
    if found <= _MANY or body.count(b'"') // 2 * _PIECE_BYTES > len(body) * JSON_WEIGHT:
        return found
    if len(body) <= _QUICK_BYTES:
        return _separators_outside_texts(body)
    return await run_in_threadpool(_separators_outside_texts, body)


def refuse_too_many_values(body: bytes) -> None:
    """Nothing, or ``InvalidInput`` for more values and keys than ``MAX_VALUES``, before any of them is made."""
    if _separators(body) <= MAX_VALUES:
        return
    found = _separators_outside_texts(body)
    if found > MAX_VALUES:
        raise InvalidInput(
            f"the body has {found:,} values and keys: expected at most {MAX_VALUES:,}; send it in several requests"
        )


def decode_object(body: bytes) -> dict[str, Any]:
    """The JSON object that ``body`` holds.

    >>> decode_object(b'{"task": "none"}')
    {'task': 'none'}
    """
    refuse_too_many_values(body)
    try:
        value = msgspec.json.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        found = "nothing" if not body.strip() else str(error)
        raise Malformed(f"the body is not JSON ({found}): expected an object such as {{}}") from None
    if not isinstance(value, dict):
        raise InvalidInput(f"the body is a JSON {_kind(value)}: expected an object")
    _refuse_the_unstorable(value)
    return value


def _refuse_the_unstorable(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for outer in level for inner in _parts(outer)]
        if not level:
            return
        for inner in level:
            if isinstance(inner, str) and "\0" in inner:
                raise InvalidInput("the body has a text with a NUL character: expected text without it")
            if type(inner) is int and not -_INT64 <= inner < _INT64:
                raise InvalidInput(f"the body has the whole number {str(inner)[:40]}: expected at most 64 bits")
    raise InvalidInput(f"the body is nested deeper than {MAX_DEPTH}: expected a flatter object")


def _parts(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    return value if isinstance(value, list) else []


def _kind(value: Any) -> str:
    return {list: "array", str: "string", bool: "boolean", type(None): "null"}.get(type(value), "number")


JsonObject = Annotated[dict[str, Any], Depends(json_object)]
JsonObjectOrNothing = Annotated[dict[str, Any], Depends(json_object_or_nothing)]
