"""The real server as a subprocess on a free loopback port, for tests that kill, stop and restart it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

# Everything may take so many times longer than on a machine that does nothing else: for runs beside other work.
PATIENCE = float(os.environ.get("FAULTS_PATIENCE", "1"))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Service:
    """``driftline serve`` (or ``worker``) on a data directory; ``start`` waits until it is ready.

    ``mutation`` names the guard that is taken out of it, see ``tests.faults.mutations``; ``code`` is the checkout whose
    server it is, where that is not this one.
    """

    def __init__(
        self, data_dir: Path, *,
        database_url: str | None = None, command: str = "serve", arguments: tuple[str, ...] = (),
        mutation: str | None = None, code: Path | None = None, **settings,
    ):  # fmt: skip
        self.data_dir, self.code = data_dir, code
        self.port = free_port()
        module = ("monitor.cli",) if mutation is None else ("tests.faults.mutations", mutation)
        self.command = (sys.executable, "-m", *module, command, *arguments)
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = data_dir / f"{command}.log"
        clean = {k: v for k, v in os.environ.items() if not k.startswith("DRIFTLINE_")}
        self.environment = clean | {"DRIFTLINE_DATA_DIR": str(data_dir)} | settings
        if database_url is not None:
            self.environment["DRIFTLINE_DATABASE_URL"] = database_url
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *, within_seconds: float = 120.0) -> float:
        """Seconds from the start of the process until ``/readyz`` said yes."""
        began, within_seconds = time.monotonic(), within_seconds * PATIENCE
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.command, "--port", str(self.port)], env=self.environment, stdout=log, stderr=log, cwd=self.code
            )
        while time.monotonic() - began < within_seconds:
            if self.process.poll() is not None:
                raise AssertionError(
                    f"the server ended with {self.process.returncode}:\n{self.log.read_text()[-3000:]}"
                )
            try:
                if httpx.get(f"{self.url}/readyz", timeout=2).status_code == 200:
                    return time.monotonic() - began
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        self.kill()  # nobody else would: a test that cannot start it has nothing to stop
        raise AssertionError(f"not ready within {within_seconds} s:\n{self.log.read_text()[-3000:]}")

    def kill(self) -> None:
        """``kill -9``."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, *, within_seconds: float = 20.0) -> int:
        """SIGTERM; the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(timeout=within_seconds * PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"no end within {within_seconds} s of SIGTERM") from None
