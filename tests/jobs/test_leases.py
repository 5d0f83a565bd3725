from __future__ import annotations

import time

from monitor.jobs.leases import Leases, process_name
from monitor.model.time import SECOND_US
from monitor.store.runs import claim, get_run, heartbeat
from tests.evaluate.traffic import make_world


def claimed(store, *, owner, lease_us, job="evaluate"):
    with store.write() as conn:
        return claim(conn, job=job, subject="1", scheduled_us=7, owner=owner, lease_us=lease_us)


def run_of(store, job="evaluate"):
    with store.read() as conn:
        return get_run(conn, job=job, subject="1", scheduled_us=7)


def test_no_two_processes_have_one_name():
    assert process_name() != process_name()


def test_a_held_claim_outlives_its_lease(store):
    make_world(store)
    leases = Leases(store, lease_us=SECOND_US // 5)
    held = claimed(store, owner=leases.owner, lease_us=SECOND_US // 5)
    leases.hold([held])
    leases.start()
    time.sleep(0.5)
    assert claimed(store, owner="other", lease_us=SECOND_US) is None
    leases.stop()


def test_a_claim_that_was_taken_over_is_no_longer_renewed(store):
    leases = Leases(store, lease_us=SECOND_US)
    held = claimed(store, owner=leases.owner, lease_us=-1)
    leases.hold([held])
    time.sleep(0.002)
    other = claimed(store, owner="other", lease_us=SECOND_US)
    leases.renew()
    assert run_of(store).owner == "other"
    with store.write() as conn:
        heartbeat(conn, other, lease_us=SECOND_US)
    assert leases._taken() == []


def test_stopping_gives_back_what_is_held_as_if_untried(store):
    leases = Leases(store, lease_us=60 * SECOND_US)
    leases.hold([claimed(store, owner=leases.owner, lease_us=60 * SECOND_US)])
    leases.stop()
    run = run_of(store)
    assert (run.state, run.attempt) == ("queued", 0)
    assert claimed(store, owner="other", lease_us=SECOND_US).attempt == 1
