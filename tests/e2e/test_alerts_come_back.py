"""A real Alertmanager tells the service what it notified of; the service killed between its tries loses nothing."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
import yaml

from monitor.model.results import Transition
from monitor.model.time import SECOND_US, rfc3339
from monitor.store import models, open_store, tables, transitions
from tests.e2e.alerting import binary, running
from tests.service import Service, free_port

LABELS = {
    "alertname": "DriftlineCheckFailing", "model": "churn", "version": "42", "check": "drift", "severity": "warning",
}  # fmt: skip
WITHIN_SECONDS = 60.0


def now_us() -> int:
    return time.time_ns() // 1000


def waited(found: Callable[[], Any], *, what: str) -> Any:
    until = time.monotonic() + WITHIN_SECONDS
    while time.monotonic() < until:
        if answer := found():
            return answer
        time.sleep(0.2)
    raise AssertionError(f"not within {WITHIN_SECONDS} s: {what}")


@contextmanager
def alertmanager(directory: Path, *, webhook: str, token: str) -> Iterator[str]:
    """The address of an Alertmanager that tells the webhook at once, also what is resolved."""
    port, config = free_port(), directory / "alertmanager.yml"
    hook = {"url": webhook, "send_resolved": True, "http_config": {"authorization": {"credentials": token}}}
    waits = {"group_wait": "1s", "group_interval": "1s", "repeat_interval": "1h"}
    config.write_text(yaml.safe_dump({
        "route": {"receiver": "driftline", "group_by": ["model", "version"], **waits},
        "receivers": [{"name": "driftline", "webhook_configs": [hook]}],
    }))  # fmt: skip
    command = [
        binary("prometheus-alertmanager", "alertmanager"), f"--config.file={config}",
        f"--storage.path={directory / 'alertmanager'}", f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]  # fmt: skip
    with running(command, ready=f"http://127.0.0.1:{port}/-/ready", log=directory / "alertmanager.log"):
        yield f"127.0.0.1:{port}"


def failures(manager: str) -> float:
    """How often Alertmanager has tried and failed to call the webhook."""
    page = httpx.get(f"http://{manager}/metrics").text
    name = r"^alertmanager_notification_requests_failed_total\{[^}]*webhook[^}]*\} (\S+)$"
    return sum(float(count) for count in re.findall(name, page, flags=re.M))


def fire(manager: str, *, starts_us: int, ends_us: int) -> None:
    alert = {"labels": LABELS, "startsAt": rfc3339(starts_us), "endsAt": rfc3339(ends_us)}
    httpx.post(f"http://{manager}/api/v2/alerts", json=[alert]).raise_for_status()


def with_tokens(service: Service) -> tuple[dict[str, str], str]:
    """The headers of an admin, and a token for Alertmanager."""
    made = httpx.post(f"{service.url}/api/v1/tokens", json={"role": "admin"}).raise_for_status().json()
    admin = {"Authorization": f"Bearer {made['token']}"}
    ingest = httpx.post(f"{service.url}/api/v1/tokens", json={"role": "ingest"}, headers=admin).raise_for_status()
    for path in ("models/churn", "models/churn/versions/42"):
        httpx.put(f"{service.url}/api/v1/{path}", json={}, headers=admin).raise_for_status()
    return admin, ingest.json()["token"]


@pytest.mark.slow
@pytest.mark.alone
def test_what_alertmanager_notified_of_arrives_though_the_server_was_killed_between_its_tries(empty_url, tmp_path):
    service = Service(tmp_path, database_url=empty_url, arguments=("--no-jobs",))
    service.start(within_seconds=120)
    store = open_store(empty_url, data_dir=tmp_path)
    try:
        admin, token = with_tokens(service)
        begun_us = now_us()
        change = Transition(
            check="drift", kind="drift", segment="", severity="warning", from_status="ok", status="warning",
            at_us=begun_us, window_start_us=0, window_end_us=1, value=0.3, threshold=0.2, rows=9, columns=(),
            explanation="",
        )  # fmt: skip
        with store.write() as conn:
            model, version = models.get_version(conn, model="churn", version="42")
            (id,) = transitions.add_transitions(
                conn, model_id=model.id, version_id=version.id, transitions=[change]
            )  # fmt: skip

        def told() -> list[str]:
            answer = httpx.get(f"{service.url}/api/v1/alerts/al_{id}", headers=admin).raise_for_status()
            return [n["status"] for n in answer.json()["notified"] or []]

        service.kill()
        with alertmanager(tmp_path, webhook=f"{service.url}/api/v1/alertmanager", token=token) as manager:
            fire(manager, starts_us=begun_us, ends_us=begun_us + 600 * SECOND_US)
            waited(lambda: failures(manager) > 0, what="Alertmanager tried while the server was down")
            service.start(within_seconds=120)
            assert waited(told, what="the notification arrived") == ["firing"]
            service.kill()
            failed = failures(manager)
            fire(manager, starts_us=begun_us, ends_us=now_us())
            waited(lambda: failures(manager) > failed, what="Alertmanager tried while the server was down again")
            service.start(within_seconds=120)
            assert told()[:1] == ["firing"]  # what was acknowledged before the kill
            assert waited(lambda: len(told()) > 1 and told(), what="the end arrived") == ["firing", "resolved"]
        with store.read() as conn:
            rows = conn.execute(sa.select(tables.notification.c.status, tables.notification.c.receiver)).all()
        assert [tuple(row) for row in rows] == [("firing", "driftline"), ("resolved", "driftline")]
        assert token not in service.log.read_text()
    finally:
        store.close()
        service.stop()
