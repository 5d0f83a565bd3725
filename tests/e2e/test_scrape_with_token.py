"""A real Prometheus with the shipped configuration scrapes a server that needs a token, and is refused without one."""

from __future__ import annotations

import time

import httpx
import pytest

from monitor.model.grants import digest_of
from tests.e2e.alerting import TOKENS, prometheus
from tests.service import Service


def scraped(server: str, target: str) -> str:
    """``1`` or ``0``: the newest scrape of the target, once there is one."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        query = {"query": f'up{{instance="{target}"}}'}
        found = httpx.get(f"{server}/api/v1/query", params=query).json()["data"]["result"]
        if found:
            return found[0]["value"][1]
        time.sleep(0.2)
    raise AssertionError("no scrape within a minute")


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize(("listed", "up"), [(TOKENS["metrics"], "1"), ("another token, as long as it has to be", "0")])
def test_prometheus_scrapes_with_the_token_that_the_tokens_file_lists(tmp_path, listed, up):
    (tmp_path / "tokens.yaml").write_text(
        f"tokens: [{{name: prometheus, role: metrics, sha256: '{digest_of(listed).hex()}'}}]"
    )
    (tmp_path / "server.yaml").write_text("driftline: 1\nauth: {tokens_file: tokens.yaml}")
    service = Service(tmp_path, arguments=("--no-jobs",), DRIFTLINE_CONFIG=str(tmp_path / "server.yaml"))
    try:
        service.start(within_seconds=120)
        assert httpx.get(f"{service.url}/metrics").status_code == 401
        target = service.url.removeprefix("http://")
        with prometheus(tmp_path, target=target, alertmanager="127.0.0.1:9") as server:
            assert scraped(server, target) == up
    finally:
        service.stop()
