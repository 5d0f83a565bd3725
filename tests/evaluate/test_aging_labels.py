"""Labels that come when the rows are gone say of the model what they would have said before."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.evaluate.aging import age
from monitor.evaluate.context import Contexts
from monitor.evaluate.recompute import recompute
from monitor.model.entities import Version
from monitor.model.retention import Retention
from monitor.model.time import DAY_US, HOUR_US, MINUTE_US
from monitor.store import models, tables
from monitor.store.batches import count_rows
from monitor.verify import verify_store
from tests.evaluate.scored_traffic import binary_world, by_id, scored, send_labels
from tests.evaluate.traffic import START_US, set_usual_reference

RETENTION = Retention(rows_us=30 * MINUTE_US, unlabelled_us=10 * DAY_US)
ROWS = 80
LABELLED = ("performance", "")  # the checks that rows are of which labels change; coverage is of none
pytestmark = pytest.mark.usefixtures("soon")


def seal(world):
    """Everything that was received goes; the world's clock goes on."""
    now_us = world.clock.now_us + RETENTION.rows_us + RETENTION.turn_us
    age(world.store, contexts=Contexts(), version_id=world.version.id, retention=RETENTION, now_us=now_us)
    with world.store.read() as conn:
        assert count_rows(conn, version_id=world.version.id) == (0, 0)


def judge(world, hour, batch):
    world.clock.now_us = max(world.clock.now_us, START_US + (hour + 1) * HOUR_US)
    world.post(batch)
    world.tick_after(hour)


def label(world, truth):
    if truth:
        send_labels(world, truth)
    world.runner.tick()


@pytest.fixture
def twins(store):
    return binary_world(store), binary_world(store, name="twin")


def test_labels_in_any_order_before_and_after_the_rows_went_give_the_same_results(twins):
    sealing, keeping = twins
    hours = iter(range(1_000))

    @settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        chunks=st.lists(st.integers(0, 2), min_size=ROWS, max_size=ROWS), sealed_before=st.integers(0, 2),
        again=st.lists(st.sampled_from(["yes", "no", None]), max_size=20),
    )  # fmt: skip
    def tried(chunks, sealed_before, again):
        hour = next(hours)
        batch, truth = scored(hour, rows=ROWS)
        sent = [
            {id: label for (id, label), chunk in zip(by_id(batch, truth).items(), chunks, strict=True) if chunk == at}
            for at in range(3)
        ]
        sent[2] |= dict(zip(by_id(batch, truth), again, strict=False))  # some are corrected, or withdrawn
        for world in twins:
            judge(world, hour, batch)
        for at, some in enumerate(sent):
            if at == sealed_before:
                seal(sealing)
            for world in twins:
                label(world, some)
        kept, found = keeping.numbers(hour), sealing.numbers(hour)
        assert ("performance", "", "roc_auc") in kept
        assert found == kept

    tried()
    assert {window.state for window in sealing.windows()} == {"sealed"}
    assert not any(window.dirty for window in sealing.windows())
    assert verify_store(sealing.store) == []


def test_a_window_that_was_folded_before_there_was_a_reference_keeps_what_labels_are_held_against(twins):
    from monitor.columns.roles import Roles
    from monitor.evaluate.reference import set_reference
    from tests.evaluate.scored_traffic import labelled

    batch, truth = scored(0, rows=ROWS)
    found = []
    for world, seals in zip(twins, (True, False), strict=True):
        with world.store.write() as conn:
            world.version = models.insert_version(conn, Version(model_id=world.model.id, name="2", created_us=START_US))
        world.schema = world.schema_id = None
        judge(world, 0, batch)
        rows = [labelled(*scored(hour, rows=200, seed=900 + hour, name="ref")) for hour in range(-40, 0)]
        set_reference(
            world.store, version_id=world.version.id, source=lambda rows=rows: iter(rows),
            roles=Roles(positive="yes"), now_us=world.clock(),
        )  # fmt: skip
        world.runner.tick()
        with world.store.write() as conn:
            conn.execute(sa.delete(tables.outcome))
        if seals:
            seal(world)
        label(world, by_id(batch, truth))
        found.append({key: value for key, value in world.numbers(0).items() if key[0] == "performance"})
    assert found[0] == found[1] != {}


def test_nothing_that_is_configured_or_asked_for_later_touches_what_was_found(twins):
    world, _ = twins
    batch, truth = scored(0, rows=ROWS)
    judge(world, 0, batch)
    before = {key: value for key, value in world.numbers(0).items() if key[0] not in LABELLED}
    seal(world)
    recompute(
        world.store, evaluator=world.runner.evaluator, version_id=world.version.id, from_us=None, to_us=None,
        now_us=world.clock(), progressing=lambda ratio: lambda conn: None,
    )  # fmt: skip
    with world.store.write() as conn:
        conn.execute(sa.update(tables.model).values(updated_us=world.clock() + DAY_US))
        conn.execute(sa.delete(tables.profile))  # as if its cells were others by now
    label(world, by_id(batch, truth))
    after = world.numbers(0)
    assert {key: value for key, value in after.items() if key[0] not in LABELLED} == before
    assert after["performance", "", "roc_auc"][0] is not None
    (window,) = world.windows()
    assert (window.state, window.dirty, window.rows) == ("sealed", False, ROWS)


def test_a_label_for_a_sealed_window_without_performance_settles_it(store):
    from tests.evaluate.traffic import hour_of_rows, make_world

    world = make_world(store)
    set_usual_reference(world)
    judge(world, 0, hour_of_rows(0, rows=20))
    revision, result = world.windows()[0].revision, world.numbers(0)
    seal(world)
    label(world, {"r-0-3": "yes"})
    (window,) = world.windows()
    assert (window.label_rows, window.dirty, window.revision) == (1, False, revision)
    assert world.numbers(0) == result
    assert verify_store(store) == []


def test_an_erasure_reaches_what_is_kept_of_a_sealed_window(store):
    from tests.evaluate.test_erasing import erased

    world = binary_world(store)
    batch, truth = scored(0, rows=ROWS)
    judge(world, 0, batch)
    seal(world)
    labels = by_id(batch, truth)
    forgotten, *others = labels
    assert erased(world, forgotten) == 1
    label(world, labels)
    (window,) = world.windows()
    assert (window.rows, window.label_rows) == (ROWS, len(others))
    assert world.numbers(0)["performance", "", "roc_auc"][3] == len(others)
    assert erased(world, forgotten) == 0
    assert verify_store(store) == []
