"""A 2xx follows a flush, call by call; after a flush that failed nothing is acknowledged, and nothing acked is lost."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

from monitor.cli.running import FAILED_FLUSH_CODE
from tests.faults.acking import Ledger
from tests.faults.cluster import Cluster, until
from tests.faults.load import PREDICTIONS, Place, acks_again, clients, make_victim, resend_unknown, stored_ids
from tests.faults.report import WHOLE, judge
from tests.faults.tracing import Call, calls_of, living, need_strace, traced

pytestmark = [pytest.mark.alone, pytest.mark.timeout(600)]
REQUESTS = 50 if WHOLE else 10
ROUNDS = 5 if WHOLE else 1
CALLS = "fsync,fdatasync,read,recvfrom,recvmsg,write,writev,sendto,sendmsg"
LOGS = {"SQLite": "driftline.db-wal", "PostgreSQL": "/pg_wal/"}


def traced_requests(place: Place, *, mutation: str | None = None) -> tuple[list[Call], list[Call]]:
    """(what the server did, what the processes of the database did) while some requests were answered, one by one."""
    service = place.service(mutation=mutation, arguments=("--no-jobs",))
    service.start()
    make_victim(service)
    pids = [service.process.pid]
    backends = place.data_dir / "backends"
    backends.touch()
    if place.cluster is not None:
        pids = [int(str(row[0])) for row in place.cluster.sql("SELECT pid FROM pg_stat_activity")][:-1]
    try:
        with (
            traced(service.process.pid, calls=CALLS, log=place.data_dir / "server"),
            httpx.Client(timeout=90) as client,
        ):
            if place.cluster is None:
                send(client, service.url)
            else:
                with traced(*living(pids), calls=CALLS, log=backends):
                    send(client, service.url)
    finally:
        service.stop()
    return calls_of(place.data_dir / "server"), calls_of(backends)


def send(client: httpx.Client, url: str) -> None:
    for n in range(REQUESTS):
        answer = client.post(url + PREDICTIONS, json={"records": [{"id": f"r{n}", "features": {"x": n}}]})
        assert answer.status_code == 200


def unflushed(server: list[Call], others: list[Call], *, log: str) -> tuple[int, int]:
    """(how many requests were acknowledged, how many of them without a flush of ``log`` since they were read)."""
    flushes = [
        call for call in [*server, *others]
        if call.name in ("fsync", "fdatasync") and log in call.text and re.search(r"\) += 0 ", call.text)
    ]  # fmt: skip
    reads = [call for call in server if f'"POST {PREDICTIONS}' in call.text]
    acks = [call for call in server if '"HTTP/1.1 200 OK' in call.text]
    without = 0
    for ack in acks:
        read = max(call.returned for call in reads if call.returned < ack.began)
        without += not any(read < flush.began and flush.returned < ack.began for flush in flushes)
    return len(acks), without


def test_a_flush_has_returned_between_the_read_of_a_request_and_its_answer(place):
    need_strace()
    server, others = traced_requests(place)
    assert unflushed(server, others, log=LOGS[place.database]) == (REQUESTS, 0)


@pytest.mark.whole
def test_without_the_flush_the_trace_shows_it(place):
    need_strace()
    server, others = traced_requests(place, mutation="commits_are_not_flushed")
    acked, without = unflushed(server, others, log=LOGS[place.database])
    assert acked == REQUESTS
    assert without > REQUESTS / 2


def fail_flushes_under_load(service, ledger, *, log: Path, seed: int) -> int | None:
    """The exit code of the server after its flushes were made to fail, None where it goes on."""
    with clients(service, ledger, seed=seed):
        until(lambda: ledger.answers[200] > 10 * seed, within_seconds=30, what="load")
        with traced(service.process.pid, calls="fsync,fdatasync", log=log, inject="fsync,fdatasync:error=EIO"):
            try:
                until(lambda: service.process.poll() is not None, within_seconds=20, what="the server ends")
            except AssertionError:
                return None
    assert "INJECTED" in log.read_text(), "no flush was made to fail"
    return service.process.returncode


@pytest.mark.parametrize("place", ["SQLite"], indirect=True)
def test_after_a_failed_flush_the_server_ends_and_nothing_acked_is_lost(place):
    need_strace()
    service, ledger, recovery = place.service(), Ledger(), 0.0
    service.start()
    make_victim(service)
    try:
        for number in range(1, ROUNDS + 1):
            log = place.data_dir / f"trace{number}"
            assert fail_flushes_under_load(service, ledger, log=log, seed=number) == FAILED_FLUSH_CODE
            assert set(ledger.answers) <= {200, 409, 503}
            said = service.log.read_text()
            assert len(re.findall("CRITICAL .*the disk did not take what was written", said)) == number
            recovery = max(recovery, service.start())
            assert service.log.read_text().count("was not closed and is whole") == number
            resend_unknown(service, ledger)
        judge("failed flush", database=place.database, rounds=ROUNDS, sent=ledger.sent, acked=ledger.acked,
              stored=stored_ids(service.url), recovery_seconds=recovery)  # fmt: skip
    finally:
        service.stop()


@pytest.mark.whole
@pytest.mark.parametrize("place", ["SQLite"], indirect=True)
def test_without_the_guard_a_server_goes_on_after_a_failed_flush(place):
    need_strace()
    service = place.service(mutation="a_failed_flush_is_no_end")
    service.start()
    make_victim(service)
    try:
        assert fail_flushes_under_load(service, Ledger(), log=place.data_dir / "trace", seed=1) is None
    finally:
        service.kill()


def panics_of(cluster: Cluster) -> int:
    return cluster.log.read_text().count("PANIC")


@pytest.mark.whole
@pytest.mark.parametrize("place", ["PostgreSQL"], indirect=True)
def test_after_a_failed_flush_of_postgresql_the_server_waits_for_its_recovery(place):
    need_strace()
    service, ledger, recovery = place.service(), Ledger(), 0.0
    service.start()
    make_victim(service)
    try:
        for number in range(1, ROUNDS + 1):
            panics = panics_of(place.cluster)
            with clients(service, ledger, seed=number):
                until(lambda: ledger.answers[200] > 10, within_seconds=30, what="load")
                backends = place.cluster.sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'driftline'")
                pids = living([int(str(row[0])) for row in backends])
                log = place.data_dir / f"trace{number}"
                with traced(*pids, calls="fsync,fdatasync", log=log, inject="fsync,fdatasync:error=EIO"):
                    until(lambda n=panics: panics_of(place.cluster) > n, within_seconds=20, what="a panic")
                recovery = max(recovery, acks_again(ledger, within_seconds=30))
            assert "INJECTED" in log.read_text()
        assert service.process.poll() is None
        assert set(ledger.answers) <= {200, 409, 503}
        resend_unknown(service, ledger)
        judge("failed flush", database=place.database, rounds=ROUNDS, sent=ledger.sent, acked=ledger.acked,
              stored=stored_ids(service.url), recovery_seconds=recovery)  # fmt: skip
    finally:
        service.stop()
