"""Answers that are large and whole: few enough at a time, and each sent as fast as its client reads.

A whole answer handed to the connection at once is copied there, and stays until the client has read it: some hundred
clients that ask for the longest pages and read nothing would hold gigabytes. Streams make each page when the last has
gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from starlette.types import Message, Send

from monitor.api.protocol import READ_SECONDS
from monitor.ingest.budget import ByteBudget, Lease

MAX_ANSWER_BYTES = 64 * 1024**2
PIECE_BYTES = 64 * 1024
READ_BYTES_PER_SECOND = 65_536  # the least rate at which a large answer is read
_OF_ITS_OWN = "/metrics"  # one page that all who scrape share: holding it costs nothing, and it must not be refused


def answer_budget() -> ByteBudget:
    """The bytes that large answers of one process may hold together."""
    return ByteBudget(MAX_ANSWER_BYTES, name="MAX_ANSWER_BYTES")


def held_answer(message: Message, *, path: str, budget: ByteBudget) -> Lease | None:
    """A lease of the answer to a GET that begins with the message, None for a small one; ``Unavailable`` where none is
    left. (Nothing else is refused: what was to be stored has been, and its answer is short.)
    """
    if path == _OF_ITS_OWN or message["status"] >= 400:
        return None
    size = _length(message.get("headers", ()))
    return budget.lease(size) if size > PIECE_BYTES else None


async def send_in_pieces(message: Message, *, send: Send, hurried: bool) -> bool:
    """Whether the body went out whole: piece by piece, each when the client has read those before.

    ``hurried``: only as long as it is read at ``READ_BYTES_PER_SECOND``, and a minute.
    """
    body, more = message["body"], message.get("more_body", False)
    try:
        async with asyncio.timeout(READ_SECONDS + len(body) / READ_BYTES_PER_SECOND if hurried else None):
            for start in range(0, len(body), PIECE_BYTES):
                end = start + PIECE_BYTES
                await send({**message, "body": body[start:end], "more_body": more or end < len(body)})
    except TimeoutError:
        return False
    return True


def _length(headers: Sequence[tuple[bytes, bytes]]) -> int:
    return next((int(value) for name, value in headers if name.lower() == b"content-length"), 0)
