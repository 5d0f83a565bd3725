"""After the rows go what labels are held against, results, ended alerts, what was kept aside, labels that waited."""

from __future__ import annotations

from functools import partial

import pytest
import sqlalchemy as sa

from monitor.evaluate.aging import age
from monitor.evaluate.compact import compact_version
from monitor.evaluate.context import Contexts
from monitor.evaluate.join import Joiner
from monitor.evaluate.outdating import outdate, outdate_labels
from monitor.model.entities import LegalHold
from monitor.model.errors import FenceLost, Held
from monitor.model.results import Transition
from monitor.model.retention import Retention
from monitor.model.time import DAY_US, HOUR_US, MINUTE_US
from monitor.store import holds, label_quarantine, models, quarantine, tables
from monitor.store.kept_aside import QuarantineRow
from monitor.store.transitions import add_transitions
from monitor.verify import verify_store
from tests.evaluate.joining import fold
from tests.evaluate.labelling import post_labels, unmatched
from tests.evaluate.scored_traffic import binary_world, by_id, scored, send_labels
from tests.evaluate.traffic import START_US, hour_of_rows, make_world, rows_of, set_usual_reference

RETENTION = Retention(rows_us=30 * MINUTE_US, unlabelled_us=10 * DAY_US, results_us=20 * DAY_US)
pytestmark = pytest.mark.usefixtures("soon")


@pytest.fixture
def labelled(store):
    """A world whose first hour was judged with half of its labels, and the labels of the other half."""
    world = binary_world(store, hours=10)
    batch, truth = scored(0, rows=60)
    world.clock.now_us = START_US + HOUR_US
    world.post(batch)
    labels = list(by_id(batch, truth).items())
    send_labels(world, dict(labels[:30]))
    world.tick_after(0)
    world.runner.tick()
    return world, dict(labels[30:])


def rows_in(world, *names):
    with world.store.read() as conn:
        return [conn.execute(sa.select(sa.func.count()).select_from(tables.metadata.tables[n])).scalar() for n in names]


def all_aged(world, *, after_us, going=lambda: True):
    now_us = START_US + HOUR_US + after_us
    version = {"version_id": world.version.id, "retention": RETENTION, "now_us": now_us, "going": going}
    age(world.store, contexts=Contexts(), **version)
    outdate(world.store, **version)
    outdate_labels(world.store, model_id=world.model.id, retention=RETENTION, now_us=now_us, going=going)


def test_when_no_label_can_come_any_more_ids_outcomes_and_labels_go_and_results_stay(labelled):
    world, rest = labelled
    before = world.numbers(0)
    all_aged(world, after_us=RETENTION.unlabelled_us - 1)
    assert rows_in(world, "outcome", "window_label", "id_run") == [1, 1, 1]
    all_aged(world, after_us=RETENTION.unlabelled_us)
    assert rows_in(world, "outcome", "window_label", "id_run", "log_batch") == [0] * 4
    send_labels(world, rest)
    world.runner.tick()
    (window,) = world.windows()
    assert (window.state, window.retained, window.label_rows, window.dirty) == ("sealed", "nothing", 30, False)
    assert world.numbers(0) == before
    assert verify_store(world.store) == []


def test_a_join_that_has_read_the_ids_of_a_window_keeps_nothing_of_it_once_they_are_forgotten(labelled, monkeypatch):
    world, rest = labelled
    send_labels(world, rest)
    original = Joiner._look

    def forgets_first(self, *args, **more):
        found = original(self, *args, **more)
        all_aged(world, after_us=RETENTION.unlabelled_us)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(Joiner, "_look", forgets_first)
        with pytest.raises(FenceLost):  # its labels waited long enough as well
            Joiner(world.store).join(model_id=world.model.id)
    world.runner.tick()
    assert rows_in(world, "window_label", "outcome") == [0, 0]
    assert verify_store(world.store) == []


def test_a_row_that_comes_then_is_put_aside_and_leaves_the_log_again(labelled):
    world, _ = labelled
    all_aged(world, after_us=RETENTION.unlabelled_us)
    world.post(scored(0, rows=3, name="late")[0], received_us=START_US + 11 * DAY_US)
    fold(world)
    assert verify_store(world.store) == []
    all_aged(world, after_us=RETENTION.unlabelled_us)
    (window,) = world.windows()
    assert (rows_in(world, "log_batch", "quarantine"), window.retained) == ([0, 3], "nothing")
    assert verify_store(world.store) == []


def test_results_go_at_last_and_the_window_with_its_profile_stays(labelled):
    world, _ = labelled
    all_aged(world, after_us=RETENTION.results_us - 1)
    kept = rows_in(world, "result", "scorecard", "judged_counts")
    all_aged(world, after_us=RETENTION.results_us)
    assert min(kept[:2]) > 0
    assert rows_in(world, "result", "scorecard", "judged_counts", "window", "profile") == [0, 0, 0, 1, 1]
    assert verify_store(world.store) == []


