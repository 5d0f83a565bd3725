"""A real Prometheus, a real Alertmanager and a webhook behind it, each on a free loopback port."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from tests.service import free_port

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
TOKENS = {"metrics": "dl_of_prometheus", "alertmanager": "dl_of_alertmanager"}


def binary(*names: str) -> str:
    """The first of the programs that is installed; else the test is skipped, or fails where CI=true."""
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        reason = f"{names[0]} is not installed (Debian: apt-get install prometheus prometheus-alertmanager)"
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


class Webhook:
    """Keeps every message that Alertmanager delivers, and every alert in them, in order."""

    def __init__(self) -> None:
        self.messages: list[dict] = []
        self.received: list[dict] = []
        self.authorizations: set[str] = set()
        kept, alerts, authorizations = self.messages, self.received, self.authorizations

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                kept.append(message)
                alerts.extend(message["alerts"])
                authorizations.add(self.headers.get("Authorization", ""))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def with_status(self, status: str) -> list[dict]:
        return [alert for alert in self.received if alert["status"] == status]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def running(command: list[str], *, ready: str, log: Path) -> Iterator[None]:
    """The program, from when its ``ready`` address answers until the block ends."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        until = time.monotonic() + 30
        while True:
            assert process.poll() is None, log.read_text()[-2000:]
            assert time.monotonic() < until, log.read_text()[-2000:]
            try:
                if httpx.get(ready, timeout=1).status_code == 200:
                    break
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(timeout=20)


def shipped(directory: Path, *, name: str, addresses: dict[str, str]) -> Path:
    """A shipped configuration with other addresses, each of which it has; nothing else of it is changed."""
    text = (DEPLOY / name).read_text()
    for theirs, ours in addresses.items():
        assert text.count(theirs) == 1, theirs
        text = text.replace(theirs, ours)
    path = directory / Path(name).name
    path.write_text(text)
    return path


def token(directory: Path, *, role: str) -> str:
    """The path of a file with the token of that role."""
    path = directory / f"{role}-token"
    path.write_text(TOKENS[role])
    return str(path)


@contextmanager
def alertmanager(directory: Path, *, webhook: str) -> Iterator[str]:
    """The address of an Alertmanager with the shipped configuration, whose Driftline is the webhook."""
    port = free_port()
    config = shipped(directory, name="alertmanager/alertmanager.yml", addresses={
        "http://api:8000/api/v1/alertmanager": webhook,
        "/run/secrets/driftline/alertmanager-token": token(directory, role="alertmanager"),
    })  # fmt: skip
    command = [
        binary("prometheus-alertmanager", "alertmanager"), f"--config.file={config}",
        f"--storage.path={directory / 'alertmanager'}", f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]  # fmt: skip
    with running(command, ready=f"http://127.0.0.1:{port}/-/ready", log=directory / "alertmanager.log"):
        yield f"127.0.0.1:{port}"


@contextmanager
def prometheus(directory: Path, *, target: str, alertmanager: str) -> Iterator[str]:
    """The address of a Prometheus with the shipped configuration and rules, in a hurry: it looks every second.

    The worker has no address here; nothing answers there.
    """
    port = free_port()
    shipped(directory, name="prometheus/driftline.rules.yml", addresses={"interval: 3m": "interval: 1s"})
    config = shipped(directory, name="prometheus/prometheus.yml", addresses={
        "scrape_interval: 15s": "scrape_interval: 1s", "evaluation_interval: 15s": "evaluation_interval: 1s",
        "api:8000": target, "worker:8001": "127.0.0.1:9", "prometheus:9090": f"127.0.0.1:{port}",
        "'alertmanager:9093']\n\nscrape": f"'{alertmanager}']\n\nscrape",
        "'alertmanager:9093']\n": f"'{alertmanager}']\n",
        "/run/secrets/driftline/metrics-token": token(directory, role="metrics"),
    })  # fmt: skip
    command = [
        binary("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={directory / 'prometheus'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]  # fmt: skip
    with running(command, ready=f"http://127.0.0.1:{port}/-/ready", log=directory / "prometheus.log"):
        yield f"http://127.0.0.1:{port}"
