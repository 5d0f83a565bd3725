"""Servers pinned to one core and a load from the other: ``wrk`` where installed (C, one thread)."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.service import Service, free_port

SERVER_CORE, CLIENT_CORE = 0, max(0, (os.cpu_count() or 1) - 1)


@dataclass(frozen=True)
class Load:
    """One closed-loop load: ``requests_per_second``, latencies in ms, and errors (non-2xx, sockets).

    ``server_ms``: processor time that the server (where it was named) spent on a request, ms: also of use on a machine
    with other work.
    """

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    errors: int
    server_ms: float = 0.0


def post_load(
    url: str, *, body: bytes, content_type: str, connections: int = 64, seconds: int = 6, server: int | None = None,
    token: str | None = None,
) -> Load:  # fmt: skip
    """The same body posted over keep-alive connections, each waiting for its answer; ``server``: its process."""
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is not installed (on Debian: apt-get install wrk)")
    with tempfile.TemporaryDirectory() as folder:
        payload, script = Path(folder, "body"), Path(folder, "post.lua")
        payload.write_bytes(body)
        script.write_text(
            f'local f = io.open("{payload}", "rb")\n'
            'wrk.method = "POST"\nwrk.body = f:read("*a")\n'
            f'wrk.headers["Content-Type"] = "{content_type}"\n'
            + ("" if token is None else f'wrk.headers["Authorization"] = "Bearer {token}"\n')
        )
        command = ["taskset", "-c", str(CLIENT_CORE), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency",
                   "--timeout", "20s", "-s", str(script), url]  # fmt: skip
        before = _processor_seconds(server)
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        used = _processor_seconds(server) - before
    return Load(
        requests_per_second=float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1]),
        p50_ms=_milliseconds(re.search(r"\n\s+50%\s+(\S+)", out)[1]),
        p99_ms=_milliseconds(re.search(r"\n\s+99%\s+(\S+)", out)[1]),
        errors=sum(map(int, re.findall(r"(?:Non-2xx or 3xx responses:|connect|read|write|timeout):? (\d+)", out))),
        server_ms=1_000 * used / max(1, int(re.search(r"(\d+) requests in", out)[1])),
    )


def _processor_seconds(pid: int | None) -> float:
    """User and system time of the process so far; 0 for none."""
    if pid is None:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _milliseconds(text: str) -> float:
    for unit, factor in (("us", 0.001), ("ms", 1.0), ("s", 1000.0), ("m", 60_000.0)):
        if text.endswith(unit):
            return float(text.removesuffix(unit)) * factor
    raise ValueError(text)


@contextlib.contextmanager
def uvicorn_app(target: str, *, pinned: bool = True, **environment: str) -> Iterator[tuple[str, int]]:
    """URL and process of a baseline application under the same server and the same options, on the server's core."""
    port = free_port()
    on_core = ["taskset", "-c", str(SERVER_CORE)] if pinned else []
    command = [*on_core, sys.executable, "-m", "uvicorn", target, "--port", str(port), "--no-access-log", "--log-level",
               "warning"]  # fmt: skip
    process = subprocess.Popen(command, env=os.environ | environment)
    try:
        url = f"http://127.0.0.1:{port}/"
        for _ in range(200):
            with contextlib.suppress(httpx.TransportError):
                httpx.get(url)
                break
            time.sleep(0.05)
        yield url, process.pid
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def driftline(
    folder: Path, *, command: str = "serve", arguments: tuple[str, ...] = ("--no-jobs",), pinned: bool = True,
    database_url: str | None = None, code: Path | None = None, **settings: str,
) -> Iterator[Service]:  # fmt: skip
    """The real server (or worker), on the server's core unless not pinned; ``code``: a checkout other than this one."""
    service = Service(folder, command=command, arguments=arguments, database_url=database_url, code=code, **settings)
    try:
        service.start(within_seconds=300)
        if pinned:
            subprocess.run(
                ["taskset", "-a", "-cp", str(SERVER_CORE), str(service.process.pid)], check=True, capture_output=True
            )
        yield service
    finally:
        service.stop(within_seconds=30)  # an end takes 28 s at most