def test_ended_alerts_go_with_what_was_said_of_them_and_one_that_fires_stays(store):
    world = make_world(store)
    with store.write() as conn:
        for at, status in enumerate(["alert", "ok", "alert"]):
            change = Transition(
                check="drift", kind="drift", segment="", severity="warning", from_status="ok", status=status,
                at_us=START_US + at, window_start_us=START_US, window_end_us=START_US + HOUR_US, value=1.0,
                threshold=0.5, rows=10, columns=(), explanation="",
            )  # fmt: skip
            add_transitions(conn, model_id=world.model.id, version_id=world.version.id, transitions=[change])
        word = {"kind": "acknowledge", "version_id": world.version.id, "reason": "", "by_name": "", "at_us": 1}
        conn.execute(tables.handling.insert().values(transition_id=1, **word))
    all_aged(world, after_us=RETENTION.results_us - HOUR_US - 1)
    assert rows_in(world, "transition", "handling") == [3, 1]
    all_aged(world, after_us=RETENTION.results_us + HOUR_US)
    assert rows_in(world, "transition", "handling") == [1, 0]


def test_what_was_kept_aside_goes_with_its_own_age(store):
    world = make_world(store)
    row = partial(QuarantineRow, position=0, code="malformed", message="", raw="{")
    with store.write() as conn:
        quarantine.insert_quarantine(conn, [row(owner_id=world.version.id, received_us=START_US)] * 600)
        quarantine.insert_quarantine(conn, [row(owner_id=world.version.id, received_us=START_US + 2 * HOUR_US)])
        label_quarantine.SHELF.insert(conn, [row(owner_id=world.model.id, received_us=START_US)])
    all_aged(world, after_us=0)
    assert rows_in(world, "quarantine", "label_quarantine") == [1, 1]
    all_aged(world, after_us=RETENTION.unlabelled_us)
    assert rows_in(world, "quarantine", "label_quarantine") == [0, 0]


def test_labels_that_waited_long_enough_go_and_younger_ones_are_never_kept_with_them(store):
    world = make_world(store)
    for days, id in ((0, "old"), (1, "older than it seems"), (40, "young"), (41, "younger")):
        post_labels(store, {id: "yes"}, model_id=world.model.id, received_us=START_US + days * DAY_US)
        Joiner(store).join(model_id=world.model.id)
    assert rows_in(world, "label_segment") == [2]
    all_aged(world, after_us=30 * DAY_US)
    assert (rows_in(world, "label_segment"), unmatched(store, model_id=world.model.id)) == ([1], 2)
    world.post(rows_of(["old", "young"], [START_US + 41 * DAY_US] * 2), received_us=START_US + 41 * DAY_US)
    fold(world)
    Joiner(store).join(model_id=world.model.id)
    assert world.windows()[0].label_rows == 1


def test_a_legal_hold_stops_every_step(labelled):
    world, _ = labelled
    with world.store.write() as conn:
        holds.put_hold(conn, model_id=world.model.id, hold=LegalHold(since_us=1, by="", reason="case"))
    before = rows_in(world, "outcome", "result", "label_segment", "log_batch")
    now_us = START_US + 60 * DAY_US
    for work in (
        partial(age, contexts=Contexts(), version_id=world.version.id),
        partial(outdate, version_id=world.version.id), partial(outdate_labels, model_id=world.model.id),
    ):  # fmt: skip
        with pytest.raises(Held):
            work(world.store, retention=RETENTION, now_us=now_us)
    world.runner.tick(now_us)
    assert rows_in(world, "outcome", "result", "label_segment", "log_batch") == before


def test_cut_off_behind_any_step_the_store_is_sound_and_the_next_pass_ends_it_while_rows_come(store):
    world = make_world(store)
    set_usual_reference(world, hours=10)
    for hour in range(9):
        world.clock.now_us = START_US + (hour + 1) * HOUR_US
        world.post(hour_of_rows(hour, rows=10))
        world.tick_after(hour)
    compact_version(store, version_id=world.version.id)
    world.post(rows_of([f"alone{n}" for n in range(3)], [START_US + n for n in range(3)]), received_us=START_US)
    fold(world)
    world.runner.tick()
    posted = 0
    for steps in range(1, 12):
        left = iter([True] * steps)
        all_aged(world, after_us=30 * DAY_US, going=lambda left=left: next(left, False))
        assert verify_store(store) == []
        world.post(rows_of([f"on{steps}", f"late{steps}"], [START_US + 40 * DAY_US, START_US]),
                   received_us=START_US + 40 * DAY_US)  # fmt: skip
        fold(world)
        world.runner.tick()
        posted += 1
        assert verify_store(store) == []
    all_aged(world, after_us=30 * DAY_US)
    assert [w.state for w in world.windows()][:9] == ["sealed"] * 9
    with store.read() as conn:
        assert conn.execute(sa.select(sa.func.sum(tables.log_batch.c.rows))).scalar() == posted
    assert verify_store(store) == []


def test_a_model_keeps_what_it_says_and_the_others_what_is_set(store):
    worlds = [
        make_world(store, name=name, model={"settings": {"privacy": {"retention": {"rows": days}}}})
        for name, days in (("short", "10d"), ("long", "100d"))
    ]
    for world in worlds:
        world.clock.now_us = START_US + HOUR_US
        world.post(hour_of_rows(0, rows=5))
        world.tick_after(0)
    worlds[0].runner.tick(START_US + 50 * DAY_US)
    assert [world.windows()[0].state for world in worlds] == ["sealed", "closed"]
    worlds[0].runner.tick(START_US + 150 * DAY_US)
    assert [world.windows()[0].state for world in worlds] == ["sealed", "sealed"]
    with store.write() as conn:
        assert models.get_model(conn, name="long").settings["privacy"]["retention"]["rows"] == "100d"
