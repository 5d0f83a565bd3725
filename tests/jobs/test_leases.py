from __future__ import annotations

import time

from monitor.jobs.leases import Leases, process_name
from monitor.model.time import SECOND_US
from monitor.store.runs import claim, get_run, heartbeat
from tests.evaluate.traffic import make_world


def claimed(store, *, owner, lease_us, job="evaluate"):
    with store.write() as conn:
        return claim(conn, job=job, subject="1", scheduled_us=7, owner=owner, lease_us=lease_us)


def leases_of(store, *, lease_us, patience_us=60 * SECOND_US):
    return Leases(store, lease_us=lease_us, patience_us=patience_us, retry_us=0)


def run_of(store, job="evaluate"):
    with store.read() as conn:
        return get_run(conn, job=job, subject="1", scheduled_us=7)


def test_no_two_processes_have_one_name():
    assert process_name() != process_name()


def test_a_held_claim_outlives_its_lease(store):
    make_world(store)
    leases = leases_of(store, lease_us=SECOND_US // 5)
    held = claimed(store, owner=leases.owner, lease_us=SECOND_US // 5)
    leases.hold([held])
    leases.start()
    time.sleep(0.5)
    assert claimed(store, owner="other", lease_us=SECOND_US) is None
    leases.stop()


def test_a_claim_that_was_taken_over_is_no_longer_renewed(store):
    leases = leases_of(store, lease_us=SECOND_US)
    held = claimed(store, owner=leases.owner, lease_us=-1)
    leases.hold([held])
    time.sleep(0.002)
    other = claimed(store, owner="other", lease_us=SECOND_US)
    leases.renew()
    assert run_of(store).owner == "other"
    with store.write() as conn:
        assert heartbeat(conn, [other], lease_us=SECOND_US) == {other.id}
    assert leases._all() == []


def test_stopping_gives_back_what_is_held_as_if_untried(store):
    leases = leases_of(store, lease_us=60 * SECOND_US)
    leases.hold([claimed(store, owner=leases.owner, lease_us=60 * SECOND_US)])
    leases.stop()
    run = run_of(store)
    assert (run.state, run.attempt) == ("queued", 0)
    assert claimed(store, owner="other", lease_us=SECOND_US).attempt == 1


def test_work_without_an_end_is_let_go_and_what_waits_behind_it_is_given_back(store):
    leases = leases_of(store, lease_us=60 * SECOND_US, patience_us=SECOND_US // 20)
    hangs, waits = (
        claimed(store, owner=leases.owner, lease_us=60 * SECOND_US, job=job) for job in ("fold", "evaluate")
    )
    leases.hold([waits])
    with leases.working(hangs):
        leases.renew()
        assert run_of(store, "fold").error is None
        time.sleep(0.1)
        leases.renew()
        time.sleep(0.002)
        assert (run_of(store, "fold").state, run_of(store, "fold").error) == ("running", "no end within 0 s")
        assert (run_of(store).state, run_of(store).attempt) == ("queued", 0)
        assert claimed(store, owner="other", lease_us=SECOND_US, job="fold").attempt == 2


def test_work_that_says_how_far_it_is_is_held_however_long_it_takes(store):
    leases = leases_of(store, lease_us=60 * SECOND_US, patience_us=SECOND_US // 20)
    held = claimed(store, owner=leases.owner, lease_us=60 * SECOND_US)
    with leases.working(held):
        for _ in range(3):
            time.sleep(0.03)
            leases.progressed(held)
            leases.renew()
        assert (run_of(store).state, run_of(store).error) == ("running", None)
        assert claimed(store, owner="other", lease_us=SECOND_US) is None
