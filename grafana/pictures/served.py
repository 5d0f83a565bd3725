"""The real service on a free loopback port, in this process, with a clock that the caller moves on."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import uvicorn

from monitor.api.protocol import BoundedHttp
from monitor.app import create_app
from monitor.jobs.settings import JobSettings
from monitor.settings import Settings

RHYTHM = JobSettings(tick_us=100_000, fold_interval_us=0, gather_us=0)
REFRESH_SECONDS = 0.1


@dataclass(slots=True)
class Clock:
    """The time that the service believes it is, in microseconds; it only moves forward when told."""

    now_us: int

    def __call__(self) -> int:
        """The time."""
        return self.now_us


@contextmanager
def serving(directory: Path, *, clock: Clock) -> Iterator[str]:
    """The service's address while the block runs."""
    application = create_app(Settings(data_dir=directory), now_us=clock, rhythm=RHYTHM, refresh_seconds=REFRESH_SECONDS)
    config = uvicorn.Config(application, host="127.0.0.1", port=0, http=BoundedHttp, ws="none", log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    while not server.started:
        if not thread.is_alive():
            raise RuntimeError(f"the service did not start in {directory}")
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=20)


def settled_page(client: httpx.Client, *, seconds: float = 30.0) -> str:
    """The page of metrics, once the jobs have caught up with the clock and the page with the jobs.

    The page is settled when it has model series and has stayed the same for three refreshes.
    """
    until = time.monotonic() + seconds
    page, since = "", time.monotonic()
    while time.monotonic() < until:
        found = client.get("/metrics").text
        models = _models(found)
        if models != _models(page) or not models:
            page, since = found, time.monotonic()
        elif time.monotonic() - since > 4 * REFRESH_SECONDS:
            return found
        time.sleep(REFRESH_SECONDS / 2)
    raise RuntimeError(f"the page of metrics did not settle within {seconds:.0f} s")


def _models(page: str) -> list[str]:
    """The lines of the cached part; none while the cache is older than the moved clock."""
    start = page.find("# HELP driftline_model_info")
    return page[start:].splitlines() if start >= 0 else []
