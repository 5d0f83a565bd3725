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
import yaml

from tests.service import free_port

RULES = Path(__file__).resolve().parents[2] / "deploy/prometheus/driftline.rules.yml"


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
    """Keeps every alert that Alertmanager delivers, in order."""

    def __init__(self) -> None:
        self.received: list[dict] = []
        kept = self.received

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                kept.extend(json.loads(body)["alerts"])
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


@contextmanager
def alertmanager(directory: Path, *, webhook: str) -> Iterator[str]:
    """The address of an Alertmanager that tells the webhook at once, also what is resolved."""
    port = free_port()
    route = {
        "receiver": "test",
        "group_by": ["..."],
        "group_wait": "1s",
        "group_interval": "1s",
        "repeat_interval": "1h",
    }
    receiver = {"name": "test", "webhook_configs": [{"url": webhook, "send_resolved": True}]}
    config = directory / "alertmanager.yml"
    config.write_text(yaml.safe_dump({"route": route, "receivers": [receiver]}))
    command = [
        binary("prometheus-alertmanager", "alertmanager"), f"--config.file={config}",
        f"--storage.path={directory / 'alertmanager'}", f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]  # fmt: skip
    with running(command, ready=f"http://127.0.0.1:{port}/-/ready", log=directory / "alertmanager.log"):
        yield f"127.0.0.1:{port}"


@contextmanager
def prometheus(directory: Path, *, target: str, alertmanager: str) -> Iterator[str]:
    """The address of a Prometheus that scrapes the target every second under the shipped rules."""
    port = free_port()
    config = directory / "prometheus.yml"
    config.write_text(
        yaml.safe_dump({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(RULES)],
            "scrape_configs": [{"job_name": "driftline", "static_configs": [{"targets": [target]}]}],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
        })
    )  # fmt: skip
    command = [
        binary("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={directory / 'prometheus'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]  # fmt: skip
    with running(command, ready=f"http://127.0.0.1:{port}/-/ready", log=directory / "prometheus.log"):
        yield f"http://127.0.0.1:{port}"
