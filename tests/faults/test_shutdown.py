"""The end of a server that is told to: what it has taken is answered, what it has claimed is given back, 0."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from monitor.cli.running import LONGEST_END_SECONDS
from monitor.store import open_store, tables
from tests.faults.acking import Ledger
from tests.faults.cluster import until
from tests.faults.load import PREDICTIONS, clients, make_victim, resend_unknown, stored_ids
from tests.faults.report import WHOLE, judge
from tests.service import PATIENCE, Service

pytestmark = [pytest.mark.alone, pytest.mark.timeout(600)]
ROUNDS = 20 if WHOLE else 1
AT_ONCE_SECONDS = 2.0 * PATIENCE


def database_of(url: str) -> str:
    return "SQLite" if url.startswith("sqlite") else "PostgreSQL"


def ended_under_load(service: Service, ledger: Ledger, *, seed: int, signals: tuple[int, ...]) -> tuple[int, float]:
    """(exit code, seconds from the last signal to the end) of a server that gets them with requests in flight."""
    with clients(service, ledger, seed=seed, count=8):
        acked = ledger.answers[200]
        until(lambda: ledger.answers[200] > acked + 20, within_seconds=60, what="load")
        time.sleep(random.Random(seed).uniform(0.0, 0.2))
        until(lambda: ledger.in_flight > 0, within_seconds=10, what="a request in flight")
        for number in signals:
            began = time.monotonic()
            service.process.send_signal(number)
            time.sleep(0.01)
        code = service.process.wait(timeout=LONGEST_END_SECONDS + 5)
        took = time.monotonic() - began
    return code, took


def test_sigterm_under_load_cuts_no_request_and_ends_with_0(tmp_path, store_url):
    service, ledger, slowest = Service(tmp_path, database_url=store_url), Ledger(), 0.0
    service.start()
    make_victim(service)
    try:
        for number in range(ROUNDS):
            code, took = ended_under_load(service, ledger, seed=number, signals=(signal.SIGTERM,))
            assert code == 0, service.log.read_text()[-2000:]
            slowest = max(slowest, took)
            assert ledger.cut == 0, f"requests were cut in round {number}"
            service.start()
            resend_unknown(service, ledger)
        assert set(ledger.answers) <= {200, 409, 503}
        assert slowest < 20
        judge("SIGTERM", database=database_of(store_url), rounds=ROUNDS, sent=ledger.sent, acked=ledger.acked,
              stored=stored_ids(service.url), recovery_seconds=slowest)  # fmt: skip
    finally:
        service.stop()


@pytest.mark.whole
def test_without_waiting_for_what_is_in_flight_requests_are_cut_or_get_500(tmp_path, store_url):
    service, ledger = Service(tmp_path, database_url=store_url, mutation="requests_in_flight_are_cut"), Ledger()
    service.start()
    make_victim(service)
    for number in range(3):
        ended_under_load(service, ledger, seed=200 + number, signals=(signal.SIGTERM,))
        service.start()
    service.stop()
    assert ledger.cut + ledger.answers[500] > 0


@pytest.mark.whole
@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_second_signal_ends_it_at_once_and_loses_nothing_acked(tmp_path, store_url, second):
    service, ledger, slowest = Service(tmp_path, database_url=store_url), Ledger(), 0.0
    service.start()
    make_victim(service)
    rounds = ROUNDS // 2
    try:
        for number in range(rounds):
            code, took = ended_under_load(service, ledger, seed=100 + number, signals=(signal.SIGTERM, second))
            # 0: it had ended before the second came. SIGTERM's: both came before Python looked, which it does by number
            assert code in (128 + second, 128 + signal.SIGTERM, 0)
            slowest = max(slowest, took)
            service.start()
            resend_unknown(service, ledger)
        assert slowest < AT_ONCE_SECONDS
        judge(f"SIGTERM, then {second.name}", database=database_of(store_url), rounds=rounds, sent=ledger.sent,
              acked=ledger.acked, stored=stored_ids(service.url), recovery_seconds=slowest)  # fmt: skip
    finally:
        service.stop()


def asked_just_after(service: Service) -> int | None:
    """The status of a request that an idle connection brings right after SIGTERM; None where it finds it closed."""
    with httpx.Client(base_url=service.url, timeout=90) as client:
        assert client.get("/livez").status_code == 200
        service.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        try:
            answer = client.get("/livez")
        except httpx.TransportError:
            return None
    assert answer.headers["connection"] == "close"
    return answer.status_code


def test_a_request_that_an_idle_connection_brings_meanwhile_is_answered(tmp_path):
    service = Service(tmp_path)
    service.start()
    assert asked_just_after(service) == 200
    assert service.process.wait(timeout=LONGEST_END_SECONDS + 5) == 0


@pytest.mark.whole
def test_without_the_time_left_to_idle_connections_it_is_cut(tmp_path):
    service = Service(tmp_path, mutation="idle_connections_are_closed_at_once")
    service.start()
    assert asked_just_after(service) is None
    service.stop()


def claims_after_sigterm(data_dir: Path, url: str, *, command: str, guards: tuple[str, ...] = ()) -> tuple[int, int]:
    """(claims while a fold was under way, claims after the process was told to end and has ended with 0)."""
    feeder = Service(data_dir, database_url=url, arguments=("--no-jobs",))
    feeder.start()
    make_victim(feeder)
    records = [{"id": f"r{n}", "features": {"x": n}} for n in range(12_000)]
    assert httpx.post(feeder.url + PREDICTIONS, json={"records": records}, timeout=90).status_code == 200
    feeder.stop()
    mutation = ",".join(("a_fold_takes_a_minute", *guards))
    service = Service(data_dir, database_url=url, command=command, mutation=mutation)
    service.start()
    try:
        until(lambda: running_claims(data_dir, url) > 0, within_seconds=30, what="a fold under way")
        before = running_claims(data_dir, url)
    finally:
        code = service.stop(within_seconds=LONGEST_END_SECONDS)
    assert code == 0
    return before, running_claims(data_dir, url)


def running_claims(data_dir: Path, url: str) -> int:
    store = open_store(url, data_dir=data_dir)
    try:
        with store.read() as conn:
            running = sa.select(sa.func.count()).where(tables.job_run.c.state == "running")
            return int(conn.execute(running).scalar_one())
    finally:
        store.close()


@pytest.mark.whole
@pytest.mark.parametrize("command", ["serve", "worker"])
def test_sigterm_gives_back_the_claims_of_work_that_is_under_way(tmp_path, store_url, command):
    assert claims_after_sigterm(tmp_path, store_url, command=command) == (1, 0)


@pytest.mark.whole
def test_without_giving_back_a_claim_stays(tmp_path, store_url):
    guards = ("claims_are_not_given_back",)
    assert claims_after_sigterm(tmp_path, store_url, command="worker", guards=guards) == (1, 1)


def seconds_of_a_second_signal(data_dir: Path, *, command: str, guards: tuple[str, ...] = ()) -> tuple[int, float]:
    """(exit code, seconds to the end) after a second SIGTERM while the first waits for work that takes a minute."""
    service = Service(data_dir, command=command, mutation=",".join(("the_end_takes_a_minute", *guards)))
    service.start()
    service.process.terminate()
    time.sleep(2.0)
    assert service.process.poll() is None
    began = time.monotonic()
    service.process.terminate()
    try:
        return service.process.wait(timeout=AT_ONCE_SECONDS + 3), time.monotonic() - began
    except subprocess.TimeoutExpired:
        service.kill()
        return -signal.SIGKILL, time.monotonic() - began


@pytest.mark.parametrize("command", ["serve", pytest.param("worker", marks=pytest.mark.whole)])
def test_a_second_signal_does_not_wait_for_an_end_that_hangs(tmp_path, command):
    code, took = seconds_of_a_second_signal(tmp_path, command=command)
    assert code == 128 + signal.SIGTERM
    assert took < AT_ONCE_SECONDS


@pytest.mark.whole
def test_without_the_guard_a_second_signal_changes_nothing(tmp_path):
    guards = ("a_second_signal_is_like_the_first",)
    assert seconds_of_a_second_signal(tmp_path, command="serve", guards=guards)[0] == -signal.SIGKILL


@pytest.mark.whole
def test_an_end_that_hangs_is_cut_after_its_longest_time(tmp_path):
    service = Service(tmp_path, mutation="the_end_takes_a_minute")
    service.start()
    began = time.monotonic()
    service.process.terminate()
    assert service.process.wait(timeout=LONGEST_END_SECONDS + 5) == 1
    assert time.monotonic() - began < LONGEST_END_SECONDS + 2
    assert f"no end within {LONGEST_END_SECONDS} s" in service.log.read_text()
