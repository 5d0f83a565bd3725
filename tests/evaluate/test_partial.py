"""The open window on demand, on both databases: folded and judged when asked, kept a minute, stored nowhere."""

from __future__ import annotations

import pytest

from monitor.evaluate.partial import KEPT_US
from monitor.model.errors import FenceLost
from monitor.model.time import MINUTE_US
from monitor.store.results import unpack_rows
from monitor.store.verdicts import get_states
from tests.evaluate.traffic import START_US, hour_of_rows, make_world, set_usual_reference


@pytest.fixture
def world(store):
    """A version with its reference, ten minutes into its first window."""
    made = make_world(store)
    set_usual_reference(made)
    made.clock.now_us = START_US + 10 * MINUTE_US
    return made


def partial_of(world):
    return world.runner.open_windows.partial(version_id=world.version.id, now_us=world.clock())


def test_a_window_without_rows_is_none(world):
    assert partial_of(world) is None


def test_waiting_rows_are_folded_and_judged_and_nothing_is_decided(world):
    world.post(hour_of_rows(0, rows=120))
    found = partial_of(world)
    assert (found.window.start_us, found.window.rows, found.results[0].revision) == (START_US, 120, 0)
    judged = {(row.check, row.column): row.status for row in unpack_rows(found.results[0].payload) if row.check}
    assert judged["drift", "age"] in ("ok", "warning")
    assert world.result(0) is None
    assert [(window.state, window.revision, window.dirty) for window in world.windows()] == [("open", 0, True)]
    with world.store.read() as conn:
        assert get_states(conn, version_id=world.version.id) == {}


def test_the_answer_is_kept_for_a_minute_and_then_made_again(world):
    world.post(hour_of_rows(0, rows=60, name="a"))
    first = partial_of(world)
    world.post(hour_of_rows(0, rows=70, name="b"))
    world.clock.now_us += KEPT_US - 1
    assert partial_of(world) is first
    world.clock.now_us += 1
    assert partial_of(world).window.rows == 130


def test_an_open_window_is_in_alarm_before_it_closes_and_closes_as_any_other(world):
    world.post(hour_of_rows(0, rows=200, shift=80.0))
    found = partial_of(world)
    assert found.results[0].status == "alert"
    world.tick_after(0)
    assert (world.result(0).status, world.result(0).revision) == ("alert", 1)
    assert unpack_rows(world.result(0).payload) == unpack_rows(found.results[0].payload)


def test_while_a_job_folds_what_is_folded_already_is_judged(world, monkeypatch):
    world.post(hour_of_rows(0, rows=60, name="a"))
    world.runner.folder.fold_slice(version_id=world.version.id, now_us=world.clock())
    world.post(hour_of_rows(0, rows=70, name="b"))

    def taken(self, **_):
        raise FenceLost("a job folds it")

    monkeypatch.setattr(type(world.runner.folder), "fold_slice", taken)
    assert partial_of(world).window.rows == 60
