"""Bounds of what is stored and read again: at the bound it is taken, one more gets the answer of docs/limits.md."""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import replace

import pytest

from monitor import app
from monitor.app import create_app
from monitor.evaluate import simulate
from monitor.store import kept_aside, marks, models, references, versions
from tests.api.conftest import VERSION
from tests.api.running import client_of

MODEL = "/api/v1/models/churn"
PREDICTIONS = f"{VERSION}/predictions"
CSV = {"content-type": "text/csv"}


@pytest.mark.limit("monitor.ingest.limits.Limits.max_cells")
def test_missing_values_count_among_those_of_a_request(settings, clock):
    """A quarter of MAX_DECODED_BYTES: 10,000 values here, of 100 records with ids, times and so many columns."""
    with client_of(create_app(replace(settings, max_decoded_bytes=40_000), jobs=False, now_us=clock)) as client:
        client.put(MODEL, json={})
        client.put(VERSION, json={})
        answers = [
            client.post(PREDICTIONS, json={"records": [{"features": {f"c{k % n}": 1}} for k in range(100)]})
            for n in (98, 99)
        ]  # fmt: skip
    assert [a.status_code for a in answers] == [200, 413], answers[0].text
    assert answers[1].json()["code"] == "too_large"


@pytest.mark.limit("monitor.ingest.limits.MAX_ERRORS_SHOWN")
@pytest.mark.parametrize("count", [100, 101])
def test_a_hundred_errors_are_shown_and_all_are_counted(churn, count):
    answer = churn.post(PREDICTIONS, json={"records": [5] * count}).json()
    assert (answer["quarantined"], len(answer["errors"])) == (count, 100)


@pytest.mark.limit("monitor.ingest.replay.REPLAYED_AT_ONCE")
def test_a_replay_takes_the_oldest_thousand_and_the_next_the_rest(churn):
    churn.post(PREDICTIONS, json={"records": [5] * 1_001})
    replays = [churn.post(f"{VERSION}/quarantine/replay").json()["quarantined"] for _ in range(2)]
    churn.post(f"{MODEL}/labels", json={"records": [5] * 1_001})
    labels = [churn.post(f"{MODEL}/labels/quarantine/replay").json()["quarantined"] for _ in range(2)]
    assert (replays[0], labels[0]) == (1_000, 1_000)
    assert replays[1] == labels[1] == 1_000, "what is put back and cannot be used waits behind the rest"
    shown = churn.get(f"{VERSION}/quarantine", params={"limit": 10_000}).json()
    assert (len(shown["results"]), shown["next"]) == (1_001, None)


@pytest.mark.limit("monitor.store.kept_aside.PAGE_BYTES")
@pytest.mark.parametrize("of", ["records", "labels"])
def test_what_is_large_in_quarantine_is_shown_and_put_back_a_few_at_a_time(churn, monkeypatch, of):
    monkeypatch.setattr(kept_aside, "PAGE_BYTES", 10_000)
    sent, shelf = (PREDICTIONS, VERSION) if of == "records" else (f"{MODEL}/labels", f"{MODEL}/labels")
    texts = [json.dumps({"id": f"r{n}", "timestamp": "never", "a": "x" * 3_000}) for n in range(9)]
    texts.append(json.dumps({"id": "last", "timestamp": "never", "a": "x" * 30_000}))
    answer = churn.post(sent, content="\n".join(texts), headers={"content-type": "application/x-ndjson"}).json()
    assert answer["quarantined"] == 10
    pages, cursor = [], None
    while not pages or cursor is not None:
        page = churn.get(f"{shelf}/quarantine", params={"cursor": cursor} if cursor else {}).json()
        pages.append([len(json.loads(row["record"])["a"]) for row in page["results"]])
        cursor = page["next"]
    assert pages == [[3_000] * 3, [3_000] * 3, [3_000] * 3, [30_000]]
    assert churn.post(f"{shelf}/quarantine/replay").json()["quarantined"] == 3


@pytest.mark.limit("monitor.evaluate.simulate.MOST_WINDOWS")
def test_a_simulation_has_so_many_windows_and_one_more_is_refused(judged, monkeypatch):
    assert simulate.MOST_WINDOWS == 10_000
    span = {"from": "2026-01-01T00:00:00Z"}
    answers = []
    for most in (3, 2):  # three hours were judged
        monkeypatch.setattr(simulate, "MOST_WINDOWS", most)
        answers.append(judged.post(f"{MODEL}/checks/simulate", json={"checks": None}, params=span))
    assert (answers[0].status_code, answers[0].json()["windows"]) == (200, 3)
    assert (answers[1].status_code, answers[1].json()["code"]) == (422, "too_many_windows")


