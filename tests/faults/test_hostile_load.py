"""Many clients at once who mean ill or go slowly, on every route that takes a body: memory stays under its figure."""

from __future__ import annotations

import json
import re
import socket
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from monitor.api.application import OPERATIONS
from tests.faults.pair import ARROW, CSV, JSON, MIB, NDJSON, PARQUET, Pair, forget_peak
from tests.faults.test_payloads import gzip_bomb, zstd_bomb

PLACES = {"start": "2026-03-01T00:00:00Z", "alert": "al_1", "version": "1"}
REFUSED = {400, 404, 408, 409, 413, 415, 422, 503}
SENDERS = 24
READERS = 32


@pytest.fixture
def routes(pair: Pair) -> list[tuple[str, str]]:
    """Method and path of each route that takes a body, with names that exist."""
    places = PLACES | {"model": pair.model}
    found = [
        (o.method, re.sub(r"\{([a-z]+)\}", lambda name: places[name[1]], o.path))
        for o in OPERATIONS
        if o.body is not None
    ]
    found += [("POST", f"{pair.version}/predictions"), ("POST", f"/api/v1/models/{pair.model}/labels")]
    assert len(set(found)) >= 15
    return found


def at_once(pair: Pair, requests: list[tuple[str, str, object, dict[str, str]]]) -> Counter[int]:
    """How often each status came when both servers are asked all of it, so many at a time."""

    def ask(job) -> int:
        server, (method, path, content, headers) = job
        body = content() if callable(content) else content
        with httpx.Client(base_url=server.service.url, timeout=120) as client:
            return client.request(method, path, content=body, headers=headers).status_code

    with ThreadPoolExecutor(SENDERS) as senders:
        return Counter(senders.map(ask, [(server, request) for server in pair.servers for request in requests]))


def chunked() -> Iterator[bytes]:
    for _ in range(20):
        yield b" " * MIB


def test_bombs_on_every_route_and_large_bodies_without_a_length_are_refused(pair, routes):
    bombs = [(gzip_bomb(), "gzip"), (zstd_bomb(), "zstd")]
    types = {"/predictions": (JSON, NDJSON, CSV, ARROW, PARQUET), "/labels": (JSON, NDJSON, CSV), "/reference": (CSV,)}
    requests = []
    for method, path in routes:
        of_route = next((t for end, t in types.items() if path.endswith(end)), (JSON,))
        for content, encoding in bombs:
            requests += [(method, path, content, {"Content-Type": t, "Content-Encoding": encoding}) for t in of_route]
        if not path.endswith("/reference"):
            requests += [(method, path, chunked, {"Content-Type": of_route[0]})] * 2
    seen = at_once(pair, requests)
    assert set(seen) <= REFUSED, seen
    assert seen[413] >= 2 * len(routes)
    assert seen[415] >= 2 * len(routes)


def test_bodies_that_are_small_as_sent_and_large_once_read_are_few_at_a_time(pair, routes):
    lists = b'{"x": [' + b"[]," * 480_000 + b"[]]}"  # 1.4 MB that become 50 MB
    deep = b'{"x": [' + b'{"a":{"b":{}}},' * 160_000 + b"{}]}"
    wide = b'{"x": "' + b"x" * (7 * MIB) + "\U0001f600".encode() + b'"}'  # four bytes a character once decoded
    json_routes = [route for route in routes if not route[1].endswith("/reference")]
    seen = at_once(pair, [(m, p, body, {"Content-Type": JSON}) for body in (lists, deep, wide) for m, p in json_routes])
    assert set(seen) <= REFUSED, seen
    assert seen[422] > 0, "none of them was read"
    assert seen[503] > 0, "the budget was never used up: nothing was tested"


def test_slow_senders_of_every_route_hold_no_more_than_the_budget_and_keep_nobody_out(pair, routes):
    for server in pair.servers:
        opened = [begun(server.service.port, method, path) for method, path in routes for _ in range(6)]
        try:
            assert server.client.get("/livez").status_code == 200
            until, held = time.monotonic() + 30, 0
            while held <= 16 * MIB and time.monotonic() < until:  # the last of it is still on its way
                page = server.client.get("/metrics").text
                held = int(float(re.search(r"^driftline_queue_bytes (\S+)$", page, flags=re.M)[1]))
            assert 16 * MIB < held <= 128 * MIB, "they hold what they sent"
        finally:
            for connection in opened:
                connection.close()


def begun(port: int, method: str, path: str) -> socket.socket:
    """A connection on which one of eight announced megabytes has been sent."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    media_type = CSV if path.endswith("/reference") else JSON
    connection.sendall(
        f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {media_type}\r\n"
        f"Content-Length: {8 * MIB}\r\n\r\n".encode()
        + b" " * MIB
    )
    return connection


def test_clients_that_ask_for_the_largest_pages_and_read_nothing_are_few_at_a_time(pair):
    for n in range(4):
        rows = [{"id": f"r{n}{k}", "features": {"a": "x" * 10**6}} for k in range(4)]
        assert pair.post(json.dumps({"records": rows}).encode()).status == 200
    for server in pair.servers:
        forget_peak(server.pid)
        opened = [asked(server.service.port, f"{pair.version}/records") for _ in range(READERS)]
        try:
            statuses = Counter(status_of(connection) for connection in opened)
            assert server.client.get("/livez").status_code == 200
            assert set(statuses) == {200, 503}, statuses
        finally:
            for connection in opened:
                connection.close()


def asked(port: int, path: str) -> socket.socket:
    """A connection on which a page was asked for."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", port))
    connection.settimeout(120)
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return connection


def status_of(connection: socket.socket) -> int:
    """The status of the answer, of which no more is read."""
    return int(connection.recv(12)[9:12])
