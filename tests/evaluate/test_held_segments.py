"""Under a legal hold merged profiles stay, whatever becomes of their segments; they go when it has ended."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from monitor.evaluate import merge_profiles
from monitor.evaluate.resegment import request_forgetting
from monitor.model.entities import LegalHold
from monitor.store import holds, tables
from monitor.verify import verify_store
from tests.evaluate.ageing import age, aged_world, merged, own, seal
from tests.evaluate.slicing import look, want

FIRST = [{"name": "eu", "where": {"region": "EU"}}, {"name": "us", "where": {"region": "US"}}]
GONE = [FIRST[1]]
OTHERS = [{"name": "eu", "where": {"age": {"gte": 50}}}, FIRST[1]]
_m = tables.merged_profile.c


def payloads(world):
    """Of all merged profiles: span, windows, rows, bytes; by the bytes."""
    query = sa.select(_m.start_us, _m.end_us, _m.windows, _m.rows, _m.payload).where(_m.version_id == world.version.id)
    with world.store.read() as conn:
        return sorted((*row[:-1], bytes(row[-1])) for row in conn.execute(query))


def names(world):
    return {segment for *_, segment in merged(world)}


@pytest.fixture
def held(store, monkeypatch, soon):
    """A world under a legal hold, with merged profiles of all traffic and of two segments."""
    monkeypatch.setattr(merge_profiles, "KEPT_WINDOWS", 1)
    world = aged_world(store, segments=FIRST)
    seal(world)
    assert age(world, 31)
    assert names(world) == {"", "eu", "us"}
    with store.write() as conn:
        holds.put_hold(conn, model_id=world.model.id, hold=LegalHold(reason="case", since_us=1, by="me"))
    return world


def release(world):
    with world.store.write() as conn:
        holds.end_hold(conn, model_id=world.model.id)
        request_forgetting(conn, model_id=world.model.id, now_us=world.clock())
    look(world)


@pytest.mark.parametrize("changes", [[GONE], [OTHERS], [GONE, OTHERS], [GONE, FIRST], [OTHERS, FIRST, OTHERS]])
def test_merged_profiles_stay_while_segments_change_and_go_when_the_hold_has_ended(held, changes):
    before = payloads(held)
    for segments in changes:
        want(held, segments)
        look(held)
    assert payloads(held) == before
    assert verify_store(held.store) == []
    release(held)
    assert names(held) == {"", "us"}
    assert verify_store(held.store) == []


def test_a_name_that_stands_for_other_rows_has_none_of_the_kept_profiles(held):
    (span,) = {span[:2] for span in merged(held)}
    kept = merged(held)[(*span, "eu")]
    want(held, OTHERS)
    look(held)
    (aside,) = names(held) - {"", "us"}
    assert (aside[0], aside.rpartition(":")[2]) == ("#", "eu")
    assert merged(held)[(*span, aside)].rows == kept.rows
    assert "eu" not in {segment for _, segment in own(held)}


def test_without_a_hold_they_go_with_their_segment(held):
    release(held)
    assert names(held) == {"", "eu", "us"}  # these are in force
    want(held, OTHERS)
    look(held)
    assert names(held) == {"", "us"}
    want(held, [])
    look(held)
    assert names(held) == {""}
