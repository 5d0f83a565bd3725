"""From the first byte that is listened for to the exit code: what a signal, and what a failed disk does to a server.

| what happens                        | what is in flight                   | how it ends                     |
|-------------------------------------|-------------------------------------|---------------------------------|
| SIGTERM or SIGINT                   | is answered, for ``GRACE_SECONDS``  | 0                               |
| a second SIGTERM or SIGINT          | is cut                              | 128 + its number, at once       |
| no end in ``LONGEST_END_SECONDS``   | is cut                              | 1                               |
| a flush failed                      | is answered with 503                | ``FAILED_FLUSH_CODE``           |
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
from types import FrameType
from typing import Any

import uvicorn

import monitor
from monitor.api.protocol import BoundedHttp
from monitor.model.errors import ConfigurationError
from monitor.settings import Settings
from monitor.store import Store

GRACE_SECONDS = 20
LONGEST_END_SECONDS = 28  # below the 30 s after which Kubernetes and the compose file kill
FAILED_FLUSH_CODE = 74  # EX_IOERR of sysexits.h
_log = logging.getLogger(__name__)


class Running(uvicorn.Server):
    """Announces itself when it listens; ends by the table above."""

    def __init__(self, config: uvicorn.Config, *, store: Store, places: tuple[str, ...]) -> None:
        super().__init__(config)
        self._store = store
        self._places = places

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listens, and says where."""
        await super().startup(sockets)
        if self.started:
            _announce(self.servers[0].sockets[0].getsockname(), places=self._places)

    async def on_tick(self, counter: int) -> bool:
        """Whether to end; asked ten times a second."""
        return await super().on_tick(counter) or self._store.failure is not None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal came. What was acknowledged is on disk whichever it is."""
        if self.should_exit:
            _end_now(128 + sig, why=f"told to end a second time ({signal.Signals(sig).name}): ends at once")
        self.should_exit = True
        late = f"no end within {LONGEST_END_SECONDS} s: what still runs is cut, its claims end with their leases"
        alarm = threading.Timer(LONGEST_END_SECONDS, _end_now, args=(1,), kwargs={"why": late})
        alarm.daemon = True
        alarm.start()


def run_until_told(application: Any, *, settings: Settings, places: tuple[str, ...]) -> None:
    """Serves until SIGTERM or SIGINT; requests in flight finish first. Returns, so that the exit code is 0."""
    config = uvicorn.Config(
        application, host=settings.host, port=settings.port, root_path=settings.root_path, loop="uvloop",
        http=BoundedHttp, ws="none", lifespan="on", log_config=None, access_log=False, server_header=False,
        proxy_headers=False, timeout_graceful_shutdown=GRACE_SECONDS,
    )  # fmt: skip
    store: Store = application.state.services.store
    server = Running(config, store=store, places=places)
    try:
        server.run()
    except SystemExit:  # uvicorn's own way to say that it could not start; the log says why
        server.started = False
    if store.failure is not None:
        # Not by way of the interpreter's end: it closes the database, which would write to it once more.
        _end_now(FAILED_FLUSH_CODE, why=store.failure)
    if not server.started:
        raise ConfigurationError(f"could not listen on {settings.host}:{settings.port}: see the log above")


def _end_now(code: int, *, why: str) -> None:
    _log.critical("%s", why)
    os._exit(code)


def _announce(address: tuple[Any, ...], *, places: tuple[str, ...]) -> None:
    host = f"[{address[0]}]" if ":" in str(address[0]) else address[0]
    base = f"http://{host}:{address[1]}"
    sys.stdout.write(f"Driftline {monitor.__version__} on {base} ({', '.join(base + place for place in places)})\n")
    sys.stdout.flush()
