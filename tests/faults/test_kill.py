"""``kill -9`` under load: acked ⊆ stored ⊆ sent, nothing twice, ready again within five seconds."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path

import httpx
import pyarrow as pa
import pytest

from monitor.columns.batch import decode_batch
from monitor.columns.keyed_ids import hash_ids, hash_key
from monitor.store import labels, models, open_store
from tests.faults.acking import AckingClient, LabelClient, Ledger, kill_under_load, post
from tests.faults.load import PREDICTIONS, make_victim, resend_unknown, stored_ids, stored_records
from tests.faults.report import GATHERED, WHOLE, judge
from tests.service import PATIENCE, Service

ROUNDS = 20 if WHOLE else 3
LABEL_ROUNDS = 20 if WHOLE else 1
READY_SECONDS = 5.0 * PATIENCE  # more than its first start on this machine, which is mostly imports
JOIN_SECONDS = 90.0 * PATIENCE
LABELS = "/api/v1/models/victim/labels"


def database_of(url: str) -> str:
    return "SQLite" if url.startswith("sqlite") else "PostgreSQL"


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.timeout(900)
def test_kills_under_load_lose_nothing_acked_and_store_nothing_twice(tmp_path, store_url):
    it_is_killed(Service(tmp_path, database_url=store_url), database=database_of(store_url), rounds=ROUNDS)
    if store_url.startswith("sqlite"):
        database = sqlite3.connect(store_url.removeprefix("sqlite:///"))
        try:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        finally:
            database.close()


@pytest.mark.whole
@pytest.mark.alone
@pytest.mark.timeout(900)
def test_answers_that_do_not_wait_for_the_commit_lose_what_they_acknowledged(tmp_path, store_url, monkeypatch):
    monkeypatch.delenv(GATHERED, raising=False)  # no row of the report
    service = Service(tmp_path, database_url=store_url, mutation="answers_do_not_wait_for_the_commit")
    with pytest.raises(AssertionError, match=r"lost=[1-9]"):
        it_is_killed(service, database=database_of(store_url), rounds=3)


def it_is_killed(service: Service, *, database: str, rounds: int) -> None:
    """Killed and started so often, under load; what is stored at the end is judged."""
    first = service.start()
    make_victim(service)
    ledger, dice, bites, recovery = Ledger(), random.Random(20261124), 0, 0.0
    try:
        for round_number in range(rounds):
            clients = [
                AckingClient(service.url + PREDICTIONS, ledger=ledger, seed=1000 * round_number + n) for n in range(4)
            ]
            bites += kill_under_load(service, clients=clients, seconds=dice.uniform(0.05, 0.5))
            recovery = max(recovery, service.start(within_seconds=first + READY_SECONDS))
            resend_unknown(service, ledger)
        stored = stored_ids(service.url)
        assert (ledger.refused, ledger.unknown) == (set(), [])
        judge("kill -9", database=database, rounds=rounds, sent=ledger.sent, acked=ledger.acked,
              stored=stored, recovery_seconds=recovery)  # fmt: skip
        assert bites > rounds / 2, "too few kills came before an answer"
        assert len(ledger.acked) > 10 * rounds
    finally:
        service.stop()


def stored_of_one_sent_twice(service: Service) -> int:
    """How many records are stored of one that was acked, and sent again with its key after a kill."""
    service.start()
    make_victim(service)
    ledger = Ledger()
    try:
        for _ in range(2):
            with httpx.Client(timeout=90) as client:
                body = {"records": [{"id": "once", "features": {"x": 1.0}}]}
                assert post(client, service.url + PREDICTIONS, key="k", body=body, ledger=ledger)
            service.kill()
            service.start()
        return len(stored_ids(service.url))
    finally:
        service.stop()


@pytest.mark.whole
@pytest.mark.parametrize(("mutation", "stored"), [(None, 1), ("keys_are_forgotten", 2)], ids=["kept", "not kept"])
def test_a_key_outlives_a_kill_and_without_it_a_repeat_is_stored_twice(tmp_path, store_url, mutation, stored):
    service = Service(tmp_path, database_url=store_url, arguments=("--no-jobs",), mutation=mutation)
    assert stored_of_one_sent_twice(service) == stored


@pytest.mark.alone
@pytest.mark.timeout(900)
@pytest.mark.parametrize("store_url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.whole)], indirect=True)
def test_labels_acknowledged_before_a_kill_wait_for_their_join_after_it(tmp_path, store_url):
    service = Service(tmp_path, database_url=store_url, arguments=("--no-jobs",))  # nothing is joined meanwhile
    service.start()
    assert httpx.put(service.url + "/api/v1/models/victim", json={"task": "binary_classification"}).status_code == 201
    ledger, dice, bites, recovery = Ledger(), random.Random(20261125), 0, 0.0
    try:
        for round_number in range(LABEL_ROUNDS):
            clients = [LabelClient(service.url + LABELS, ledger=ledger, seed=1000 * round_number + n) for n in range(4)]
            bites += kill_under_load(service, clients=clients, seconds=dice.uniform(0.2, 0.6))
            recovery = max(recovery, service.start())
            resend_unknown(service, ledger, path=LABELS)
        assert bites > 0, "no kill came before an answer"
        assert (ledger.refused, ledger.unknown) == (set(), [])
    finally:
        service.stop()
    stored = waiting(store_url, tmp_path)
    acked, sent = (keys_of(ids, store_url, tmp_path) for ids in (ledger.acked, ledger.sent))
    judge("kill -9, labels", database=database_of(store_url), rounds=LABEL_ROUNDS,
          sent=named(sent.values()), acked=named(acked.values()), stored=named(key for key, _ in stored),
          recovery_seconds=recovery)  # fmt: skip
    assert len(acked) > 10
    expected = {id: dict(stored)[key] for id, key in acked.items()}
    assert joined_after_another_kill(tmp_path, store_url, expected=expected) == expected


def named(keys: Iterable[int]) -> list[str]:
    return [str(key) for key in keys]


def joined_after_another_kill(
    data_dir: Path, store_url: str, *, expected: dict[str, str | None]
) -> dict[str, str | None]:
    """The labels that records of those ids are shown with, once the jobs run; killed once more before they join.

    They are joined in passes: what is expected of all of them is waited for.
    """
    service = Service(data_dir, database_url=store_url)
    service.start()
    try:
        assert httpx.put(service.url + "/api/v1/models/victim/versions/1", json={}).status_code == 201
        records = [{"id": id, "timestamp": "2026-01-01T00:00:00Z", "age": 1.0} for id in sorted(expected)]
        assert httpx.post(service.url + PREDICTIONS, json={"records": records}, timeout=90).status_code == 200
        service.kill()
        service.start()
        shown: dict[str, str | None] = {}
        until = time.monotonic() + JOIN_SECONDS
        while time.monotonic() < until and shown != expected:
            time.sleep(0.5)
            shown = {record["id"]: record.get("label") for record in stored_records(service.url)}
        return shown
    finally:
        service.stop()


def waiting(store_url: str, data_dir: Path) -> list[tuple[int, str | None]]:
    """The keys and labels that a join would find."""
    store = open_store(store_url, data_dir=data_dir)
    with store.read() as conn:
        model = models.get_model(conn, name="victim")
        found = [decode_batch(b.payload) for b in labels.waiting_labels(
            conn, model_id=model.id, max_rows=10**9, max_bytes=10**9)]  # fmt: skip
    store.close()
    columns = [(batch.column("key").to_pylist(), batch.column("label").to_pylist()) for batch in found]
    return [pair for keys, values in columns for pair in zip(keys, values, strict=True)]


def keys_of(ids: set[str], store_url: str, data_dir: Path) -> dict[str, int]:
    """What the labels of those ids are known by in that store."""
    store = open_store(store_url, data_dir=data_dir)
    key = hash_key(store.secret)
    store.close()
    named = sorted(ids)
    return dict(zip(named, hash_ids(pa.array(named), key=key).tolist(), strict=True))
