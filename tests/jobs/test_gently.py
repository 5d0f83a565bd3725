from __future__ import annotations

import time

from monitor.jobs import upkeep
from monitor.jobs.gently import in_steps
from monitor.model.time import HOUR_US
from monitor.store import keys, models, tables
from monitor.store.purge import purge_deleted
from tests.evaluate.traffic import hour_of_rows, make_world


def test_between_two_steps_others_have_as_much_time_as_the_steps_took(store):
    left, took = list(range(5)), 0.02

    def step(conn):
        time.sleep(took)
        return left.pop() if left else 0

    began = time.monotonic()
    assert in_steps(store, step) is True
    assert left == []
    assert time.monotonic() - began >= 9 * took  # five steps and four pauses: a 0 is the last one


def test_what_is_not_done_in_time_goes_on_with_the_next_call(store):
    left = list(range(1, 4))
    calls = 1
    while not in_steps(store, lambda conn: left.pop() if left else 0, seconds=0.0):
        calls += 1
    assert calls == 4


def test_what_is_deleted_goes_by_itself_within_a_minute_however_much_there_is(store, monkeypatch):
    world, kept = make_world(store), make_world(store, name="kept")
    for one in (world, kept):
        one.post(hour_of_rows(0))
        one.tick_after(0)
    with store.write() as conn:
        models.delete_model(conn, name="churn")
    # a step a look
    monkeypatch.setattr(upkeep, "in_steps", lambda store, step, **_: in_steps(store, step, seconds=0.0))
    world.clock.now_us += HOUR_US // 60
    for _ in range(30):
        world.runner.tick()
    with store.read() as conn:
        assert conn.execute(tables.version.select()).one().id == kept.version.id
        assert conn.execute(tables.model.select()).one().name == "kept"
        assert conn.execute(tables.log_batch.select()).one().version_id == kept.version.id
    with store.write() as conn:
        assert purge_deleted(conn) == 0


def test_request_keys_past_their_time_go_all_of_them_however_many_came(store):
    world = make_world(store)
    old = [(world.version.id, "predictions", f"k{n}", "d") for n in range(5_000)]
    with store.write() as conn:
        keys.claim_keys(conn, old, now_us=world.clock())
        keys.claim_keys(conn, [(world.version.id, "predictions", "new", "d")], now_us=world.clock() + HOUR_US)
    world.clock.now_us += upkeep.KEYS_KEPT_US + HOUR_US // 2
    world.runner.tick()
    with store.read() as conn:
        assert [row.key for row in conn.execute(tables.request_key.select())] == ["new"]
