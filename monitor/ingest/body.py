"""The request's body: read under the byte budget, the size caps and a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, cast

from monitor.ingest.budget import Lease
from monitor.ingest.limits import Limits
from monitor.model.errors import Malformed, TooLarge, Unavailable

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class ClientGone(Malformed):
    """The client went away before its body was whole; nobody reads the answer."""


async def read_body(
    receive: Receive, *, declared: str | None, lease: Lease, weight: int, limits: Limits
) -> bytes:  # fmt: skip
    """The whole body as sent; every byte is in the budget before it is read where its size is declared.

    ``receive`` is the ASGI callable, ``declared`` the ``Content-Length``, ``weight`` how many bytes of memory a
    byte of body stands for.
    """
    size = _declared(declared, limits)
    if size is not None:
        lease.grow(size * weight)
    message = await receive()
    if not message.get("more_body", False) and message["type"] == "http.request":
        body: bytes = message.get("body", b"")
        if size is None:
            lease.grow(_checked(len(body), limits) * weight)
        return body
    try:
        async with asyncio.timeout(limits.body_seconds):
            return await _rest(receive, message, granted=size, lease=lease, weight=weight, limits=limits)
    except TimeoutError:
        raise Unavailable(
            f"the body did not arrive within {limits.body_seconds:g} seconds: send again, in smaller requests"
        ) from None


async def _rest(
    receive: Receive, message: MutableMapping[str, Any], *, granted: int | None,
    lease: Lease, weight: int, limits: Limits,
) -> bytes:  # fmt: skip
    whole = _Whole(granted)
    size = 0
    while True:
        if message["type"] == "http.disconnect":
            raise ClientGone("the client went away before its body was whole")
        piece = message.get("body", b"")
        size = _checked(size + len(piece), limits)
        if granted is None:
            lease.grow(len(piece) * weight)
        whole.add(piece)
        if not message.get("more_body", False):
            return whole.taken()
        message = await receive()


class _Whole:
    """Pieces put together: where the size was declared, each as it comes and while the processor still has it at hand.

    Joining them at the end reads all of them from memory once more: for 2 MB 0.45 ms instead of 0.28.
    """

    def __init__(self, declared: int | None) -> None:
        self._pieces: list[bytes] = []
        self._room = bytearray(declared or 0)
        self._filled = 0

    def add(self, piece: bytes) -> None:
        end = self._filled + len(piece)
        if end > len(self._room) or self._pieces:  # of no declared size
            self._pieces.append(piece)
            return
        with memoryview(self._room) as room:
            room[self._filled : end] = piece
        self._filled = end

    def taken(self) -> bytes:
        if self._pieces or self._filled < len(self._room):
            return b"".join([memoryview(self._room)[: self._filled], *self._pieces])
        return cast("bytes", self._room)  # whoever decodes it asks for no more than what both can do


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
