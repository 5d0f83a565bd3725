"""The request's body: read under the byte budget and the size cap. Its deadline is the edge's (``api/edge.py``)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, cast

from monitor.ingest.budget import Lease
from monitor.ingest.limits import Limits
from monitor.model.errors import Malformed, TooLarge

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class ClientGone(Malformed):
    """The client went away before its body was whole; nobody reads the answer."""


async def read_body(
    receive: Receive, *, declared: str | None, lease: Lease, weight: int, limits: Limits
) -> bytes:  # fmt: skip
    """The whole body as sent, of which the lease holds ``weight`` times its size.

    ``receive`` is the ASGI callable, ``declared`` the ``Content-Length``, ``weight`` how many bytes of memory a
    byte of body stands for once it is decoded. While it arrives the lease holds what is there of it and no more: were
    it what was declared, a few clients that declare much and send little would hold the whole budget.
    """
    size = _declared(declared, limits)
    message = await receive()
    if not message.get("more_body", False) and message["type"] == "http.request":
        body: bytes = message.get("body", b"")
        lease.grow((_checked(len(body), limits) if size is None else size) * weight)
        return body
    body = await _rest(receive, message, lease=lease, limits=limits)
    lease.grow(len(body) * (weight - 1))
    return body


async def _rest(receive: Receive, message: MutableMapping[str, Any], *, lease: Lease, limits: Limits) -> bytes:
    """The pieces put together, each as it comes and while the processor still has it at hand.

    Joining them at the end reads all of them from memory once more: four times the cost.
    """
    whole = bytearray()
    while True:
        if message["type"] == "http.disconnect":
            raise ClientGone("the client went away before its body was whole")
        piece = message.get("body", b"")
        _checked(len(whole) + len(piece), limits)
        lease.grow(len(piece))
        whole += piece
        if not message.get("more_body", False):
            return cast("bytes", whole)  # whoever decodes it asks for no more than what both can do
        message = await receive()


def _declared(text: str | None, limits: Limits) -> int | None:
    if text is None:
        return None
    if not text.isdecimal():
        raise Malformed(f"Content-Length {text[:20]!r} is no number")
    return _checked(int(text), limits)


def _checked(size: int, limits: Limits) -> int:
    if size > limits.max_body_bytes:
        raise TooLarge(
            f"the body is over {limits.max_body_bytes} bytes (MAX_BODY_BYTES): send smaller or compressed ones"
        )
    return size
