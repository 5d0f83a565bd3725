"""The log of a real server: every request has its line and its id, and nothing that a client sent is in it."""

from __future__ import annotations

import json
import re
import socket

import httpx
import pytest

from tests.service import Service

MODEL = "/api/v1/models/planted-model"
PREDICTIONS, LABELS = f"{MODEL}/predictions", f"{MODEL}/labels"
PLANTED = "planted"  # in every name, id and value that is sent
NDJSON, CSV = {"content-type": "application/x-ndjson"}, {"content-type": "text/csv"}


@pytest.fixture(params=["json", "text"])
def service(store_url, tmp_path, request):
    service = Service(tmp_path, database_url=store_url, DRIFTLINE_LOG_FORMAT=request.param, DRIFTLINE_LOG_LEVEL="debug")
    service.form = request.param
    service.start()
    yield service
    service.stop()


def hostile(client):
    """Requests of every kind that fail or succeed, each with what must not be told; the statuses."""
    record = {"id": "planted-id", "features": {"planted-column": "planted-value"}, "prediction": "planted-class"}
    sent = [
        ("PUT", MODEL, {"json": {"description": "planted-text", "team": "planted-team"}}),
        ("PUT", f"{MODEL}/versions/1", {"json": {}}),
        ("POST", PREDICTIONS, {"json": {"records": [record]}}),
        ("POST", PREDICTIONS, {"json": {"records": [record]}, "headers": {"Idempotency-Key": "planted-key"}}),
        ("POST", PREDICTIONS, {"json": {"records": [record | {"id": "planted\u0000"}, "planted"]}}),
        ("POST", PREDICTIONS, {"content": b'{"records": [{"planted": ' }),
        ("POST", PREDICTIONS, {"content": b"planted\n\xff", "headers": NDJSON}),
        ("POST", PREDICTIONS, {"content": b"planted,planted\n1,2", "headers": CSV}),
        ("POST", PREDICTIONS, {"content": b"planted", "headers": {"content-encoding": "gzip"}}),
        ("POST", PREDICTIONS, {"content": b"planted", "headers": {"content-type": "application/planted"}}),
        ("POST", LABELS, {"json": {"records": [{"id": "planted-id", "label": "planted-label"}]}}),
        ("GET", "/api/v1/models/planted-nobody", {"params": {"planted": "planted"}}),
        ("GET", f"{MODEL}/versions/1/records", {"params": {"id": "planted-id"}}),
        ("GET", "/planted/../planted?planted=%00", {}),
        ("OPTIONS", "/planted", {}),
        ("GET", MODEL, {"headers": {"Authorization": "Bearer dl_planted", "Origin": "https://planted.example"}}),
        ("GET", MODEL, {"headers": {"X-Request-Id": "planted\tid", "User-Agent": "planted"}}),
        ("GET", MODEL, {"headers": {"X-Request-Id": "dl_planted"}}),
        ("PUT", f"{MODEL}/versions/1/reference", {"content": b"planted\nplanted\n", "headers": CSV}),
        ("POST", "/api/v1/tokens", {"json": {"role": "planted", "name": "planted"}}),
        ("POST", "/api/v1/apply", {"json": {"documents": [{"path": "planted", "content": {"planted": 1}}]}}),
    ]  # fmt: skip
    return [client.request(method, path, **more) for method, path, more in sent]


def test_hostile_requests_leave_nothing_of_themselves_in_the_log(service):
    with httpx.Client(base_url=service.url, timeout=20) as client:
        answers = hostile(client)
    assert {a.status_code // 100 for a in answers} == {2, 4}
    for head in (b"GET /planted HTTP/1.1\r\nplanted planted\r\n\r\n", b"PLANTED / HTTP/1.1\r\nHost: localhost\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", service.port), timeout=10) as raw:
            raw.sendall(head)
            raw.recv(1_000)
    service.stop()
    log = service.log.read_text()
    ids = [a.headers["x-request-id"] for a in answers]
    assert len(set(ids)) == len(ids)
    assert [id for id in ids if id not in log] == []  # each has its line, so that the next is no empty claim
    assert [line for line in log.splitlines() if PLANTED in line.lower()] == []


def test_an_id_that_was_sent_is_in_the_answer_in_the_problem_and_in_the_log(service):
    with httpx.Client(base_url=service.url, timeout=20) as client:
        refused = client.get("/api/v1/models/nobody", headers={"X-Request-Id": "trace-7.a_b"})
        other = client.get("/api/v1/models/nobody", headers={"X-Request-Id": "x" * 129})
    service.stop()
    assert refused.headers["x-request-id"] == refused.json()["request_id"] == "trace-7.a_b"
    assert re.fullmatch("[0-9a-f]{16}", other.headers["x-request-id"])
    (line,) = [line for line in service.log.read_text().splitlines() if "trace-7.a_b" in line]
    if service.form == "text":
        assert re.search(r"INFO .*: GET /api/v1/models/\{model\} 404 in [\d.]+ ms \[trace-7\.a_b\]$", line)
        return
    told = json.loads(line)
    assert told.pop("duration_ms") > 0
    assert {k: told[k] for k in ("level", "request_id", "method", "route", "status")} == {
        "level": "info", "request_id": "trace-7.a_b", "method": "GET", "route": "/api/v1/models/{model}", "status": 404,
    }  # fmt: skip
