"""Records in and out over HTTP: what is stored reads back, what cannot be is refused or kept apart."""

from __future__ import annotations

import gzip
import io
import json
import threading

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitor.model.time import HOUR_US, rfc3339
from tests.api.tables import ARROW, PARQUET, arrow_of, parquet_of, read_arrow

M = "/api/v1/models/churn"
V = M + "/versions/42"
P = V + "/predictions"
JSON = {"Content-Type": "application/json"}


def record(number, **more):
    return {"id": f"r{number}", "timestamp": f"2026-03-02T12:00:{number:02}Z", "features": {"age": number}} | more


def stored(client, **params):
    return client.get(V + "/records", params=params).json()["results"]


def test_what_was_stored_reads_back_oldest_first(churn):
    sent = [record(n) for n in (3, 1, 2)]
    answer = churn.post(P, json={"records": sent})
    assert answer.json() == {
        "stored": 3, "quarantined": 0, "duplicate": 0, "columns": {"unknown": {}, "missing": [], "invalid": {}},
        "errors": [],
    }  # fmt: skip
    assert stored(churn) == [record(n) for n in (1, 2, 3)]


def test_records_go_to_the_newest_live_version_unless_one_is_named(churn):
    churn.put(M + "/versions/43", json={})
    churn.put(M + "/versions/44", json={"state": "shadow"})
    assert churn.post(M + "/predictions", json={"records": [record(1)]}).status_code == 200
    counts = {v: len(churn.get(f"{M}/versions/{v}/records").json()["results"]) for v in ("42", "43", "44")}
    assert counts == {"42": 0, "43": 1, "44": 0}


def test_pages_of_records_and_streams_hold_the_same(churn):
    churn.post(P, json={"records": [record(n) for n in range(50)]})
    seen, cursor = [], None
    while True:
        page = churn.get(V + "/records", params={"limit": 7} | ({"cursor": cursor} if cursor else {})).json()
        seen += page["results"]
        cursor = page["next"]
        if cursor is None:
            break
    assert [r["id"] for r in seen] == [f"r{n}" for n in range(50)]
    arrow = read_arrow(churn.get(V + "/records", headers={"Accept": ARROW["Content-Type"]}).content)
    parquet = pq.read_table(io.BytesIO(churn.get(V + "/records", headers={"Accept": PARQUET["Content-Type"]}).content))
    assert arrow["id"].to_pylist() == parquet["id"].to_pylist() == [r["id"] for r in seen]
    assert arrow["age"].to_pylist() == [r["features"]["age"] for r in seen]
    text = churn.get(V + "/records", params={"limit": 7}, headers={"Accept": "text/csv"})
    assert (len(text.text.splitlines()), 'rel="next"' in text.headers["link"]) == (8, True)


