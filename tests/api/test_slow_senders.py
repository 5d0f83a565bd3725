"""Clients that send a byte a second: each is answered 408 when its time is up, and nobody waits for them."""

from __future__ import annotations

import json
import re
import socket
import time

import httpx
import pytest

from tests.service import Service

SLOW, BODY_SECONDS = 200, 8
MODEL = "/api/v1/models/churn"
LARGE = json.dumps({"records": [{"text": "x" * 1_000} for _ in range(2_000)]}).encode()


@pytest.fixture
def service(store_url, tmp_path):
    service = Service(
        tmp_path, database_url=store_url, DRIFTLINE_MAX_BODY_SECONDS=str(BODY_SECONDS),
        DRIFTLINE_MAX_INFLIGHT_BYTES="32MiB",  # what one of them announces, once it is decoded
    )  # fmt: skip
    service.start()
    yield service
    service.stop()


class Slow:
    """A client that declares the largest body there may be, and sends a byte of it at a time."""

    def __init__(self, port: int):
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._socket.sendall(
            f"POST {MODEL}/versions/1/predictions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {8 << 20}\r\n\r\n".encode()
        )
        self.began = time.monotonic()

    def drip(self) -> None:
        self._socket.sendall(b" ")

    def rest(self) -> tuple[bytes, float]:
        """All that the server says until it hangs up, and when that was."""
        with self._socket:
            said = b""
            while chunk := self._socket.recv(65_536):
                said += chunk
        return said, time.monotonic() - self.began


def in_flight(client: httpx.Client) -> int:
    page = client.get("/metrics").text
    return int(float(re.search(r"^driftline_queue_bytes (\S+)$", page, flags=re.M)[1]))


@pytest.mark.limit("DRIFTLINE_MAX_BODY_SECONDS")
def test_two_hundred_slow_senders_keep_nobody_from_the_answer_and_are_gone_in_their_time(service):
    with httpx.Client(base_url=service.url, timeout=20) as client:
        assert client.put(MODEL, json={}).status_code == 201
        assert client.put(f"{MODEL}/versions/1", json={}).status_code == 201
        slow = [Slow(service.port) for _ in range(SLOW)]
        codes, most_in_flight = [], 0
        for _ in range(4):
            for sender in slow:
                sender.drip()
            codes.append(client.post(f"{MODEL}/predictions", json={"records": [{"a": 1}]}).status_code)
            codes.append(
                client.post(
                    f"{MODEL}/predictions", content=LARGE, headers={"content-type": "application/json"}
                ).status_code
            )
            most_in_flight = max(most_in_flight, in_flight(client))
            time.sleep(1)
        assert time.monotonic() - slow[0].began < BODY_SECONDS, "they were gone before the others had asked"
        assert codes == [200] * 8
        assert SLOW <= most_in_flight <= SLOW * 10  # all of them were being read, and held what they had sent
        ends = [sender.rest() for sender in slow]
        assert {(said.split(b"\r\n")[0], b"connection: close" in said) for said, _ in ends} == {
            (b"HTTP/1.1 408 Request Timeout", True)
        }
        assert min(seconds for _, seconds in ends) >= BODY_SECONDS - 0.5
        assert max(seconds for _, seconds in ends) < BODY_SECONDS + 5
        assert in_flight(client) == 0
