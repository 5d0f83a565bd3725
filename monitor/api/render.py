"""JSON, CSV and Arrow answers; a number that is not finite is null, for JSON has no other word for it."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from monitor.model.errors import InvalidInput

_INT64 = 2**63


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, tuple | set | frozenset):
        return list(value)
    raise NotImplementedError(f"{type(value).__name__} has no JSON form")


_ENCODER = msgspec.json.Encoder(enc_hook=_plain)


def encode_json(value: Any) -> bytes:
    """The value as JSON; NaN and infinities are null, lone surrogates are escaped.

    >>> encode_json({"a": float("nan"), "b": [1.5]})
    b'{"a":null,"b":[1.5]}'
    """
    try:
        return _ENCODER.encode(value)
    except UnicodeEncodeError:
        # a lone surrogate has no UTF-8; the ASCII escape of JSON carries it (RFC 8259, section 8.2)
        return json.dumps(value, allow_nan=False, default=_plain).encode("ascii")


def answer(
    value: Any, *, status: int = 200, etag: str | None = None, headers: dict[str, str] | None = None
) -> Response:
    """A JSON response, with an ``ETag`` where the thing has a revision."""
    given = dict(headers or {})
    if etag is not None:
        given["ETag"] = etag
    return Response(encode_json(value), status, given, "application/json")


def page(results: Sequence[Any], *, following: Sequence[Any] | None) -> Response:
    """``{"results", "next"}``; ``following`` is the key the next page begins after."""
    return answer({"results": list(results), "next": encode_cursor(following) if following is not None else None})


def encode_cursor(key: Sequence[Any]) -> str:
    """The opaque text of a keyset position.

    >>> decode_cursor(encode_cursor(["churn", 7]), kinds=(str, int))
    ['churn', 7]
    """
    return base64.urlsafe_b64encode(msgspec.json.encode(list(key))).decode("ascii").rstrip("=")


def decode_cursor(text: str, *, kinds: tuple[type, ...]) -> list[Any]:
    """The keyset position a client gave back; ``InvalidInput`` if it is not one of ours."""
    try:
        key = msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        fits = isinstance(key, list) and len(key) == len(kinds)
        if not fits or not all(_fits(part, kind) for part, kind in zip(key, kinds, strict=True)):
            raise ValueError
    except (ValueError, msgspec.MsgspecError, RecursionError):
        raise InvalidInput(
            f"cursor {text[:40]!r} is not known: expected the 'next' of the page before; begin again without it",
            code="cursor",
        ) from None
    return list(key)


def _fits(part: Any, kind: type) -> bool:
    if kind is int:
        return type(part) is int and -_INT64 <= part < _INT64
    return isinstance(part, kind) and (not isinstance(part, str) or "\0" not in part)


def next_link(request: Request, *, cursor: str) -> dict[str, str]:
    """The ``Link`` header of the next page (RFC 8288), relative to the page it is on."""
    query = request.url.include_query_params(cursor=cursor).query
    return {"Link": f'<?{query}>; rel="next"'}


def accepted(request: Request, *, offered: Sequence[str]) -> str:
    """The media type to answer in: the first offered one that ``Accept`` names, else the first offered.

    Quality values decide among several; ``*/*`` and an absent header mean the first.
    """
    header = request.headers.get("accept", "")
    wanted: list[tuple[float, int, str]] = []
    for position, part in enumerate(header.split(",")):
        name, _, parameters = part.strip().partition(";")
        wanted.append((-_quality(parameters), position, name.strip().lower()))
    for quality, _, name in sorted(wanted):
        if quality == 0:
            continue
        matching = next((o for o in offered if _covers(name, o)), None)
        if matching is not None:
            return matching
    return offered[0]


def _quality(parameters: str) -> float:
    for parameter in parameters.split(";"):
        key, _, value = parameter.strip().partition("=")
        if key == "q":
            try:
                return min(max(float(value), 0.0), 1.0)
            except ValueError:
                return 0.0
    return 1.0


def _covers(name: str, offered: str) -> bool:
    return name in ("*/*", offered) or (name.endswith("/*") and offered.startswith(name[:-1]))
