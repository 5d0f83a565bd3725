"""What is kept of id runs, by how often the database is asked for them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import sqlalchemy as sa

from monitor.columns.keyed_ids import encode_run
from monitor.store.ids import NewRun, add_runs
from monitor.store.run_cache import IDLE_SECONDS, RunCache

KEYS = 1_000
BYTES = 8 * KEYS


class Clock:
    """Seconds that pass when the test says."""

    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def runs(store, version_id):
    """The ids of four stored runs, each of other keys."""
    with store.write() as conn:
        made = [NewRun(level=0, keys=KEYS, payload=encode_run(keys_of(n))) for n in range(4)]
        return add_runs(conn, version_id=version_id, window_start_us=0, runs=made)


def keys_of(number):
    return np.arange(KEYS, dtype=np.uint64) + np.uint64(number * KEYS)


@pytest.fixture
def asked(store):
    """How often the database was asked for each run, counted by its own engine."""
    counts = Counter()

    def count(conn, cursor, statement, parameters, context, executemany):
        if "id_run" in statement and "payload" in statement:
            counts[next(iter(parameters.values() if isinstance(parameters, dict) else parameters))] += 1

    with store.read() as conn:
        engine = conn.engine
    sa.event.listen(engine, "before_cursor_execute", count)
    yield counts
    sa.event.remove(engine, "before_cursor_execute", count)


def test_a_run_that_is_asked_for_again_is_read_once(store, runs, asked):
    cache = RunCache(store)
    for _ in range(3):
        for number, id in enumerate(runs):
            np.testing.assert_array_equal(cache.read(id), keys_of(number))
    assert asked == dict.fromkeys(runs, 1)


def test_what_was_asked_for_longest_ago_goes_when_there_is_no_room(store, runs, asked):
    cache = RunCache(store, size=2 * BYTES)
    for id in (runs[0], runs[1], runs[0], runs[2], runs[0], runs[1]):  # 1 goes for 2
        cache.read(id)
    assert asked == {runs[0]: 1, runs[1]: 2, runs[2]: 1}


def test_what_nobody_asks_for_goes_after_its_time(store, runs, asked):
    clock = Clock()
    cache = RunCache(store, clock=clock)
    for id in runs[:2]:
        cache.read(id)
    clock.now = IDLE_SECONDS - 1
    cache.read(runs[0])
    clock.now = IDLE_SECONDS
    cache.read(runs[2])  # now 1 is idle
    clock.now = 2 * IDLE_SECONDS - 2
    for id in runs[:3]:
        cache.read(id)
    assert asked == {runs[0]: 1, runs[1]: 2, runs[2]: 1}
