"""A column changed in a shadow: found or not as it should be, and everything stored as it was."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.api.drill_shapes import data_shape
from monitor.columns.change import parse_change
from monitor.evaluate import data_drill
from monitor.evaluate.context import Contexts
from monitor.evaluate.data_drill import DataDriller
from monitor.evaluate.window import Evaluator
from monitor.model.checks import PERFORMANCE_KINDS, default_checks
from monitor.model.errors import Conflict, InvalidInput, NotFound
from monitor.store import tables
from tests.evaluate.scored_traffic import binary_world, labelled, scored
from tests.evaluate.test_simulate import run_hours, set_checks
from tests.evaluate.traces import everything
from tests.evaluate.traffic import START_US, hour_of_rows, make_world, set_usual_reference


def drilled(world, column, change, **more):
    driller = DataDriller(world.store, evaluator=Evaluator(world.store, contexts=Contexts()))
    return driller.drill(version_id=world.version.id, column=column, change=parse_change(change), **more)


@pytest.fixture
def world(store):
    made = make_world(store)
    set_usual_reference(made)
    run_hours(made, [(200, 0.0)] * 4)
    return made


FOUND = (
    ("age", {"missing": 1}, {"drift", "missing", "schema"}),
    ("age", {"missing": 0.6}, {"missing"}),
    ("age", {"scale": 100}, {"drift"}),
    ("age", {"shift_sd": 3}, {"drift"}),
    ("region", {"category": "north"}, {"drift"}),
    ("region", {"category": "west"}, {"drift", "unseen"}),
    ("prediction", {"category": "yes"}, {"drift"}),
)
NOT_FOUND = (("age", {"scale": 1}), ("age", {"shift_sd": 0.01}), ("spend", {"scale": 1.001}))


def test_each_plain_fault_is_found_in_the_first_window_by_the_checks_it_concerns(world):
    before = everything(world.store)
    for column, change, by in FOUND:
        found = drilled(world, column, change)
        assert (found.after, len(found.windows), found.already) == (1, 1, ()), change
        assert found.windows[0].window.start_us == world.windows()[-1].start_us  # the last judged one
        assert {verdict.check for verdict in found.windows[0].found_by} <= by
        assert found.windows[0].found_by
        assert {row.status for row in found.windows[0].unchanged} == {"ok"}
    assert everything(world.store) == before


def test_what_changes_next_to_nothing_is_not_found_however_many_windows_are_tried(world):
    for column, change in NOT_FOUND:
        found = drilled(world, column, change)
        assert (found.after, len(found.windows), found.stopped) == (None, 4, None), change
        starts = [one.window.start_us for one in found.windows]
        assert starts == [window.start_us for window in reversed(world.windows())]


def test_a_factor_of_one_leaves_every_row_as_it_is(world):
    for one in drilled(world, "age", {"scale": 1}).windows:
        assert one.changed == one.unchanged


def test_hold_delays_the_finding_by_as_many_windows(world):
    set_checks(world, [{"name": "slow", "kind": "drift", "hold": 3}])
    found = drilled(world, "age", {"scale": 100})
    assert (found.after, len(found.windows)) == (3, 3)
    assert drilled(world, "age", {"scale": 100}, windows=2).after is None


def test_windows_too_small_to_be_judged_alone_are_merged_with_the_changed_ones_before_them(store):
    world = make_world(store)
    set_usual_reference(world)
    run_hours(world, [(30, 0.0)] * 5)
    set_checks(world, [{"name": "half", "kind": "quality", "metric": "missing", "columns": ["age"], "threshold": 0.7}])
    found = drilled(world, "age", {"missing": 1})
    values = [next(row.value for row in one.changed) for one in found.windows]
    assert values == [0.5, 1.0]  # the first is merged with a window before the change, the second with the first
    assert found.after == 2


def test_a_column_in_alert_as_it_is_proves_nothing(store):
    world = make_world(store)
    set_usual_reference(world)
    run_hours(world, [(200, 0.0), (200, 40.0)])
    found = drilled(world, "age", {"shift_sd": 1}, windows=1)
    assert (found.after, found.already) == (None, ("drift",))


def test_undecided_checks_find_nothing(store):
    world = make_world(store, model={"settings": {"false_alarms": "1 per year"}})
    set_usual_reference(world, timed=False)
    run_hours(world, [(200, 0.0)])
    found = drilled(world, "age", {"scale": 100})
    assert found.after is None
    assert {(v.check, v.reason) for v in found.windows[0].verdicts if v.status == "unknown"} >= {("drift", "learning")}


def test_checks_on_performance_are_not_asked_and_it_says_so(store, world):
    scored_world = binary_world(store, name="scored")
    batch, truth = scored(0, rows=400)
    scored_world.post(labelled(batch, truth))
    scored_world.tick_after(0)
    wanted = {check.kind for check in default_checks()} & set(PERFORMANCE_KINDS)
    found = drilled(scored_world, scored_world.schema.monitored[0].name, {"scale": 1})
    assert {check.kind for check in default_checks() if check.name in found.windows[0].not_asked} == wanted != set()
    assert data_shape(found, model="scored", version="1")["not_asked"] == list(found.windows[0].not_asked)
    assert (
        "not asked, for neither labels nor scores change with it: " in data_shape(found, model="", version="")["says"]
    )
    assert drilled(world, "age", {"scale": 1}).windows[0].not_asked == ()  # there is no performance to ask for


def test_rows_that_are_not_there_any_more_are_told(world):
    batches = tables.log_batch
    hours = [window.start_us for window in world.windows()]
    with world.store.write() as conn:
        conn.execute(sa.delete(batches).where(batches.c.t_min_us < hours[2]))
    found = drilled(world, "age", {"scale": 1})
    assert (found.after, len(found.windows)) == (None, 2)
    assert "not stored any more" in found.stopped
    with world.store.write() as conn:
        conn.execute(sa.delete(batches))
    with pytest.raises(Conflict, match="of its 200 rows some are not stored any more"):
        drilled(world, "age", {"scale": 1})


def test_what_takes_too_long_ends_with_what_is_known(world, monkeypatch):
    monkeypatch.setattr(data_drill, "MOST_VALUES", 1_000)
    found = drilled(world, "age", {"scale": 1})
    assert (len(found.windows), found.stopped) == (2, "enough: more rows would take too long")


def test_a_column_that_is_not_there_and_a_version_without_reference_or_window_are_said_in_words(store, world):
    with pytest.raises(NotFound, match="did you mean 'age'"):
        drilled(world, "agee", {"scale": 2})
    with pytest.raises(InvalidInput, match="is for numbers"):
        drilled(world, "region", {"scale": 2})
    bare = make_world(store, name="bare")
    with pytest.raises(Conflict, match="no judged window"):
        drilled(bare, "age", {"scale": 2})
    bare.post(hour_of_rows(0))
    bare.tick_after(0)
    with pytest.raises(Conflict, match="no reference"):
        drilled(bare, "age", {"scale": 2})


changes = st.one_of(
    st.builds(lambda v: {"missing": v}, st.floats(0.01, 1.0)),
    st.builds(lambda v: {"scale": v}, st.floats(-1e300, 1e300)),
    st.builds(lambda v: {"shift_sd": v}, st.floats(-1e6, 1e6)),
)  # fmt: skip


@given(change=changes)
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_whatever_the_change_what_is_stored_is_the_same_to_the_byte_and_the_drill_too(world, change):
    before = everything(world.store)
    first = drilled(world, "age", change, windows=2)
    assert everything(world.store) == before
    assert drilled(world, "age", change, windows=2) == first


def test_the_first_window_is_the_last_of_the_start(world):
    assert drilled(world, "age", {"scale": 1}).windows[-1].window.start_us == START_US


def test_what_one_window_does_not_show_the_sum_of_several_does_and_longer_scales_find(store):
    world = make_world(store)
    set_usual_reference(world, hours=60)
    run_hours(world, [(100, 0.0)] * 8)
    found = drilled(world, "age", {"shift_sd": 0.4})
    assert found.after == len(found.windows)
    assert 1 < found.after <= 8
    assert "drift" in {verdict.check for verdict in found.windows[-1].found_by}
