"""A file on its way in: streamed to the data directory, counted and digested, removed when it has been used."""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from monitor.ingest.budget import ByteBudget
from monitor.model.errors import InvalidInput, Unavailable

MAX_UPLOADS = 32  # at once, in one process: each is a file of up to DRIFTLINE_MAX_REFERENCE_BYTES until it is read
_PIECE = 1024**2
_HELD = 2 * _PIECE  # what is gathered, and the copy of it that is being written


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file that was sent: where it is, its bytes, ``sha256:…`` of them."""

    path: Path
    size: int
    digest: str


@asynccontextmanager
async def received_file(
    request: Request, *, directory: Path, places: asyncio.Semaphore, budget: ByteBudget
) -> AsyncIterator[Upload]:  # fmt: skip
    """The request's body as a file that is there while the block runs; memory holds a piece of it at a time.

    ``Unavailable`` where no place is left: uploads that wait for one would hold their connections for hours. What
    memory holds while it is sent is taken from the budget.
    """
    if places.locked():
        raise Unavailable(f"{MAX_UPLOADS} references are being sent: send again later", retry_after_seconds=10)
    async with places:
        path = await run_in_threadpool(_new_file, directory)
        try:
            with budget.lease(_HELD):
                upload = await _write(request, path=path)
            yield upload
        finally:
            with suppress(OSError):
                path.unlink()


async def _write(request: Request, *, path: Path) -> Upload:
    digest = hashlib.sha256()
    size = 0
    pending = bytearray()
    with path.open("wb") as file:
        async for piece in request.stream():
            pending += piece
            size += len(piece)
            if len(pending) >= _PIECE:
                await run_in_threadpool(_append, file.fileno(), bytes(pending), digest)
                pending.clear()
        await run_in_threadpool(_append, file.fileno(), bytes(pending), digest)
    if size == 0:
        raise InvalidInput("the body is empty: expected the reference file itself", code="empty")
    return Upload(path=path, size=size, digest=f"sha256:{digest.hexdigest()}")


def _append(descriptor: int, piece: bytes, digest: hashlib._Hash) -> None:
    digest.update(piece)
    try:
        rest = memoryview(piece)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    except OSError as error:
        raise Unavailable(f"the upload cannot be kept in the data directory: {error}", retry_after_seconds=30) from None


def _new_file(directory: Path) -> Path:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=directory, prefix="upload-")
    except OSError as error:
        raise Unavailable(f"the upload cannot be kept in the data directory: {error}", retry_after_seconds=30) from None
    os.close(descriptor)
    return Path(name)


def remove_leftovers(directory: Path, *, before_us: int) -> None:
    """Removes uploads last written before then: of processes that were killed while they read them."""
    with suppress(OSError):
        for path in directory.glob("upload-*"):
            with suppress(OSError):
                if path.stat().st_mtime_ns < before_us * 1_000:
                    path.unlink()
