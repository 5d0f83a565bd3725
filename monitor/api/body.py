"""A request's JSON object, read strictly: no NaN, no NUL, no number beyond 64 bits, no bottomless nesting."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import Depends
from starlette.requests import Request

from monitor.model.errors import InvalidInput, Malformed, UnsupportedMedia

MAX_DEPTH = 32
_INT64 = 2**63


def media_type_is_json(request: Request) -> None:
    """Nothing, or ``UnsupportedMedia``; without a content type it is taken for JSON."""
    media_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise UnsupportedMedia(f"content type {media_type[:80]!r} is not taken here: expected application/json")


async def json_object(request: Request) -> dict[str, Any]:
    """The body as a JSON object; says what is wrong with it otherwise."""
    media_type_is_json(request)
    return decode_object(await request.body())


async def json_object_or_nothing(request: Request) -> dict[str, Any]:
    """The body as a JSON object; an empty one is an object without fields."""
    body = await request.body()
    if not body:
        return {}
    media_type_is_json(request)
    return decode_object(body)


def decode_object(body: bytes) -> dict[str, Any]:
    """The JSON object that ``body`` holds.

    >>> decode_object(b'{"task": "none"}')
    {'task': 'none'}
    """
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
