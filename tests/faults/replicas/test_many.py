"""A large fleet: all workers share the work, a poison model delays nobody, and idle workers ask little."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace

import pytest
from sqlalchemy import create_engine, text

from monitor.model.time import SECOND_US
from tests.faults.replicas.control import QUICK, until
from tests.faults.replicas.fleet import runs_of
from tests.faults.report import WHOLE

COUNT = 1_000 if WHOLE else 200
WORKERS = 5 if WHOLE else 3
SECOND = replace(QUICK, tick_us=SECOND_US)
POISONED = replace(SECOND, slow_us=SECOND_US, patience_us=3 * SECOND_US)
MOST_QUERIES_A_SECOND = 20.0


def done(many):
    return [run for run in runs_of(many.store, job="evaluate") if run.state == "done"]


def started(many, replica, *, count=WORKERS, **told):
    workers = [replica(many.url, **({"rhythm": SECOND} | told)).start() for _ in range(count)]
    for worker in workers:
        until(worker.answers, within_seconds=60)
    return workers


@pytest.mark.alone
@pytest.mark.timeout(600)
def test_every_worker_takes_its_share_of_a_fleet(many, replica, note_measure):
    started(many, replica, rhythm=QUICK, lingers=0.05)  # so that who looks first is not soon done with it all
    began = time.monotonic()
    many.post([0])
    until(lambda: len(done(many)) == COUNT, within_seconds=300)
    shares = Counter(run.owner for run in done(many))
    note_measure(
        f"{COUNT} models, {WORKERS} workers: {time.monotonic() - began:.1f} s, shares {sorted(shares.values())}"
    )
    assert len(shares) == WORKERS
    assert min(shares.values()) >= 0.5 * COUNT / WORKERS
    assert {run.attempt for run in done(many)} == {1}


def stop_between_transactions(many, worker):
    """Stopped inside one it would hold locks that the records wait for."""
    open_ones = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                     "AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%'")  # fmt: skip

    def stopped():
        worker.stop_working()
        time.sleep(0.2)  # what the server was asked is answered, what the others do is over
        with many.store.read() as conn:
            if conn.execute(open_ones).scalar_one() == 0:
                return True
        worker.wake()
        return False

    until(stopped, within_seconds=60)


def share_of_a_late_one(many, replica, *, wakes, **told):
    """What a worker gets that looks when another one has begun with a fleet of which all is due."""
    _, late = started(many, replica, count=2, **told)
    stop_between_transactions(many, late)
    many.post([0])
    until(wakes, within_seconds=120)
    late.wake()
    until(lambda: len(done(many)) == COUNT, within_seconds=500)
    return sum(f":{late.pid}:" in run.owner for run in done(many)) / COUNT


@pytest.mark.whole
@pytest.mark.alone
@pytest.mark.timeout(900)
def test_a_worker_that_comes_later_gets_its_share_too(many, replica):
    assert share_of_a_late_one(many, replica, wakes=lambda: len(done(many)) > 0) > 0.25


@pytest.mark.whole
@pytest.mark.alone
@pytest.mark.timeout(900)
def test_without_sharing_a_worker_that_comes_later_would_get_next_to_nothing(many, replica):
    def all_claimed():  # which with sharing never is: claims are few, and follow what is done
        return len(runs_of(many.store, job="fold")) == COUNT and len(done(many)) < COUNT / 2

    assert share_of_a_late_one(many, replica, wakes=all_claimed, without=("sharing",)) < 0.1


@pytest.mark.alone
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", [pytest.param("raise", marks=pytest.mark.whole), "hang"])
def test_a_poison_model_delays_nobody_and_its_window_becomes_a_gap(kind, many, replica, note_measure):
    poisoned = many.fleet.versions[COUNT // 2].id
    workers = started(many, replica, count=2, rhythm=POISONED, poison=(poisoned, kind))
    began = time.monotonic()
    many.post([0])
    until(lambda: len(done(many)) == COUNT - 1, within_seconds=300)
    others = time.monotonic() - began
    until(lambda: many.window(poisoned).state == "gap", within_seconds=120)
    note_measure(f"{kind}: {COUNT - 1} others in {others:.1f} s, a gap after {time.monotonic() - began:.1f} s")
    reason = {"raise": "ZeroDivisionError: a column nobody can compute", "hang": "the work of the version hangs for"}
    assert many.window(poisoned).reason.startswith(reason[kind])
    [run] = [run for run in runs_of(many.store, job="evaluate") if run.state == "failed"]
    assert (run.subject, run.attempt) == (str(poisoned), 5)
    hanging: list[float] = []

    def only_poison_hangs():  # on a busy machine others take over three seconds, too, and end
        hanging[:] = [worker.metric("driftline_work_hanging") for worker in workers]
        return (sum(hanging) > 0) == (kind == "hang")

    until(only_poison_hangs, within_seconds=60)
    for worker, hangs in zip(workers, hanging, strict=True):
        status, text = worker.ready()
        assert status == 200  # the others are served
        assert (f"work on version {poisoned} hangs" in text) == (hangs > 0)


@pytest.mark.whole
@pytest.mark.alone
def test_without_patience_a_version_that_hangs_would_never_be_a_gap(many, replica):
    poisoned = many.fleet.versions[COUNT // 2].id
    started(many, replica, count=2, rhythm=POISONED, poison=(poisoned, "hang"), without=("patience",))
    many.post([0])
    until(lambda: len(done(many)) == COUNT - 1, within_seconds=300)
    time.sleep(15)
    assert many.window(poisoned).state == "open"


@pytest.mark.whole
@pytest.mark.alone
@pytest.mark.timeout(600)
def test_workers_with_nothing_to_do_ask_little_and_not_all_at_once(many, replica, note_measure):
    started(many, replica)
    engine = create_engine(many.url, isolation_level="AUTOCOMMIT")
    with engine.connect() as conn:
        conn.exec_driver_sql("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        counted = ("SELECT sum(calls) FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid "
                   "WHERE d.datname = current_database()")  # fmt: skip
        rates: list[float] = []

        def settled():  # first each has gone through the fleet for what is past its time
            before, began = conn.exec_driver_sql(counted).scalar_one(), time.monotonic()
            time.sleep(6)
            calls = conn.exec_driver_sql(counted).scalar_one() - before
            rates.append(float(calls) / (time.monotonic() - began) / WORKERS)
            return rates[-1] < MOST_QUERIES_A_SECOND

        until(settled, within_seconds=300, why=lambda: f"statements a second: {rates}")
    engine.dispose()
    a_second = rates[-1]
    note_measure(f"{WORKERS} idle workers over {COUNT} models: {a_second:.1f} statements a second each")
    assert 1 < a_second < MOST_QUERIES_A_SECOND
