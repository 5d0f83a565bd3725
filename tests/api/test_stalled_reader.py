"""A client that asks for much and stops reading: it is let go, others are served, and little is made for it."""

from __future__ import annotations

import socket
import time
from contextlib import contextmanager, suppress

import httpx
import numpy as np
import pyarrow as pa
import pytest

from monitor.api import protocol, records
from monitor.app import create_app
from monitor.ingest.records import STREAM_ROWS
from monitor.settings import Settings
from tests.api.running import running
from tests.api.tables import ARROW, arrow_of, read_arrow

PAGES = 24
RECORDS = "/api/v1/models/m/versions/1/records"
READ_SECONDS = 1.0


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """A server with twenty-odd pages of records, of almost a megabyte each."""
    rng = np.random.default_rng(1)
    table = pa.table({f"x{n}": rng.random(STREAM_ROWS) for n in range(12)})
    with running(create_app(Settings(data_dir=tmp_path_factory.mktemp("data")), jobs=False)) as address:
        with httpx.Client(base_url=address, timeout=60) as client:
            client.put("/api/v1/models/m", json={})
            client.put("/api/v1/models/m/versions/1", json={})
            for _ in range(PAGES):
                sent = client.post("/api/v1/models/m/predictions", content=arrow_of(table), headers=ARROW)
                assert sent.status_code == 200
        yield address


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(protocol, "READ_SECONDS", READ_SECONDS)


@pytest.fixture
def made(monkeypatch):
    """The pages that were made for a stream, and whether it was ended."""
    seen = []
    original = records.pages

    def counted(*given, **more):
        for page in original(*given, **more):
            seen.append(page.num_rows)
            yield page

    monkeypatch.setattr(records, "pages", counted)
    return seen


@contextmanager
def asking(url, *, buffer=65_536):
    """A connection on which all records are asked for, with so many bytes of buffer and nothing read yet."""
    host, port = url.removeprefix("http://").split(":")
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        connection.settimeout(20)
        connection.connect((host, int(port)))
        accept = ARROW["Content-Type"]
        connection.sendall(f"GET {RECORDS} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n\r\n".encode())
        yield connection


def read_to_the_end(connection) -> bytes:
    """What there is to read until the server hangs up."""
    answer = bytearray()
    with suppress(ConnectionResetError):
        while chunk := connection.recv(1 << 20):
            answer += chunk
    return bytes(answer)


@pytest.mark.limit("monitor.api.protocol.READ_SECONDS")
def test_a_client_that_stops_reading_is_let_go_and_little_is_made_for_it(url, made):
    with asking(url) as connection:
        time.sleep(2.5 * READ_SECONDS)
        answer = read_to_the_end(connection)
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert not answer.endswith(b"\r\n0\r\n\r\n")  # a stream that broke off does not look whole
    assert 0 < len(made) < PAGES / 2


def test_others_are_served_while_clients_do_not_read(url):
    with asking(url), asking(url), asking(url), httpx.Client(base_url=url, timeout=10) as other:
        time.sleep(0.3)
        assert other.get("/livez").text == "ok\n"
        assert len(other.get(RECORDS, params={"limit": 5}).json()["results"]) == 5


def test_a_client_that_reads_slowly_and_goes_on_gets_everything(url):
    """Longer than the deadline on the whole, and never so long without a byte."""
    with asking(url, buffer=1 << 20) as connection:
        answer = bytearray()
        for _ in range(6):
            time.sleep(0.4 * READ_SECONDS)
            answer += connection.recv(1 << 20)
        connection.settimeout(20)
        while not answer.endswith(b"\r\n0\r\n\r\n"):
            answer += connection.recv(1 << 20)
    with httpx.Client(base_url=url, timeout=60) as client:
        whole = read_arrow(client.get(RECORDS, headers={"Accept": ARROW["Content-Type"]}).content)
    assert whole.num_rows == PAGES * STREAM_ROWS
    assert len(answer) > whole.nbytes
