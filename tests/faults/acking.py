"""An acking client: writes down what it sends before, and what was acknowledged after."""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx

from tests.service import PATIENCE, Service

PAUSE_SECONDS = 0.05  # after what was not acknowledged


@dataclass
class Ledger:
    """Ids by what the client knows of them."""

    sent: set[str] = field(default_factory=set)
    acked: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    unknown: list[tuple[str, dict]] = field(default_factory=list)  # (key, body) to send again
    answers: Counter[int] = field(default_factory=Counter)  # by status
    cut: int = 0  # requests whose connection broke before an answer
    refused_connections: int = 0  # of which nothing was sent
    slowest_seconds: float = 0.0
    in_flight: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class AckingClient(threading.Thread):
    """Posts batches of 1 to 50 records, each with an ``Idempotency-Key``, until told to stop."""

    def __init__(self, url: str, *, ledger: Ledger, seed: int):
        super().__init__(daemon=True)
        self.url, self.ledger, self.random = url, ledger, random.Random(seed)
        self.halt = threading.Event()
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            with httpx.Client(timeout=90) as client:
                while not self.halt.is_set():
                    records = [self._record() for _ in range(self.random.choice([1, 1, 5, 50]))]
                    key = str(uuid.UUID(int=self.random.getrandbits(128)))
                    if not post(client, self.url, key=key, body={"records": records}, ledger=self.ledger):
                        time.sleep(PAUSE_SECONDS)
        except BaseException as error:
            self.error = error

    def _record(self) -> dict:
        identity = f"{self.random.getrandbits(96):024x}"
        return {"id": identity, "features": {"x": self.random.gauss(0, 1), "plan": self.random.choice("abc")}}


class LabelClient(AckingClient):
    """The same with labels."""

    def _record(self) -> dict:
        return {"id": f"{self.random.getrandbits(96):024x}", "label": self.random.choice([True, False, None])}


def post(client: httpx.Client, url: str, *, key: str, body: dict, ledger: Ledger) -> bool:
    """Whether the request was acknowledged; it is entered in the ledger whatever becomes of it."""
    ids = {r["id"] for r in body["records"]}
    with ledger.lock:
        ledger.sent |= ids
        ledger.in_flight += 1
    began = time.monotonic()
    try:
        answer = client.post(url, json=body, headers={"Idempotency-Key": key})
    except httpx.TransportError as error:
        with ledger.lock:
            ledger.unknown.append((key, body))
            ledger.cut += not isinstance(error, httpx.ConnectError)
            ledger.refused_connections += isinstance(error, httpx.ConnectError)
        return False
    finally:
        with ledger.lock:
            ledger.in_flight -= 1
    with ledger.lock:
        ledger.answers[answer.status_code] += 1
        ledger.slowest_seconds = max(ledger.slowest_seconds, time.monotonic() - began)
        if answer.status_code == 200:
            assert answer.json()["stored"] == len(ids), answer.text
            ledger.acked |= ids
        elif answer.status_code in (409, 503):
            assert "retry-after" in answer.headers, answer.text
            ledger.unknown.append((key, body))
        else:
            ledger.refused |= ids
    return answer.status_code == 200


def kill_under_load(service: Service, *, clients: Sequence[AckingClient], seconds: float) -> bool:
    """Kills the service after that time with requests in flight; whether a request stayed without an answer.

    The clients are started, and have ended when this returns.
    """
    ledger = clients[0].ledger
    for client in clients:
        client.start()
    time.sleep(seconds)
    while ledger.in_flight == 0:  # a kill with nothing in flight proves nothing
        time.sleep(0.001)
    service.kill()
    for client in clients:
        client.halt.set()
    for client in clients:
        client.join(timeout=15 * PATIENCE)
        assert client.error is None
    return len(ledger.unknown) > 0
