"""Joins, folds and judgements at once: one writes, the other loses and comes again. On both databases."""

from __future__ import annotations

import pytest

from monitor.evaluate.guard import Moved
from monitor.evaluate.join import Joiner
from monitor.model.entities import Version
from monitor.model.errors import FenceLost
from monitor.store import models
from monitor.store.segments import segments
from tests.evaluate.joining import found, join, label, predict
from tests.evaluate.labelling import unmatched
from tests.evaluate.traffic import START_US, make_world


@pytest.fixture
def world(store):
    return make_world(store)


def test_a_second_joiner_finds_its_work_done_and_writes_nothing(world):
    predict(world, "a")
    label(world, {"a": "yes"})
    raced = []

    def other_wins(conn):
        if not raced:
            raced.append(1)
            raise FenceLost("the claim is somebody else's")

    with pytest.raises(FenceLost):
        Joiner(world.store).join(model_id=world.model.id, guard=other_wins)
    assert found(world, "a") == {}
    assert [w.label_rows for w in world.windows()] == [None]
    assert [p.labels for p in join(world)] == [1]


@pytest.mark.parametrize("between", ["_look", "_segments"])
def test_of_two_joiners_at_once_one_writes_and_the_other_loses(world, monkeypatch, between):
    predict(world, "a")
    label(world, {"a": "yes"})
    original = getattr(Joiner, between)

    def overtaken(self, *args, **more):
        done = original(self, *args, **more)
        if isinstance(self, Slow):
            join(world)
        return done

    class Slow(Joiner):
        pass

    monkeypatch.setattr(Joiner, between, overtaken)
    with pytest.raises(FenceLost):
        Slow(world.store).join(model_id=world.model.id)
    assert found(world, "a") == {"a": "yes"}
    assert world.windows()[0].label_rows == 1
    with world.store.read() as conn:
        assert [s.rows for s in segments(conn, model_id=world.model.id)] == [1]


def test_of_two_joiners_that_look_in_new_rows_for_older_labels_one_loses_too(world, monkeypatch):
    label(world, {"a": "yes"})
    join(world)
    predict(world, "a")
    original = Joiner._look

    def overtaken(self, *args, **more):
        done = original(self, *args, **more)
        monkeypatch.setattr(Joiner, "_look", original)
        join(world)
        return done

    monkeypatch.setattr(Joiner, "_look", overtaken)
    with pytest.raises(FenceLost):
        Joiner(world.store).join(model_id=world.model.id)
    assert found(world, "a") == {"a": "yes"}
    assert world.windows()[0].label_rows == 1


def test_a_window_that_gets_labels_while_it_is_judged_is_read_again(world, monkeypatch):
    predict(world, "a")
    label(world, {"a": "yes"})
    evaluator = world.runner.evaluator
    original = evaluator.profiles_of

    def overtaken(seen, **more):
        join(world)
        return original(seen, **more)

    monkeypatch.setattr(evaluator, "profiles_of", overtaken, raising=True)
    with pytest.raises(Moved):
        evaluator.evaluate(version_id=world.version.id, start_us=START_US, now_us=world.close_of(0))
    assert world.windows()[0].dirty


def test_a_fold_that_commits_while_labels_are_joined_is_the_next_passes(world, monkeypatch):
    predict(world, "a")
    label(world, {"a": "yes", "b": "no"})
    original = Joiner._look

    def overtaken(self, *args, **more):
        done = original(self, *args, **more)
        monkeypatch.setattr(Joiner, "_look", original)
        predict(world, "b", "c")
        return done

    monkeypatch.setattr(Joiner, "_look", overtaken)
    assert [(p.labels, p.windows) for p in join(world)] == [(2, 1), (0, 1)]
    assert found(world, *"abc") == {"a": "yes", "b": "no"}


def test_a_run_absorbed_by_a_fold_while_labels_are_looked_for_is_found_in_the_newer_one(world, monkeypatch):
    predict(world, "a")
    label(world, {"a": "yes"})
    original = Joiner._run

    def absorbed_first(self, id):
        monkeypatch.setattr(Joiner, "_run", original)
        predict(world, "b")
        return original(self, id)

    monkeypatch.setattr(Joiner, "_run", absorbed_first)
    assert [(p.labels, p.windows, p.runs_read) for p in join(world)] == [(1, 0, 0), (0, 1, 1)]
    assert found(world, *"ab") == {"a": "yes"}


def test_a_version_deleted_while_its_labels_are_joined_takes_the_pass_with_it_and_not_the_next(world, monkeypatch):
    with world.store.write() as conn:
        models.insert_version(conn, Version(model_id=world.model.id, name="2", created_us=START_US))
    predict(world, "a")
    label(world, {"a": "yes"})
    original = Joiner._look

    def deleted(self, *args, **more):
        done = original(self, *args, **more)
        with world.store.write() as conn:
            models.delete_version(conn, model="churn", version="1")
        return done

    monkeypatch.setattr(Joiner, "_look", deleted)
    with pytest.raises(FenceLost):
        Joiner(world.store).join(model_id=world.model.id)
    monkeypatch.setattr(Joiner, "_look", original)
    assert [(p.labels, p.windows) for p in join(world)] == [(1, 0)]
    assert unmatched(world.store, model_id=world.model.id) == 1