def test_records_are_chosen_by_time_and_by_id(churn):
    churn.post(P, json={"records": [record(n) for n in range(10)]})
    span = {"from": "2026-03-02T12:00:03Z", "to": "2026-03-02T12:00:06Z"}
    assert [r["id"] for r in stored(churn, **span)] == ["r3", "r4", "r5"]
    assert [r["id"] for r in stored(churn, id="r7")] == ["r7"]
    assert stored(churn, id="r99") == []


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (ARROW, arrow_of(pa.table({"id": ["a"], "age": [1.0]}))),
        (PARQUET, parquet_of(pa.table({"id": ["a"], "age": [1.0]}))),
        ({"Content-Type": "text/csv"}, b"id,age\na,1.0\n"),
        ({"Content-Type": "application/x-ndjson"}, b'{"id": "a", "age": 1.0}\n'),
        (JSON | {"Content-Encoding": "gzip"}, gzip.compress(b'{"records": [{"id": "a", "age": 1.0}]}')),
    ],
    ids=["arrow", "parquet", "csv", "ndjson", "gzip"],  # not the bodies: gzip writes the time, and it differs by worker
)
def test_every_media_type_stores_the_same_record(churn, headers, body):
    churn.put(V, json={"schema": [{"name": "age"}]})
    assert churn.post(P, content=body, headers=headers).json()["stored"] == 1
    assert [(r["id"], r["features"]) for r in stored(churn)] == [("a", {"age": 1.0})]


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        (JSON, b"{", 400), (JSON, b"[" * 200_000, 400), (JSON, b'{"records": []}', 422), (JSON, b"[]", 422),
        (JSON, b'{"records": 3}', 422), (JSON, b"", 400), ({"Content-Type": "text/html"}, b"x", 415),
        ({}, b"x", 415), (JSON | {"Content-Encoding": "br"}, b"x", 415),
        (JSON | {"Content-Encoding": "gzip"}, b"x", 400), (ARROW, b"x" * 100, 400),
        (PARQUET, b"x", 400), (JSON, b"x" * (8 * 1024**2 + 1), 413),
        (JSON | {"Idempotency-Key": ""}, b'{"records": [{"a": 1}]}', 422),
    ],
)  # fmt: skip
def test_a_request_that_cannot_be_used_is_a_problem_and_stores_nothing(embedded, headers, body, status):
    answer = embedded.post(P, content=body, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    assert stored(embedded) == []


def test_a_hundred_megabytes_get_an_answer_and_leave_nothing(embedded):
    chunked = embedded.post(P, content=(b"x" * 1024**2 for _ in range(100)), headers=JSON)
    declared = embedded.post(P, content=b"x" * 100 * 1024**2, headers=JSON)
    assert [chunked.status_code, declared.status_code] == [413, 413]
    assert embedded.get("/livez").status_code == 200


def test_an_unusable_record_is_kept_apart_and_put_back_once_it_can_be(churn, clock):
    late = rfc3339(clock.now_us + HOUR_US)
    sent = churn.post(P, json={"records": [record(1), record(2, timestamp=late), 7]}).json()
    assert (sent["stored"], sent["quarantined"], [e["code"] for e in sent["errors"]]) == (
        1, 2, ["future", "not_an_object"],
    )  # fmt: skip
    page = churn.get(V + "/quarantine", params={"limit": 1}).json()
    rest = churn.get(V + "/quarantine", params={"cursor": page["next"]}).json()
    kept = page["results"] + rest["results"]
    assert [(k["index"], k["code"]) for k in kept] == [(1, "future"), (2, "not_an_object")]
    assert json.loads(kept[0]["record"])["id"] == "r2"
    clock.now_us += HOUR_US
    replayed = churn.post(V + "/quarantine/replay").json()
    assert (replayed["stored"], replayed["quarantined"]) == (1, 1)
    assert [r["id"] for r in stored(churn)] == ["r1", "r2"]
    assert [k["code"] for k in churn.get(V + "/quarantine").json()["results"]] == ["not_an_object"]


def test_strict_handling_and_a_dry_run_store_nothing(churn):
    body = {"records": [record(1), 7]}
    strict = churn.post(P, json=body, headers={"Prefer": "handling=strict"})
    assert (strict.status_code, strict.json()["errors"][0]["index"]) == (422, 1)
    dry = churn.post(P, json=body, params={"dry_run": "true"}).json()
    assert (dry["stored"], dry["quarantined"]) == (1, 1)
    assert stored(churn) == []
    assert churn.get(V + "/quarantine").json()["results"] == []


def test_a_key_gives_the_first_answer_again_and_refuses_another_body(churn):
    key = {"Idempotency-Key": "k1"}
    first = churn.post(P, json={"records": [{"features": {"a": 1}}]}, headers=key)
    again = churn.post(P, json={"records": [{"features": {"a": 1}}]}, headers=key)
    other = churn.post(P, json={"records": [{"features": {"a": 2}}]}, headers=key)
    assert first.json() == again.json()
    assert (again.headers["idempotency-replayed"], "idempotency-replayed" in first.headers) == ("true", False)
    assert (other.status_code, len(stored(churn))) == (422, 1)


def test_the_same_key_fifty_times_at_once_is_stored_once(churn):
    answers = []

    def post():
        answer = churn.post(P, json={"records": [record(1)]}, headers={"Idempotency-Key": "k"})
        answers.append(answer.status_code)

    threads = [threading.Thread(target=post) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(answers) <= {200, 409}
    assert 200 in answers
    assert len(stored(churn)) == 1


def test_a_model_that_does_not_exist_is_404_unless_it_may_be_made(churn, settings, clock):
    from dataclasses import replace

    from monitor.app import create_app
    from tests.api.running import client_of

    missing = churn.post("/api/v1/models/new/versions/1/predictions", json={"records": [{"a": 1}]})
    assert (missing.status_code, "PUT /api/v1/models/new" in missing.json()["detail"]) == (404, True)
    with client_of(create_app(replace(settings, auto_create=True), jobs=False, now_us=clock)) as other:
        assert other.post("/api/v1/models/new/versions/1/predictions", json={"records": [{"a": 1}]}).status_code == 200
        assert other.get("/api/v1/models/new").json()["task"] == "none"


def test_counters_add_up_to_what_was_received(churn):
    churn.post(P, json={"records": [record(1), record(1), record(2), 7]})
    churn.post(P, json={"records": [record(3), 7]}, headers={"Prefer": "handling=strict"})
    metrics = churn.get("/metrics").text
    for result, count in [("stored", 2), ("duplicate", 1), ("quarantined", 1), ("rejected", 2)]:
        assert f'driftline_records_total{{model="churn",result="{result}",version="42"}} {count}.0' in metrics


def test_ingest_is_counted_once_a_request(churn):
    churn.post(P, json={"records": [record(1)]})
    lines = [
        line for line in churn.get("/metrics").text.splitlines() if "requests_total{" in line and "predict" in line
    ]
    assert lines == [
        'driftline_requests_total{code="200",route="/api/v1/models/{model}/versions/{version}/predictions"} 1.0'
    ]
