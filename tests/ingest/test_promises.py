"""Acked means stored; safe to retry; backpressure: the promises of ingest, on both databases."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from contextlib import contextmanager

import pytest

from monitor.ingest.budget import ByteBudget
from monitor.ingest.limits import Limits
from monitor.model.errors import Unavailable
from monitor.store import models
from tests.ingest.conftest import NOW

RECORD = {"id": "a", "timestamp": NOW, "features": {"age": 1, "color": "red"}}


def body(*records):
    return json.dumps({"records": records}).encode()


def test_the_first_answer_is_replayed_to_the_same_key_and_body(door):
    first = door.post(body(RECORD), idempotency_key="k")
    again = door.post(body(RECORD), idempotency_key="k")
    assert (first.status_code, again.status_code) == (200, 200)
    assert (first.content, again.headers["idempotency-replayed"]) == (again.content, "true")
    assert "idempotency-replayed" not in first.headers
    assert len(door.stored()) == 1
    assert door.counted("stored") == 1


def test_made_ids_are_the_same_in_the_replayed_answer(door):
    first = door.post(body({"features": {"age": 1}}), idempotency_key="k")
    assert door.post(body({"features": {"age": 1}}), idempotency_key="k").json()["ids"] == first.json()["ids"]
    assert first.json()["ids"] == [door.stored()[0]["id"]]


def test_the_digest_is_of_the_decoded_body(door):
    import gzip

    door.post(body(RECORD), idempotency_key="k")
    again = door.post(gzip.compress(body(RECORD)), idempotency_key="k", content_encoding="gzip")
    assert again.headers["idempotency-replayed"] == "true"


def test_a_key_with_another_body_is_refused(door):
    door.post(body(RECORD), idempotency_key="k")
    other = door.post(body(RECORD | {"id": "b"}), idempotency_key="k")
    assert (other.status_code, other.json()["code"]) == (422, "key_reused")
    assert door.post(body(5), idempotency_key="k").status_code == 422
    assert len(door.stored()) == 1


def test_a_key_belongs_to_its_version(door):
    door.post(body(RECORD), idempotency_key="k")
    assert door.post(body(RECORD), idempotency_key="k", path="/models/m/versions/2").status_code == 200
    assert len(door.stored("2")) == 1


def test_after_a_refusal_the_key_is_free(door):
    assert door.post(b'{"records": []}', idempotency_key="k").status_code == 422
    assert door.post(body(RECORD, 5), idempotency_key="k", prefer="handling=strict").status_code == 422
    assert door.post(body(RECORD), idempotency_key="k").status_code == 200


def test_the_first_answer_stands_although_the_request_would_be_refused_today(door):
    rows = [{"features": {"age": i}} for i in range(5)]
    door.post(body(*rows), idempotency_key="k")
    door.service.receiver.limits = Limits(max_records=2)
    assert door.post(body(*rows), idempotency_key="k").headers["idempotency-replayed"] == "true"


@pytest.mark.parametrize("servers", [1, 2])
def test_the_same_key_fifty_times_at_once_stores_once(opened, servers):
    doors = [opened() for _ in range(servers)]
    answers = []

    def burst(door):
        async def all_at_once():
            return await asyncio.gather(*[door.send(body(RECORD), idempotency_key="k") for _ in range(50 // servers)])

        answers.extend(door.runner.run(all_at_once()))

    threads = [threading.Thread(target=burst, args=(door,)) for door in doors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts = Counter(
        (a.status_code, a.headers.get("idempotency-replayed")) for a in answers
    )  # fmt: skip
    assert counts[200, None] == 1
    assert set(counts) <= {(200, None), (200, "true"), (409, None)}
    assert all(a.headers["retry-after"] == "1" for a in answers if a.status_code == 409)
    assert len(doors[0].stored()) == 1


def test_requests_at_once_share_commits_and_all_are_stored(door):
    async def many():
        return await asyncio.gather(*[door.send(body(RECORD | {"id": f"r{i}"})) for i in range(200)])

    answers = door.runner.run(many())
    assert {a.status_code for a in answers} == {200}
    assert sorted(r["id"] for r in door.stored()) == sorted(f"r{i}" for i in range(200))
    commits = door.telemetry.registry.get_sample_value("driftline_commit_duration_seconds_count")
    assert commits is not None
    assert commits < 200
    assert door.counted("stored") == 200


def test_an_answer_waits_for_the_commit(door):
    """While another writer holds the database nothing is acked."""
    door.post(body(RECORD))

    async def blocked():
        door.service.invalidate()
        release = threading.Event()
        held = threading.Event()

        def hold():
            with door.store.write() as conn:
                models.update_model(conn, models.get_model(conn, name="m"))
                # takes the lock that the group commit's insert waits for, on PostgreSQL by the version's row
                for _, version in models.all_versions(conn):
                    models.update_version(conn, version)
                    break
                held.set()
                release.wait(10)

        holder = threading.Thread(target=hold)
        holder.start()
        await asyncio.to_thread(held.wait, 10)
        request = asyncio.ensure_future(door.send(body(RECORD | {"id": "late"})))
        if door.store.dialect == "sqlite":
            await asyncio.sleep(0.3)
            assert not request.done()
        release.set()
        holder.join()
        return await request

    assert door.runner.run(blocked()).status_code == 200
    assert [row["id"] for row in door.stored()] == ["a", "late"]


def test_when_the_commit_fails_every_rider_gets_503_and_nothing_is_stored(door, monkeypatch):
    working = door.store.write

    @contextmanager
    def failing():
        with working() as conn:
            yield conn
            raise Unavailable("the disk that holds the database is full", retry_after_seconds=10)

    monkeypatch.setattr(door.store, "write", failing)

    async def many():
        keyed = [door.send(body(RECORD), idempotency_key=f"k{i}") for i in range(5)]
        return await asyncio.gather(*keyed, *[door.send(body(RECORD)) for _ in range(5)])

    answers = door.runner.run(many())
    assert {(a.status_code, a.headers["retry-after"]) for a in answers} == {(503, "10")}
    assert door.stored() == []
    monkeypatch.undo()
    assert door.post(body(RECORD), idempotency_key="k0").status_code == 200
    assert len(door.stored()) == 1
    assert door.counted("stored") == 1


def test_a_version_deleted_meanwhile_costs_only_its_own_requests(door):
    door.post(body(RECORD))
    door.post(body(RECORD), path="/models/m/versions/2")
    with door.store.write() as conn:
        models.delete_version(conn, model="m", version="2")

    async def both():
        return await asyncio.gather(
            door.send(body(RECORD | {"id": "b"})), door.send(body(RECORD), path="/models/m/versions/2")
        )

    kept, gone = door.runner.run(both())
    assert (kept.status_code, gone.status_code) == (200, 404)
    assert [row["id"] for row in door.stored()] == ["a", "b"]


def test_one_request_that_cannot_be_written_costs_nobody_else_anything(door, monkeypatch):
    from monitor.ingest import stored

    real = stored.batches.insert_batches

    def picky(conn, new):
        if any(b.t_min_us == 1_000_000 for b in new):
            raise ValueError("no such batch")
        return real(conn, new)

    monkeypatch.setattr(stored.batches, "insert_batches", picky)
    bad = {"id": "bad", "timestamp": "1970-01-01T00:00:01Z", "features": {"age": 1}}

    async def both():
        return await asyncio.gather(
            door.send(body(bad)), *[door.send(body(RECORD | {"id": f"r{i}"})) for i in range(9)]
        )

    answers = door.runner.run(both())
    assert [a.status_code for a in answers] == [503] + [200] * 9
    assert len(door.stored()) == 9


def test_a_repeat_inside_one_request_is_counted_and_not_stored(door):
    rows = [
        RECORD,
        RECORD | {"features": {"age": 2}},
        RECORD | {"timestamp": NOW - 3_600_000_000},
        RECORD | {"id": "b"},
    ]
    answer = door.post(body(*rows)).json()
    assert (answer["stored"], answer["duplicate"]) == (3, 1)
    assert [(r["id"], r["f:age"]) for r in door.stored()] == [("a", 1.0), ("a", 1.0), ("b", 1.0)]
    assert door.counted("duplicate") == 1


def test_repeats_across_slices_of_a_large_request_are_found(door):
    rows = [{"id": str(i % 1_500), "timestamp": NOW, "features": {"age": i}} for i in range(2_500)]
    answer = door.post(body(*rows)).json()
    assert (answer["stored"], answer["duplicate"]) == (1_500, 1_000)


def test_ids_are_made_where_there_are_none_and_null_where_the_client_gave_one(door):
    answer = door.post(body({"features": {"age": 1}}, RECORD, 5)).json()
    made, given, none = answer["ids"]
    assert (given, none) == (None, None)
    assert made[14] == "7"
    assert int(made.replace("-", "")[:12], 16) == NOW // 1_000
    assert "ids" not in door.post(body(RECORD)).json()


def test_without_a_timestamp_the_time_of_receipt_counts_and_without_a_zone_utc(door):
    door.post(body({"id": "a", "features": {"age": 1}}))
    answer = door.post(body({"id": "b", "timestamp": "2026-03-01 11:00:00", "features": {"age": 1}})).json()
    assert answer["naive_timestamps"] == 1
    assert [int(r["timestamp"].timestamp() * 1e6) for r in door.stored()] == [NOW, NOW - 3_600_000_000]


def test_a_model_that_does_not_exist_is_made_only_where_allowed(opened):
    door = opened()
    refused = door.post(body(RECORD), path="/models/new/versions/1")
    assert refused.status_code == 404
    assert "PUT /api/v1/models/new" in refused.json()["detail"]
    making = opened(auto_create=True)
    assert making.post(body(RECORD), path="/models/new/versions/7").status_code == 200
    with making.store.read() as conn:
        model, version = models.get_version(conn, model="new", version="7")
    assert (model.task, version.schema_id) == ("none", None)
    assert making.post(body(RECORD), path="/models/other").status_code == 200


def test_without_a_version_the_newest_live_one_takes_the_records(door):
    assert door.post(body(RECORD), path="/models/m").status_code == 200
    assert (len(door.stored("1")), len(door.stored("2"))) == (0, 1)


def test_a_changed_schema_counts_after_invalidation(door):
    from monitor.model.schema import Column, Schema
    from monitor.store import schemas

    door.post(body(RECORD))
    with door.store.write() as conn:
        schemas.save_schema(conn, version_id=door.version_id(), schema=Schema(columns=(Column(name="color"),)))
    door.service.invalidate()
    assert door.post(body({"features": {"color": "red"}})).json()["columns"]["invalid"] == {"color": 1}


def test_the_budget_refuses_before_the_body_is_read(opened):
    door = opened(limits=Limits(max_inflight_bytes=1_000_000))
    with door.service.receiver.budget.lease(900_000):
        answer = door.post(body(*[RECORD] * 1_000))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert door.telemetry.registry.get_sample_value("driftline_queue_bytes") == 900_000
    assert door.post(body(*[RECORD] * 1_000)).status_code == 200
    assert door.telemetry.registry.get_sample_value("driftline_queue_bytes") == 0


def test_a_request_alone_may_be_heavier_than_the_budget():
    budget = ByteBudget(100)
    with budget.lease(250), pytest.raises(Unavailable):
        budget.lease(1)
    assert budget.used == 0


def test_after_closing_requests_are_told_to_come_again(door):
    door.post(body(RECORD))
    door.service.committer.stop()
    assert door.post(body(RECORD)).status_code == 503
