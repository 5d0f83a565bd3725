"""The real server: in a process of the demo's own, on a free loopback port, or one that runs already."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

import httpx

from monitor.model.errors import DriftlineError

USUAL_PORT = 8000
START_SECONDS = 60.0
STOP_SECONDS = 30.0


class ServiceFailed(DriftlineError):
    """The demo's server did not do what it should; the message ends with its last words."""


class Server(Protocol):
    """What the demo asks of the server that it posts to."""

    url: str
    access: Mapping[str, str]  # the headers of whoever sets up and reads
    ingest_access: Mapping[str, str]  # those of whoever posts records

    def wait_until_ready(self) -> None:
        """Returns when ``/readyz`` says yes; ``ServiceFailed`` when it takes too long."""

    def check(self) -> None:
        """``ServiceFailed`` if the server has ended."""

    def stop(self) -> int:
        """Ends what the demo started of it; the exit code."""

    def last_words(self) -> str:
        """The end of its log, where the demo can see it."""


class GivenServer:
    """A server that runs already, somewhere; the demo leaves it as it is. Without tokens both are None."""

    def __init__(self, url: str, *, token: str | None, ingest_token: str | None) -> None:
        self.url = url
        self.access = _bearer(token)
        self.ingest_access = _bearer(ingest_token) or self.access

    def wait_until_ready(self) -> None:
        """Returns when ``/readyz`` says yes; ``ServiceFailed`` when it takes too long."""
        _wait_until_ready(self)

    def check(self) -> None:
        """Nothing: that it ended shows in the next request."""

    def stop(self) -> int:
        """0: it is not the demo's to stop."""
        return 0

    def last_words(self) -> str:
        """Where to look: its log is with whoever started it."""
        return f"see the log of {self.url}"


class DemoServer:
    """``driftline serve`` on an embedded database in ``data_dir``, its output in ``server.log`` there."""

    access: Mapping[str, str] = MappingProxyType({})  # it has no tokens: only this machine reaches it
    ingest_access: Mapping[str, str] = access

    def __init__(self, data_dir: Path) -> None:
        self.log = data_dir / "server.log"
        self.url = f"http://127.0.0.1:{_free_port()}"
        # The demo's server is its own: settings of the surroundings are not for it.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("DRIFTLINE_")}
        environment |= {"DRIFTLINE_DATA_DIR": str(data_dir), "DRIFTLINE_LOG_LEVEL": "warning"}
        command = [sys.executable, "-m", "monitor.cli", "serve", "--port", self.url.rpartition(":")[2]]
        with self.log.open("wb") as log:
            # A group of its own: Ctrl-C stops the demo, which then stops the server in order.
            self._process = subprocess.Popen(  # noqa: S603 -- our own interpreter and fixed arguments
                command, env=environment, stdout=log, stderr=log, start_new_session=True
            )

    def wait_until_ready(self) -> None:
        """Returns when ``/readyz`` says yes; ``ServiceFailed`` when the process ends or takes too long."""
        _wait_until_ready(self)

    def check(self) -> None:
        """``ServiceFailed`` if the process has ended."""
        if self._process.poll() is not None:
            raise ServiceFailed(f"the server ended with {self._process.returncode}\n{self.last_words()}")

    def wait(self) -> None:
        """Returns when the process ends."""
        self._process.wait()

    def stop(self) -> int:
        """The exit code after SIGTERM (SIGKILL when it takes too long)."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            return self._process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def last_words(self) -> str:
        """The end of the server's log."""
        return self.log.read_text(errors="replace")[-2000:]


def _wait_until_ready(server: Server) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        server.check()
        try:
            if httpx.get(f"{server.url}/readyz", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise ServiceFailed(f"the server was not ready within {START_SECONDS:.0f} s\n{server.last_words()}")


def _bearer(token: str | None) -> Mapping[str, str]:
    return {} if token is None else {"Authorization": f"Bearer {token}"}


def _free_port() -> int:
    """The usual port where it is free, else any."""
    for port in (USUAL_PORT, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise ServiceFailed("no free port on 127.0.0.1")
