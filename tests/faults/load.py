"""A real server under load from acking clients, while a fault comes and goes; and what is stored in the end."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.faults.acking import AckingClient, Ledger, post
from tests.faults.cluster import Cluster, until
from tests.faults.pair import memory_bytes
from tests.service import Service

VERSION = "/api/v1/models/victim/versions/1"
PREDICTIONS, RECORDS = f"{VERSION}/predictions", f"{VERSION}/records"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A data directory, and a database of its own where that is not in it."""

    database: str
    data_dir: Path
    url: str | None
    cluster: Cluster | None

    def service(self, **more) -> Service:
        """A server of it, not yet started."""
        return Service(self.data_dir, database_url=self.url, **more)


def make_victim(service: Service) -> None:
    """The model and the version that the clients send to."""
    for path, body in (("/api/v1/models/victim", {"task": "none"}), (VERSION, {})):
        assert httpx.put(service.url + path, json=body, timeout=90).status_code == 201


def stored_records(url: str) -> Iterator[dict[str, Any]]:
    """Every record that is stored, as often as it is."""
    cursor = None
    while True:
        parameters = {"limit": 10_000} | ({"cursor": cursor} if cursor else {})
        page = httpx.get(url + RECORDS, params=parameters, timeout=90).raise_for_status().json()
        yield from page["results"]
        cursor = page["next"]
        if cursor is None:
            return


def stored_ids(url: str) -> list[str]:
    """The ids of every record that is stored, each as often as it is."""
    return [record["id"] for record in stored_records(url)]


def resend_unknown(service: Service, ledger: Ledger, *, path: str = PREDICTIONS) -> None:
    """What had no answer is sent again with its key, as a careful client does."""
    waiting, ledger.unknown = ledger.unknown, []
    with httpx.Client(timeout=90) as client:
        for key, body in waiting:
            post(client, service.url + path, key=key, body=body, ledger=ledger)


@contextmanager
def clients(service: Service, ledger: Ledger, *, seed: int, count: int = 4) -> Iterator[None]:
    """Clients that send for the length of the block; every one has ended after it."""
    started = [AckingClient(service.url + PREDICTIONS, ledger=ledger, seed=1000 * seed + n) for n in range(count)]
    for client in started:
        client.start()
    try:
        yield
    finally:
        for client in started:
            client.halt.set()
        for client in started:
            client.join(timeout=90)
    assert [client.error for client in started] == [None] * count


def acks_again(ledger: Ledger, *, within_seconds: float) -> float:
    """Seconds until requests are acknowledged again, counted from the call."""
    acked = ledger.answers[200]
    return until(lambda: ledger.answers[200] > acked + 5, within_seconds=within_seconds, what="no acknowledgements")


@dataclass
class Seen:
    """What a watcher saw: the answers of the health routes, and what the process took."""

    livez: Counter[int] = field(default_factory=Counter)
    readyz: Counter[int] = field(default_factory=Counter)
    reasons: set[str] = field(default_factory=set)
    slowest_seconds: float = 0.0
    resident_bytes: list[int] = field(default_factory=list)


@contextmanager
def watched(service: Service) -> Iterator[Seen]:
    """Asks ``/livez`` and ``/readyz`` ten times a second for the length of the block."""
    seen, halt = Seen(), threading.Event()
    assert service.process is not None
    pid = service.process.pid

    def watch() -> None:
        with httpx.Client(base_url=service.url, timeout=90) as client:
            while not halt.wait(0.1):
                began = time.monotonic()
                seen.livez[client.get("/livez").status_code] += 1
                seen.slowest_seconds = max(seen.slowest_seconds, time.monotonic() - began)
                ready = client.get("/readyz")
                seen.readyz[ready.status_code] += 1
                if ready.status_code == 503:
                    assert "retry-after" in ready.headers
                    seen.reasons.add(ready.json()["detail"])
                seen.resident_bytes.append(memory_bytes(pid, "VmRSS"))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        halt.set()
        thread.join(timeout=90)
