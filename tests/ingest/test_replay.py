"""Quarantined records put back: what reads now is stored, the rest stays, in one transaction."""

from __future__ import annotations

import json

import pytest

from monitor.ingest import replay
from tests.ingest.conftest import CSV, NOW

AHEAD = {"id": "ahead", "timestamp": NOW + 3_600_000_000, "features": {"age": 1, "color": "red"}}


def body(*records):
    return json.dumps({"records": records}).encode()


def test_a_record_of_the_future_is_stored_when_its_time_has_come(door):
    door.post(body(AHEAD, 5))
    assert door.service.replay("m", "1").to_json()["stored"] == 0
    assert sorted(q.code for q in door.quarantined()) == ["future", "not_an_object"]
    door.clock[0] = NOW + 3_600_000_000
    answer = door.service.replay("m", "1").to_json()
    assert (answer["stored"], answer["quarantined"], answer["errors"][0]["code"]) == (1, 1, "not_an_object")
    assert [q.code for q in door.quarantined()] == ["not_an_object"]
    assert [(r["id"], r["f:age"]) for r in door.stored()] == [("ahead", 1.0)]
    assert door.service.replay("m", "1").to_json()["stored"] == 0


def test_a_quarantined_csv_row_is_read_by_the_roles_it_came_with(door):
    door.post(f"key,when,age\nk1,{NOW + 3_600_000_000},3\n".encode(), CSV, query="?id=key&timestamp=when")
    assert json.loads(door.quarantined()[0].raw)["key"] == "k1"
    door.clock[0] = NOW + 3_600_000_000
    assert door.service.replay("m", "1").to_json()["stored"] == 1
    row = door.stored()[0]
    assert (row["id"], row["f:age"], int(row["timestamp"].timestamp() * 1e6)) == ("k1", 3.0, NOW + 3_600_000_000)


def test_only_the_records_asked_for_are_put_back(door):
    door.post(body(AHEAD, AHEAD | {"id": "other"}))
    door.clock[0] = NOW + 3_600_000_000
    chosen = [q.id for q in door.quarantined() if json.loads(q.raw)["id"] == "other"]
    assert door.service.replay("m", "1", ids=chosen).to_json()["stored"] == 1
    assert [json.loads(q.raw)["id"] for q in door.quarantined()] == ["ahead"]


def test_a_replay_that_fails_leaves_the_quarantine_as_it_was(door, monkeypatch):
    door.post(body(AHEAD))
    door.clock[0] = NOW + 3_600_000_000

    def broken(*_):
        raise RuntimeError("the disk is gone")

    monkeypatch.setattr(replay.batches, "insert_batches", broken)
    with pytest.raises(RuntimeError):
        door.service.replay("m", "1")
    monkeypatch.undo()
    assert [q.code for q in door.quarantined()] == ["future"]
    assert door.stored() == []
