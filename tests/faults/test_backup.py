"""Backups by a real server under load, and ``kill -9`` in the middle of writing and of reading one."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from monitor.columns.batch import ID, decode_batch
from monitor.model.errors import InvalidInput
from monitor.store import open_store, tables
from monitor.store.backup import check_file
from tests.faults.acking import AckingClient, Ledger
from tests.faults.report import WHOLE
from tests.faults.test_kill import PREDICTIONS
from tests.service import PATIENCE, Service

BALLAST = 48 if WHOLE else 20  # mebibytes, so that a backup takes longer than a moment
BEGUN_SECONDS = 30.0 * PATIENCE


def command(*words, **settings):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("DRIFTLINE_")}
    return {"args": [sys.executable, "-m", "monitor.cli", *words], "env": clean | settings}


def run(*words, **settings):
    return subprocess.run(
        **command(*words, **settings), capture_output=True, text=True, timeout=180 * PATIENCE, check=False
    )  # fmt: skip


def succeeds(done):
    assert done.returncode == 0, done.stdout + done.stderr


def add_ballast(url, data_dir):
    """Answers of requests that nobody will ask for again: bytes that do not compress."""
    store = open_store(url, data_dir=data_dir, migrate=True)
    dice = random.Random(1)
    for n in range(BALLAST):
        with store.write() as conn:
            conn.execute(sa.insert(tables.request_key).values(
                version_id=10**6 + n, route="r", key="k", digest="", created_us=time.time_ns() // 1000, status=200,
                answer=dice.randbytes(1024**2),
            ))  # fmt: skip
    store.close()


@pytest.fixture
def service(tmp_path, store_url):
    """A server with a model ``victim`` and some mebibytes."""
    add_ballast(store_url, tmp_path)
    started = Service(tmp_path, database_url=store_url)
    started.start()
    for path, body in (("/api/v1/models/victim", {"task": "none"}), ("/api/v1/models/victim/versions/1", {})):
        assert httpx.put(started.url + path, json=body).status_code == 201
    yield started
    started.stop()


@pytest.fixture
def another_url(store_url, request):
    """The URL of an empty database of the same kind; None: the embedded one, wherever the data directory is."""
    if store_url.startswith("sqlite"):
        return None
    return request.getfixturevalue("postgresql_databases")("template0")


@pytest.mark.slow
@pytest.mark.alone
def test_what_was_acknowledged_before_a_backup_under_load_is_in_the_restored_store(
    service, store_url, another_url, tmp_path
):
    ledger = Ledger()
    clients = [AckingClient(service.url + PREDICTIONS, ledger=ledger, seed=seed) for seed in range(4)]
    for client in clients:
        client.start()
    time.sleep(1.0)
    with ledger.lock:
        acked_before = set(ledger.acked)
    beside = {"DRIFTLINE_DATA_DIR": str(tmp_path)} | ({"DRIFTLINE_DATABASE_URL": store_url} if another_url else {})
    succeeds(run("verify", **beside))  # nothing that moves is called wrong
    made = run("backup", str(tmp_path / "x.backup"), "--url", service.url)
    with ledger.lock:
        acked_after = set(ledger.acked)
    for client in clients:
        client.halt.set()
    for client in clients:
        client.join(timeout=90)
        assert client.error is None
    succeeds(made)
    assert (len(acked_before) > 10, len(acked_after - acked_before) > 10) == (True, True), "no load: it proves nothing"
    assert ledger.refused == set()
    place = tmp_path / "elsewhere"
    place.mkdir()
    settings = {"DRIFTLINE_DATA_DIR": str(place)} | ({"DRIFTLINE_DATABASE_URL": another_url} if another_url else {})
    succeeds(run("restore", str(tmp_path / "x.backup"), **settings))
    succeeds(run("verify", **settings))
    stored = ids_in(another_url or "", place)
    assert len(stored) == len(set(stored))
    assert acked_before <= set(stored) <= ledger.sent


@pytest.mark.alone
def test_a_server_killed_while_it_writes_a_backup_leaves_none(service, tmp_path):
    path = tmp_path / "x.backup"
    client = subprocess.Popen(**command("backup", str(path), "--url", service.url), stderr=subprocess.PIPE, text=True)
    wait_for(lambda: [p for p in tmp_path.glob(".x.backup.*.part") if p.stat().st_size > 2 * 1024**2])
    service.kill()
    _, said = client.communicate(timeout=90)
    assert client.returncode == 1
    assert "went away" in said
    assert [found for found in tmp_path.iterdir() if "x.backup" in found.name] == []
    service.start()
    assert list((tmp_path / "backups").glob("*")) == []


@pytest.mark.alone
def test_a_backup_killed_while_it_is_written_has_no_name_and_no_end(store_url, tmp_path):
    add_ballast(store_url, tmp_path)
    path = tmp_path / "x.backup"
    settings = {"DRIFTLINE_DATA_DIR": str(tmp_path), "DRIFTLINE_DATABASE_URL": store_url}
    process = subprocess.Popen(**command("backup", str(path), "--offline", **settings))
    wait_for(lambda: [p for p in tmp_path.glob(".x.backup.*.part") if p.stat().st_size > 2 * 1024**2])
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not path.exists()
    (left,) = tmp_path.glob(".x.backup.*.part")
    with pytest.raises(InvalidInput, match="no end"):
        check_file(left)
    succeeds(run("backup", str(path), "--offline", **settings))


@pytest.mark.alone
def test_a_restore_killed_in_the_middle_leaves_no_database_and_can_be_begun_again(empty_url, tmp_path):
    add_ballast("", tmp_path)
    path, place = tmp_path / "x.backup", tmp_path / "elsewhere"
    place.mkdir()
    succeeds(run("backup", str(path), "--offline", DRIFTLINE_DATA_DIR=str(tmp_path)))
    sqlite = empty_url.startswith("sqlite")
    target = {"DRIFTLINE_DATA_DIR": str(place)} | ({} if sqlite else {"DRIFTLINE_DATABASE_URL": empty_url})
    process = subprocess.Popen(**command("restore", str(path), **target))
    wait_for(lambda: half_restored(place) if sqlite else busy(empty_url))
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    if sqlite:
        assert not (place / "driftline.db").exists()
    else:
        assert table_names(empty_url) == []
    succeeds(run("restore", str(path), **target))
    restored = open_store("" if sqlite else empty_url, data_dir=place)
    with restored.read() as conn:
        assert conn.execute(sa.select(sa.func.count()).select_from(tables.request_key)).scalar() == BALLAST
    restored.close()


def ids_in(url: str, place: Path) -> list[str]:
    """The ids of all records in a store that nobody uses."""
    store = open_store(url, data_dir=place)
    with store.read() as conn:
        payloads = conn.execute(sa.select(tables.log_payload.c.payload)).scalars().all()
    store.close()
    return [id for payload in payloads for id in decode_batch(bytes(payload)).column(ID).to_pylist()]


def half_restored(place: Path) -> bool:
    return any(found.stat().st_size > 5 * 1024**2 for found in place.glob(".restoring-*/*"))


def busy(url: str) -> bool:
    """Whether somebody copies into the database now."""
    engine = sa.create_engine(url)
    with engine.connect() as conn:
        query = "SELECT count(*) FROM pg_stat_progress_copy WHERE bytes_processed > 1000000"
        found = conn.exec_driver_sql(query).scalar()
    engine.dispose()
    return bool(found)


def table_names(url: str) -> list[str]:
    engine = sa.create_engine(url)
    until = time.monotonic() + 10
    while time.monotonic() < until:  # the server finds out that its client is gone
        with engine.connect() as conn:
            others = (
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            if conn.exec_driver_sql(others).scalar() == 0:
                break
    found = sa.inspect(engine).get_table_names()
    engine.dispose()
    return found


def wait_for(happens) -> None:
    until = time.monotonic() + BEGUN_SECONDS
    while not happens():
        assert time.monotonic() < until, "it did not begin: nothing to interrupt"
        time.sleep(0.002)
