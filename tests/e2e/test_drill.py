"""A fire drill through a real Prometheus and a real Alertmanager, with the shipped rules and routes."""

from __future__ import annotations

import json
import time

import httpx
import pytest
from typer.testing import CliRunner

from monitor.app import create_app
from monitor.cli import build
from monitor.model.time import SECOND_US, rfc3339
from monitor.settings import Settings
from tests.api.running import running
from tests.e2e.alerting import alertmanager, prometheus


@pytest.fixture
def watched(tmp_path, monkeypatch):
    """A server that Prometheus scrapes and Alertmanager calls; the addresses of server and Alertmanager."""
    application = create_app(Settings(data_dir=tmp_path / "server"), jobs=False, refresh_seconds=1.0)
    with running(application) as url:
        for name in ("heard", "silenced"):
            httpx.put(f"{url}/api/v1/models/{name}", json={"team": "crm"}).raise_for_status()
            httpx.put(f"{url}/api/v1/models/{name}/versions/1", json={}).raise_for_status()
        monkeypatch.setenv("DRIFTLINE_URL", url)
        with (
            alertmanager(tmp_path, webhook=f"{url}/api/v1/alertmanager") as manager,
            prometheus(tmp_path, target=url.removeprefix("http://"), alertmanager=manager),
        ):
            yield url, f"http://{manager}/api/v2"


def drilled(*words):
    done = CliRunner().invoke(build(), ["drill", *words, "--json"])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.alone
def test_a_drill_comes_back_through_rule_and_route_and_a_silenced_one_is_lost(watched):
    url, manager = watched
    code, found = drilled("heard", "1", "--route", "--severity", "critical", "--timeout", "90s")
    assert (code, found["state"], found["receiver"]) == (0, "back", "driftline")
    assert 0 < found["seconds"] < 90
    alerts = [a["labels"] for a in httpx.get(f"{manager}/alerts").json() if a["labels"].get("model") == "heard"]
    failing = [labels for labels in alerts if labels["alertname"] == "DriftlineCheckFailing"]
    assert {(a["check"], a["severity"], a["team"]) for a in failing} == {("_drill", "critical", "crm")}  # as any other
    assert httpx.get(f"{url}/api/v1/alerts").json()["results"] == []

    now_us = time.time_ns() // 1_000
    silence = {
        "matchers": [{"name": "model", "value": "silenced", "isRegex": False, "isEqual": True}],
        "startsAt": rfc3339(now_us), "endsAt": rfc3339(now_us + 600 * SECOND_US), "createdBy": "test", "comment": "x",
    }  # fmt: skip
    httpx.post(f"{manager}/silences", json=silence).raise_for_status()
    code, lost = drilled("silenced", "1", "--route", "--timeout", "25s")
    assert (code, lost["state"], lost["seen_at"]) == (3, "lost", None)
    assert "silence" in lost["says"]
