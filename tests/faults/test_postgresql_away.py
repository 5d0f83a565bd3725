"""PostgreSQL stopped, locked, without connections, read-only: 503 and ``Retry-After``, alive; then on by itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psycopg
import pytest

from monitor.store.postgres import LOCK_SECONDS, POOL_SECONDS
from tests.faults.acking import Ledger
from tests.faults.cluster import Cluster, until
from tests.faults.load import Seen, acks_again, clients, make_victim, resend_unknown, stored_ids, watched
from tests.faults.pair import MIB
from tests.faults.report import WHOLE, judge
from tests.service import PATIENCE, Service

pytestmark = [pytest.mark.alone, pytest.mark.timeout(900)]
RESTARTS = 5 if WHOLE else 1
LOCKED_SECONDS = 60.0
AWAY_SECONDS = 15.0 if WHOLE else 2.0
RECOVERY_SECONDS = 10.0  # times PATIENCE
MOST_GROWTH = 64 * MIB


@pytest.fixture
def cluster(make_cluster) -> Cluster:
    """A PostgreSQL with few connections, and a database whose owner is no superuser."""
    made: Cluster = make_cluster(max_connections="40")
    made.sql("CREATE ROLE driftline LOGIN", "CREATE DATABASE victim OWNER driftline")
    return made


@pytest.fixture
def service(request: pytest.FixtureRequest, cluster: Cluster, tmp_path) -> Iterator[Service]:
    """A running server, with the guard taken out that the test names."""
    started = Service(tmp_path, database_url=url_of(cluster), mutation=getattr(request, "param", None))
    started.start()
    make_victim(started)
    yield started
    started.stop(within_seconds=40)


def url_of(cluster: Cluster) -> str:
    return cluster.url("victim").replace("postgres@", "driftline@")


@contextmanager
def under_load(service: Service) -> Iterator[tuple[Ledger, Seen]]:
    """Load and a watcher for the length of the block; after it the answers were only those that are promised."""
    ledger = Ledger()
    with watched(service) as seen, clients(service, ledger, seed=1):
        until(lambda: ledger.answers[200] > 50, within_seconds=60, what="load")
        resident = seen.resident_bytes[-1]
        yield ledger, seen
    assert service.process.poll() is None
    assert set(ledger.answers) <= {200, 409, 503}, ledger.answers
    assert ledger.cut + ledger.refused_connections == 0
    assert set(seen.livez) == {200}
    grown = max(seen.resident_bytes) - resident
    assert grown < MOST_GROWTH, f"{grown / MIB:.0f} MiB"
    assert "unexpected error" not in service.log.read_text()


def judged(fault: str, service: Service, ledger: Ledger, *, rounds: int, recovery: float) -> None:
    assert recovery < RECOVERY_SECONDS * PATIENCE
    resend_unknown(service, ledger)
    judge(fault, database="PostgreSQL", rounds=rounds, sent=ledger.sent, acked=ledger.acked,
          stored=stored_ids(service.url), recovery_seconds=recovery)  # fmt: skip


def ready_again(seen: Seen) -> None:
    ready = seen.readyz[200]
    until(lambda: seen.readyz[200] > ready, within_seconds=RECOVERY_SECONDS, what="ready again")


def without(guard: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("service", [guard], indirect=True, ids=["mutated"])


NOT_KNOWN = r"the reason was not said|unexpected error|not within"


@pytest.mark.parametrize("mode", [pytest.param("fast", marks=pytest.mark.whole), "immediate"])
def test_restarts_under_load_lose_nothing_acked(cluster, service, mode):
    the_database_restarts(cluster, service, mode=mode, times=RESTARTS)


@pytest.mark.whole
@without("a_database_that_is_away_is_unknown")
def test_without_knowing_that_it_is_away_nobody_is_told_why(cluster, service):
    with pytest.raises(AssertionError, match=NOT_KNOWN):
        the_database_restarts(cluster, service, mode="fast", times=1)


def the_database_restarts(cluster: Cluster, service: Service, *, mode: str, times: int) -> None:
    recovery = 0.0
    with under_load(service) as (ledger, seen):
        for _ in range(times):
            refused, unready = ledger.answers[503], seen.readyz[503]
            cluster.stop(mode)
            until(lambda n=refused: ledger.answers[503] > n, within_seconds=20, what="503")
            until(lambda n=unready: seen.readyz[503] > n, within_seconds=20, what="not ready")
            time.sleep(AWAY_SECONDS)
            cluster.start()
            recovery = max(recovery, acks_again(ledger, within_seconds=30))
            ready_again(seen)
    said = [reason for reason in seen.reasons if "connection to the database failed" in reason or "shutting" in reason]
    assert said, f"the reason was not said: {seen.reasons}"
    judged(f"PostgreSQL stopped, {mode}", service, ledger, rounds=times, recovery=recovery)


@pytest.mark.whole
def test_a_lock_on_a_table_makes_bounded_waits(cluster, service):
    a_table_is_locked(cluster, service)


@pytest.mark.whole
@without("waits_for_locks_have_no_bound")
def test_without_a_bound_of_waits_nobody_is_told_of_the_lock(cluster, service):
    with pytest.raises(AssertionError, match="nobody was told"):
        a_table_is_locked(cluster, service)


@pytest.mark.whole
@without("readiness_does_not_ask_how_storing_goes")
def test_without_asking_how_storing_goes_a_locked_server_looks_ready(cluster, service):
    with pytest.raises(AssertionError, match="it looked ready"):
        a_table_is_locked(cluster, service)


def a_table_is_locked(cluster: Cluster, service: Service) -> None:
    with under_load(service) as (ledger, seen):
        with psycopg.connect(url_of(cluster).replace("+psycopg", "")) as other:
            other.execute("LOCK TABLE log_batch IN ACCESS EXCLUSIVE MODE")
            time.sleep(LOCKED_SECONDS)
            other.rollback()
        recovery = acks_again(ledger, within_seconds=30)
        until(lambda: seen.readyz[200] > 0, within_seconds=RECOVERY_SECONDS, what="ready")
    assert ledger.answers[503] > 0, "nobody was told"
    assert ledger.slowest_seconds < 2 * LOCK_SECONDS + 5 * PATIENCE  # its turn behind the group before it
    assert any(reason.startswith("records cannot be stored now: ") for reason in seen.reasons), "it looked ready"
    judged("a table locked", service, ledger, rounds=1, recovery=recovery)


@pytest.mark.whole
def test_without_a_connection_left_the_reason_is_said(cluster, service):
    no_connection_is_left(cluster, service)


@pytest.mark.whole
@without("a_database_that_is_away_is_unknown")
def test_without_knowing_that_none_is_left_the_reason_is_not_said(cluster, service):
    with pytest.raises(AssertionError, match=NOT_KNOWN):
        no_connection_is_left(cluster, service)


def no_connection_is_left(cluster: Cluster, service: Service) -> None:
    with under_load(service) as (ledger, seen), ExitStack() as taken:
        refused = ledger.answers[503]
        until(lambda: starved(cluster, taken), within_seconds=60, what="every connection taken")
        until(lambda: ledger.answers[503] > refused, within_seconds=20 + POOL_SECONDS, what="503")
        until(lambda: any("no connection left" in r for r in seen.reasons), within_seconds=20, what="the reason")
        time.sleep(AWAY_SECONDS)
        taken.close()
        recovery = acks_again(ledger, within_seconds=30)
        ready_again(seen)
    judged("no connection left", service, ledger, rounds=1, recovery=recovery)


def starved(cluster: Cluster, taken: ExitStack) -> bool:
    """Whether the server has no connection any more, after its sessions were ended and what was free was taken."""
    of_the_server = "FROM pg_stat_activity WHERE application_name = 'driftline'"
    cluster.sql(f"SELECT pg_terminate_backend(pid) {of_the_server}")
    url = url_of(cluster).replace("+psycopg", "")
    while True:
        try:
            taken.enter_context(psycopg.connect(url, application_name="hog"))
        except psycopg.OperationalError:
            break
    time.sleep(0.5)
    return cluster.sql(f"SELECT count(*) {of_the_server}") == [(0,)]


@pytest.mark.whole
def test_a_database_that_becomes_read_only_and_writable_again(cluster, service):
    with under_load(service) as (ledger, seen):
        refused = ledger.answers[503]
        cluster.sql("ALTER DATABASE victim SET default_transaction_read_only = on")
        cluster.end_sessions("victim")
        until(lambda: ledger.answers[503] > refused + 5, within_seconds=20, what="503")
        until(lambda: any("read-only" in reason for reason in seen.reasons), within_seconds=20, what="the reason")
        time.sleep(AWAY_SECONDS)
        # sessions keep what they began with, as those on a former primary do: new ones are needed
        cluster.sql("ALTER DATABASE victim RESET default_transaction_read_only")
        recovery = acks_again(ledger, within_seconds=30)
        ready_again(seen)
    judged("PostgreSQL read-only", service, ledger, rounds=1, recovery=recovery)
