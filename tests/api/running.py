"""A real server on loopback in a thread: uvicorn, its protocol, the edge, the whole application."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import uvicorn

from monitor.api.protocol import BoundedHttp


@contextmanager
def running(application, *, root_path="") -> Iterator[str]:
    """The base URL of the application while the block runs."""
    config = uvicorn.Config(
        application, host="127.0.0.1", port=0, http=BoundedHttp, ws="none", lifespan="on", log_config=None,
        access_log=False, server_header=False, root_path=root_path,
    )  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        time.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=20)
        assert not thread.is_alive(), "the server did not stop"


@contextmanager
def client_of(application) -> Iterator[httpx.Client]:
    """A client of the application's ``/api/v1`` (absolute paths reach the rest)."""
    with running(application) as url, httpx.Client(base_url=url, timeout=120) as client:
        yield client
