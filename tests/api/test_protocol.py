"""The head of a request: small, and soon."""

from __future__ import annotations

import json
import socket
import time
from contextlib import suppress
from itertools import pairwise

import httpx
import pytest

from monitor.api import protocol
from monitor.app import create_app
from monitor.settings import Settings
from tests.api.running import running


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with running(create_app(Settings(data_dir=tmp_path_factory.mktemp("data")), jobs=False)) as url:
        host, port = url.removeprefix("http://").split(":")
        yield host, int(port)


def said_to(address, *pieces: bytes, pause: float = 0.0, timeout: float = 5.0) -> bytes:
    """Everything the server says to the pieces, until it hangs up."""
    answer = b""
    with socket.create_connection(address, timeout=timeout) as connection, suppress(ConnectionError):
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(pause)
        while chunk := connection.recv(65_536):
            answer += chunk
    return answer


def test_a_head_in_pieces_is_served(address):
    answer = said_to(
        address, b"GET /livez HTTP/1.1\r\nHost: local", b"host\r\nConnection: close\r\n", b"\r\n", pause=0.05
    )
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert answer.endswith(b"ok\n")


@pytest.mark.limit("monitor.api.protocol.MAX_HEAD_BYTES")
@pytest.mark.parametrize("at_once", [0, 40, 66])
def test_a_head_that_never_ends_is_431(address, at_once):
    lines = [b"X-%d: %s\r\n" % (n, b"a" * 1_000) for n in range(66)]
    first = b"".join([b"GET /livez HTTP/1.1\r\nHost: localhost\r\n", *lines[:at_once]])
    answer = said_to(address, first, *lines[at_once:], pause=0.001)
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["status"] == 431


@pytest.mark.limit("monitor.api.protocol.HEAD_SECONDS")
@pytest.mark.parametrize("begun", [b"", b"GET /livez HT"], ids=["silent", "begun"])
def test_a_head_that_does_not_come_is_hung_up_on(address, monkeypatch, begun):
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.2)
    began = time.monotonic()
    assert said_to(address, begun) == b""
    assert time.monotonic() - began < 3


def test_a_request_that_is_no_http_is_400_and_the_server_lives_on(address):
    assert said_to(address, b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    assert said_to(address, b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").endswith(b"ok\n")


def test_several_requests_share_a_connection(address):
    request = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
    last = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    assert said_to(address, request + request, last, pause=0.05).count(b"HTTP/1.1 200 OK") == 3


def test_a_body_in_large_and_small_pieces_arrives_as_it_was_sent(address):
    """Large pieces are handed on as they came, small ones gathered; behind a large one too."""
    host, port = address
    model = "/api/v1/models/pieces"
    with httpx.Client(base_url=f"http://{host}:{port}") as client:
        assert client.put(model, json={}).status_code == 201
        assert client.put(f"{model}/versions/1", json={}).status_code == 201
        rows = [{"id": f"r{n}", "features": {"text": f"{n:010d}" * 10}} for n in range(2_000)]
        body = json.dumps({"records": rows}).encode()
        cuts = sorted({*range(0, len(body), 40_000), *range(90_000, 90_500, 7), len(body)})

        def pieces():
            for start, end in pairwise(cuts):
                yield body[start:end]

        answer = client.post(f"{model}/predictions", content=pieces(), headers={"content-type": "application/json"})
        assert answer.json()["stored"] == 2_000
        found = client.get(f"{model}/versions/1/records", params={"limit": 1_000}).json()["results"]
    assert {r["id"]: r["features"]["text"] for r in found}.items() <= {
        r["id"]: r["features"]["text"] for r in rows
    }.items()
    assert len(found) == 1_000


def test_a_proxy_may_strip_a_prefix(tmp_path):
    settings = Settings(data_dir=tmp_path, root_path="/driftline")
    with running(create_app(settings, jobs=False), root_path="/driftline") as url, httpx.Client(base_url=url) as client:
        assert client.put("/api/v1/models/m", json={}).status_code == 201
        assert client.put("/api/v1/models/m/versions/1", json={}).status_code == 201
        assert client.post("/api/v1/models/m/predictions", json={"records": [{"a": 1}]}).status_code == 200
        assert client.get("/").headers["location"] == "/driftline/docs"
        assert 'href="/driftline/api/v1/openapi.json"' in client.get("/docs").text
