"""The real server in a process of its own: ``driftline serve`` on a free loopback port, with its own data directory."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

from monitor.model.errors import DriftlineError

USUAL_PORT = 8000
START_SECONDS = 60.0
STOP_SECONDS = 30.0


class ServiceFailed(DriftlineError):
    """The demo's server did not do what it should; the message ends with its last words."""


class DemoServer:
    """``driftline serve`` on an embedded database in ``data_dir``, its output in ``server.log`` there."""

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
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            self.check()
            try:
                if httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise ServiceFailed(f"the server was not ready within {START_SECONDS:.0f} s\n{self.last_words()}")

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
