"""``kill -9`` under load: acked ⊆ stored ⊆ sent, nothing twice, ready again within five seconds."""

from __future__ import annotations

import random
import sqlite3
import time

import httpx
import pytest

from tests.faults.acking import AckingClient, Ledger, post
from tests.service import Service

ROUNDS = 20
READY_SECONDS = 5.0
RECORDS = "/api/v1/models/victim/versions/1/records"
PREDICTIONS = "/api/v1/models/victim/versions/1/predictions"


def stored_ids(url: str) -> list[str]:
    ids: list[str] = []
    cursor = None
    while True:
        parameters = {"limit": 10_000} | ({"cursor": cursor} if cursor else {})
        page = httpx.get(url + RECORDS, params=parameters, timeout=60).raise_for_status().json()
        ids += [record["id"] for record in page["results"]]
        cursor = page["next"]
        if cursor is None:
            return ids


def resend_unknown(service: Service, ledger: Ledger) -> None:
    """What had no answer is sent again with its key, as a careful client does."""
    waiting, ledger.unknown = ledger.unknown, []
    with httpx.Client(timeout=10) as client:
        for key, body in waiting:
            post(client, service.url + PREDICTIONS, key=key, body=body, ledger=ledger)


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.timeout(600)
def test_twenty_kills_under_load_lose_nothing_acked_and_store_nothing_twice(tmp_path, store_url):
    service = Service(tmp_path, database_url=store_url)
    service.start()
    for path, body in (("/api/v1/models/victim", {"task": "none"}), ("/api/v1/models/victim/versions/1", {})):
        assert httpx.put(service.url + path, json=body).status_code == 201
    ledger, dice, bites, slowest = Ledger(), random.Random(20261124), 0, 0.0
    try:
        for round_number in range(ROUNDS):
            clients = [
                AckingClient(service.url + PREDICTIONS, ledger=ledger, seed=1000 * round_number + n) for n in range(4)
            ]
            for client in clients:
                client.start()
            time.sleep(dice.uniform(0.05, 0.5))
            while ledger.in_flight == 0:  # a kill with nothing in flight proves nothing
                time.sleep(0.001)
            service.kill()
            for client in clients:
                client.halt.set()
            for client in clients:
                client.join(timeout=15)
                assert client.error is None
            bites += len(ledger.unknown) > 0
            slowest = max(slowest, service.start(within_seconds=READY_SECONDS))
            resend_unknown(service, ledger)
        assert bites > ROUNDS / 2, "too few kills came before an answer"
        stored = stored_ids(service.url)
        assert len(stored) == len(set(stored))
        assert ledger.refused == set()
        assert ledger.unknown == []
        assert ledger.acked <= set(stored) <= ledger.sent
        assert len(ledger.acked) > 10 * ROUNDS
    finally:
        service.stop()
    if store_url.startswith("sqlite"):
        database = sqlite3.connect(store_url.removeprefix("sqlite:///"))
        try:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        finally:
            database.close()