@pytest.mark.limit("monitor.store.marks.MOST_MARKS")
def test_so_many_windows_of_a_version_are_marked_and_one_more_is_a_conflict(judged, monkeypatch):
    monkeypatch.setattr(marks, "MOST_MARKS", 2)
    starts = [w["start"] for w in judged.get(f"{VERSION}/windows").json()["results"] if w["state"] == "closed"]
    mark = {"healthy": True, "reason": "checked"}

    def put(start):
        return judged.put(f"{VERSION}/windows/{start}/mark", json=mark).status_code

    assert [put(start) for start in (*starts[:3], starts[1])] == [200, 200, 409, 200], "one that is marked may change"
    assert judged.delete(f"{VERSION}/windows/{starts[0]}/mark").status_code == 204
    assert put(starts[2]) == 200


@pytest.mark.limit("monitor.store.models.MOST_MODELS")
def test_there_are_so_many_models_and_one_that_is_deleted_leaves_room(client, monkeypatch):
    monkeypatch.setattr(models, "MOST_MODELS", 2)
    made = [client.put(f"/api/v1/models/m{n}", json={}) for n in range(3)]
    assert [a.status_code for a in made] == [201, 201, 409]
    assert "there are 2 models" in made[2].text
    assert client.get("/api/v1/models/m2").status_code == 404
    one = {"driftline": 1, "models": {"m3": {}}}
    files = {"set": "s", "documents": [{"path": "a.yaml", "content": one}]}
    assert client.post("/api/v1/apply", json=files).status_code == 409
    assert client.delete("/api/v1/models/m0").status_code == 204
    assert client.post("/api/v1/apply", json=files).status_code == 200


@pytest.mark.limit("monitor.store.versions.MOST_VERSIONS")
def test_a_model_has_so_many_versions_and_one_that_is_deleted_leaves_room(churn, monkeypatch):
    monkeypatch.setattr(versions, "MOST_VERSIONS", 2)  # 42 is one
    assert [churn.put(f"{MODEL}/versions/{n}", json={}).status_code for n in (1, 2)] == [201, 409]
    assert churn.put(f"{MODEL}/versions/1", json={}).status_code == 200
    assert churn.delete(f"{MODEL}/versions/1").status_code == 204
    assert churn.put(f"{MODEL}/versions/2", json={}).status_code == 201


@pytest.mark.limit("monitor.store.models.MOST_MODELS", "monitor.store.versions.MOST_VERSIONS")
def test_what_records_make_by_themselves_is_bounded_too(settings, clock, monkeypatch):
    monkeypatch.setattr(models, "MOST_MODELS", 2)
    monkeypatch.setattr(versions, "MOST_VERSIONS", 2)
    with client_of(create_app(replace(settings, auto_create=True), jobs=False, now_us=clock)) as client:

        def post(model, version):
            path = f"/api/v1/models/{model}/versions/{version}/predictions"
            return client.post(path, json={"records": [{"features": {"a": 1}}]})

        assert [post("a", n).status_code for n in (1, 2, 3, 3, 2)] == [200, 200, 409, 409, 200]
        assert "2 versions" in post("a", 3).text
        assert client.get("/api/v1/models/a/versions/3").status_code == 404, "refused, and made all the same"
        assert [post(model, 1).status_code for model in ("b", "c")] == [200, 409]


@pytest.mark.limit("monitor.store.references.MOST_REFERENCES")
def test_a_version_has_so_many_references_and_an_earlier_one_can_still_be_activated(churn, monkeypatch):
    monkeypatch.setattr(references, "MOST_REFERENCES", 2)

    def put(content):
        return churn.put(f"{VERSION}/reference", content=content, headers=CSV).status_code

    assert [put(b"a\n%d\n" % n) for n in range(3)] == [201, 201, 409]
    assert put(b"a\n0\n") == 200
    assert churn.get(f"{VERSION}/reference").json()["reference"] == 1


@pytest.mark.limit("monitor.app.REFERENCES_AT_ONCE")
def test_two_large_references_are_read_at_a_time_and_a_third_waits_for_its_turn(churn, application):
    assert app.REFERENCES_AT_ONCE == application.state.services.references._value == 2
    places = application.state.services.references
    places._value = 0  # two are being read
    large = b"a\n" + b"1\n" * 600_000
    answers = []
    sender = threading.Thread(
        target=lambda: answers.append(churn.put(f"{VERSION}/reference", content=large, headers=CSV).status_code)
    )
    sender.start()
    sender.join(3)
    assert (sender.is_alive(), answers) == (True, [])
    loop = places._loop if isinstance(getattr(places, "_loop", None), asyncio.AbstractEventLoop) else None
    assert loop is not None
    loop.call_soon_threadsafe(places.release)
    sender.join(60)
    assert answers == [201]
