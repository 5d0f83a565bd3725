"""Every bound of a request: just within it passes, just beyond it gets the answer that docs/limits.md says."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from dataclasses import replace

import httpx
import pytest

from monitor.api import protocol, upload
from monitor.app import create_app
from monitor.store import silences, tokens
from tests.api.running import client_of, running

MODEL = "/api/v1/models/churn"
VERSION = f"{MODEL}/versions/42"
PREDICTIONS = f"{VERSION}/predictions"
CSV = {"content-type": "text/csv"}


def records(*features):
    return {"json": {"records": [{"features": f} for f in features]}}


def nested(depth, *, outer=4, value="1"):
    """Lists in a column, so that the whole body nests ``depth`` deep with what is around them."""
    lists = "[" * (depth - outer) + value + "]" * (depth - outer)
    return {
        "content": f'{{"records": [{{"features": {{"a": {lists}}}}}]}}',
        "headers": {"content-type": "application/json"},
    }


def deep(depth):
    value = 1
    for _ in range(depth):
        value = {"a": value}
    return {"json": value}


def check(n):
    return {"name": f"c{n}", "kind": "quality", "metric": "missing"}


def where(conditions):
    return {"json": {"segments": [{"name": "s", "where": conditions}]}}


def documents(count):
    return {
        "dry_run": True,
        "documents": [{"path": f"{n}.yaml", "content": {"driftline": 1, "models": {}}} for n in range(count)],
    }


# what → (method, path, how a request of that size is made, the bound, the answer beyond it, a word of that answer)
BOUNDS = {
    "records": ("POST", PREDICTIONS, lambda n: records(*[{"a": 1}] * n), 50_000, 413, "MAX_RECORDS"),
    "columns": ("POST", PREDICTIONS, lambda n: records({f"c{k}": 1 for k in range(n)}), 2_000, 413, "MAX_COLUMNS"),
    "schema": ("PUT", MODEL + "/versions/43", lambda n: {"json": {"schema": {"columns": [
        {"name": f"c{k}", "type": "numeric"} for k in range(n)]}}}, 2_000, 413, "DRIFTLINE_MAX_COLUMNS"),
    "json depth": ("POST", PREDICTIONS, nested, 64, 400, "at most 64"),
    "depth of what strict JSON refuses": ("POST", PREDICTIONS, lambda n: nested(n, value="NaN"), 64, 400, "at most 64"),
    "depth of a large body": ("POST", PREDICTIONS, lambda n: nested(n, value='"' + "x" * (3 << 20) + '"'), 64, 400,
                              "at most 64"),
    "record values": ("POST", PREDICTIONS, lambda n: {"content": b'{"a": [' + b"1," * (n - 2) + b"1]}",
                      "headers": {"content-type": "application/x-ndjson"}}, 100_000, 413, "MAX_RECORD_VALUES"),
    "key": ("POST", PREDICTIONS, lambda n: records({"a": 1}) | {"headers": {"Idempotency-Key": "k" * n}}, 255, 422,
            "1 to 255 printable"),
    "model name": ("PUT", "/api/v1/models/{}", lambda n: {"name": "m" * n, "json": {}}, 128, 422, "1 to 128 letters"),
    "version name": ("PUT", MODEL + "/versions/{}", lambda n: {"name": "v" * n, "json": {}}, 128, 422, "1 to 128"),
    "page": ("GET", "/api/v1/models", lambda n: {"params": {"limit": n}}, 10_000, 422, "limit"),
    "checks": ("PUT", MODEL, lambda n: {"json": {"checks": [check(k) for k in range(n)]}}, 1_000, 422, "at most 1,000"),
    "tags": ("PUT", MODEL, lambda n: {"json": {"tags": {f"t{k}": "" for k in range(n)}}}, 64, 422, "at most 64"),
    "description": ("PUT", MODEL, lambda n: {"json": {"description": "d" * n}}, 4_000, 422, "at most 4000"),
    "source": ("PUT", f"{VERSION}/reference", lambda n: {"content": "a\n1\n2\n", "headers": CSV,
               "params": {"source": "s" * n}}, 2_000, 422, "at most 2000"),
    "segments of a check": ("PUT", MODEL + "-too", lambda n: {"json": {"checks": [
        check(0) | {"segments": [f"s{k}" for k in range(n)]}],
        "segments": [{"name": f"s{k}", "where": {"a": k}} for k in range(100)]}}, 100, 422, "1 to 100 names"),
    "conditions": ("PUT", MODEL, lambda n: where({f"c{k}": 1 for k in range(n)}), 50, 422, "at most 50"),
    "values of a condition": ("PUT", MODEL, lambda n: where({"a": {"in": list(range(n))}}), 1_000, 422, "1 to 1000"),
    "characters of a value": ("PUT", MODEL, lambda n: where({"a": "x" * n}), 1_024, 422, "longer than 1024"),
    "unit": ("PUT", MODEL + "/versions/44", lambda n: {"json": {"schema": {"columns": [
        {"name": "a", "type": "numeric", "unit": "u" * n}]}}}, 20, 422, "longer than 20"),
    "silence reason": ("POST", f"{MODEL}/silences", lambda n: {"json": {"reason": "r" * n, "end": "2h"}}, 1_000, 422,
                       "1,000 characters"),
    "silence patterns": ("POST", f"{MODEL}/silences", lambda n: {"json": {
        "reason": "r", "end": "2h", "checks": [f"c{k}" for k in range(n)]}}, 100, 422, "at most 100"),
    "labels": ("POST", MODEL + "/labels", lambda n: {"json": {"records": [
        {"id": f"r{k}", "label": 1} for k in range(n)]}}, 50_000, 413, "MAX_RECORDS"),
    "ids of an erasure": ("POST", MODEL + "/erase", lambda n: {"json": {
        "ids": [f"r{k}" for k in range(n)]}}, 10_000, 422, "1 to 10,000 ids"),
    "alerts of the webhook": ("POST", "/api/v1/alertmanager", lambda n: {"json": {
        "version": "4", "groupKey": "g", "receiver": "r", "alerts": [
            {"status": "firing", "labels": {}, "startsAt": "2026-03-02T12:00:00Z", "fingerprint": f"{k}"}
            for k in range(n)]}}, 10_000, 422, "at most 10000"),
    "classes": ("PUT", MODEL + "-classes", lambda n: {"json": {
        "task": "multiclass_classification",
        "business_value": {f"c{k}": {f"c{k}": 1} for k in range(n)}}}, 1_000, 422, "at most 1000 classes"),
    "windows of a baseline": ("PUT", MODEL + "-base", lambda n: {"json": {
        "baseline": {"kind": "rolling", "windows": n}}}, 720, 422, "720"),
}  # fmt: skip
# what → the row of docs/limits.md
NAMED = {
    "records": "DRIFTLINE_MAX_RECORDS",
    "columns": "DRIFTLINE_MAX_COLUMNS",
    "schema": "DRIFTLINE_MAX_COLUMNS",
    "json depth": "monitor.ingest.limits.MAX_JSON_DEPTH",
    "depth of what strict JSON refuses": "monitor.ingest.limits.MAX_JSON_DEPTH",
    "depth of a large body": "monitor.ingest.limits.MAX_JSON_DEPTH",
    "record values": "monitor.ingest.limits.MAX_RECORD_VALUES",
    "key": "monitor.ingest.limits.MAX_KEY_CHARS",
    "page": "monitor.api.params.MAX_LIMIT",
    "checks": "monitor.model.checks.MOST_CHECKS",
    "tags": "monitor.configuration.bodies.MAX_TAGS",
    "description": "monitor.configuration.bodies.MAX_TEXT",
    "source": "monitor.api.references.MAX_SOURCE",
    "segments of a check": "monitor.model.checks.MOST_SEGMENT_PATTERNS",
    "conditions": "monitor.model.conditions.MOST_CONDITIONS",
    "values of a condition": "monitor.model.conditions.MOST_VALUES",
    "characters of a value": "monitor.model.conditions.MOST_CHARS",
    "unit": "monitor.model.schema.MAX_UNIT_CHARS",
    "silence reason": "monitor.model.handling.MOST_REASON",
    "silence patterns": "monitor.model.silences.MOST_PATTERNS",
    "labels": "DRIFTLINE_MAX_RECORDS",
    "ids of an erasure": "monitor.api.erasures.MOST_IDS",
    "alerts of the webhook": "monitor.api.webhook_body.MAX_ALERTS",
    "classes": "monitor.model.labels.MAX_CLASSES",
    "windows of a baseline": "monitor.model.baseline.MOST_WINDOWS",
}


def answered(client, *, method, path, request):
    return client.request(method, path.format(request.pop("name", "")), **request)


@pytest.mark.limit(*NAMED.values())
def test_just_within_passes_and_just_beyond_gets_the_stated_answer(churn):
    assert len(BOUNDS) == 27
    assert set(BOUNDS) - set(NAMED) == {"model name", "version name"}
    found, expected = {}, {}
    for what, (method, path, made, bound, status, word) in BOUNDS.items():
        within = answered(churn, method=method, path=path, request=made(bound))
        beyond = answered(churn, method=method, path=path, request=made(bound + 1))
        shown = "" if within.is_success else within.text[:300]
        found[what] = (within.is_success, shown, beyond.status_code, word if word in beyond.text else beyond.text[:300])
        expected[what] = (True, "", status, word)
    assert found == expected


@pytest.mark.limit("monitor.columns.quarantine.MAX_NAME_CHARS", "monitor.columns.quarantine.MAX_ID_CHARS")
@pytest.mark.parametrize(
    ("made", "code"),
    [
        (lambda n: {"features": {"n" * n: 1}}, "column_name"),
        (lambda n: {"id": "i" * n, "features": {"a": 1}}, "id_too_long"),
    ],
    ids=["a column's name", "an id"],
)
def test_a_name_and_an_id_have_256_characters_and_one_more_is_quarantined(churn, made, code):
    answer = churn.post(PREDICTIONS, json={"records": [made(256), made(257)]}).json()
    assert (answer["stored"], answer["quarantined"]) == (1, 1)
    assert [(e["index"], e["code"]) for e in answer["errors"]] == [(1, code)]


@pytest.mark.parametrize("lines", [False, True], ids=["body", "line"])
@pytest.mark.parametrize("role", ["feature", "ignore"])
@pytest.mark.parametrize("records", [1, 100], ids=["a record alone", "a hundred"])
def test_depth_is_bounded_whatever_of_a_record_is_stored(churn, role, records, lines):
    columns = [{"name": "a", "type": "numeric"}, {"name": "b", "type": "text", "role": role}]
    assert churn.put(f"{MODEL}/versions/9", json={"schema": {"columns": columns}}).is_success
    kind = "application/x-ndjson" if lines else "application/json"

    def sent(depth, *, within):
        deep = "[" * depth + "1" + "]" * depth
        one = f'{{"features": {{"a": 1, "b": {deep if within else 1}}}}}'
        joined = "\n".join([one] * records) if lines else f'{{"records": [{", ".join([one] * records)}]'
        body = joined if lines else joined + (f', "more": {1 if within else deep}}}')
        headers = {"content-type": kind}
        return churn.post(f"{MODEL}/versions/9/predictions", content=body, headers=headers).status_code

    around = 2 if lines else 4  # the brackets around a column's value
    assert [sent(64 - around + n, within=True) for n in (0, 1)] == [200, 400]
    if not lines:
        assert [sent(63 + n, within=False) for n in (0, 1)] == [200, 400]


def test_a_line_that_nests_too_deep_costs_only_itself(churn):
    lines = [f'{{"a": {"[" * n}1{"]" * n}}}' for n in (63, 64, 800)]
    answer = churn.post(PREDICTIONS, content="\n".join(lines), headers={"content-type": "application/x-ndjson"}).json()
    assert (answer["stored"], answer["quarantined"]) == (1, 2)
    assert [(e["index"], e["code"]) for e in answer["errors"]] == [(1, "malformed"), (2, "malformed")]


@pytest.mark.limit("monitor.columns.flatten.MAX_FLATTEN_DEPTH")
def test_objects_flatten_five_deep_and_the_rest_is_one_value(churn):
    assert churn.post(PREDICTIONS, json={"records": [{"id": "r", "features": deep(6)["json"]}]}).status_code == 200
    (found,) = churn.get(f"{VERSION}/records").json()["results"]
    assert json.loads(json.dumps(found["features"])) == {"a.a.a.a.a": {"a": 1}} or "a.a.a.a.a" in found["features"]


@pytest.mark.limit("monitor.api.body.MAX_DEPTH", "monitor.api.configuration.MAX_DOCUMENTS")
@pytest.mark.parametrize(
    ("method", "path", "made", "bound", "word"),
    [
        (
            "PUT",
            MODEL,
            lambda n: deep(n - 1)["json"],
            32,
            "nested deeper than 32",
        ),  # the innermost value is a level too
        ("POST", "/api/v1/apply", documents, 10_000, "1 to 10,000"),
    ],
    ids=["levels of an object", "documents of a set"],
)
def test_what_is_wrong_besides_is_told_within_the_bound_and_the_bound_beyond_it(churn, method, path, made, bound, word):
    within, beyond = (churn.request(method, path, json=made(bound + n)) for n in (0, 1))
    assert [a.status_code for a in (within, beyond)] == [422, 422]
    assert [word in a.text for a in (within, beyond)] == [False, True]


@pytest.fixture
def small(settings, clock):
    """A client of a server whose sizes are small, with the model."""
    settings = replace(
        settings, max_body_bytes=20_000, max_decoded_bytes=50_000, max_reference_bytes=60_000, max_segments=3
    )  # fmt: skip
    with client_of(create_app(settings, jobs=False, now_us=clock)) as client:
        assert client.put(MODEL, json={}).status_code == 201
        assert client.put(VERSION, json={}).status_code == 201
        yield client


def padded(size):
    body = json.dumps({"records": [{"features": {"a": 1}}]}).encode()
    return body + b" " * (size - len(body))


@pytest.mark.limit("DRIFTLINE_MAX_BODY_BYTES", "DRIFTLINE_MAX_DECODED_BYTES")
def test_bodies_are_counted_to_the_byte_as_sent_and_as_unpacked(small):
    json_type = {"content-type": "application/json"}
    sent = [small.post(PREDICTIONS, content=padded(20_000 + n), headers=json_type).status_code for n in (0, 1)]
    packed = json_type | {"content-encoding": "gzip"}
    unpacked = [
        small.post(PREDICTIONS, content=gzip.compress(padded(50_000 + n)), headers=packed) for n in (0, 1)
    ]  # fmt: skip
    assert (sent, [a.status_code for a in unpacked]) == ([200, 413], [200, 413])
    assert "MAX_DECODED_BYTES" in unpacked[1].text
    assert [small.put(MODEL, content=b"{}".ljust(20_000 + n)).status_code for n in (0, 1)] == [200, 413]


@pytest.mark.limit("DRIFTLINE_MAX_REFERENCE_BYTES")
def test_a_reference_is_counted_by_a_limit_of_its_own(small):
    rows = b"a\n" + b"1\n" * 30_000
    answers = [small.put(f"{VERSION}/reference", content=rows[: 60_000 + n], headers=CSV) for n in (0, 1)]
    assert [a.status_code for a in answers] == [201, 413]
    assert "DRIFTLINE_MAX_REFERENCE_BYTES" in answers[1].text


@pytest.mark.limit("DRIFTLINE_MAX_SEGMENTS")
def test_a_version_has_as_many_segments_as_the_setting_says(small):
    def put(count):
        segments = [{"name": f"s{n}", "where": {"a": n}} for n in range(count)]
        return small.put(MODEL, json={"segments": segments})

    within, beyond = put(3), put(4)
    assert within.status_code == 200, within.text
    assert (beyond.status_code, "DRIFTLINE_MAX_SEGMENTS" in beyond.text) == (422, True)


@pytest.mark.limit("monitor.store.silences.MOST_SILENCES")
def test_a_model_has_a_thousand_silences_that_have_not_ended(churn, monkeypatch):
    assert silences.MOST_SILENCES == 1_000
    monkeypatch.setattr(silences, "MOST_SILENCES", 2)
    codes = [churn.post(f"{MODEL}/silences", json={"reason": "r", "end": "2h"}).status_code for _ in range(3)]
    assert codes == [201, 201, 409]


@pytest.mark.limit("monitor.store.tokens.MOST_TOKENS", "monitor.model.grants.MAX_PATTERNS")
def test_there_are_ten_thousand_tokens_at_most_and_a_hundred_patterns_in_each(churn, monkeypatch):
    assert tokens.MOST_TOKENS == 10_000
    monkeypatch.setattr(tokens, "MOST_TOKENS", 2)
    token = churn.post("/api/v1/tokens", json={"role": "admin"}).json()["token"]
    admin = {"Authorization": f"Bearer {token}"}

    def make(patterns):
        body = {"role": "read", "models": [f"m{n}" for n in range(patterns)]}
        return churn.post("/api/v1/tokens", json=body, headers=admin).status_code

    assert [make(101), make(100), make(1)] == [422, 201, 409]


@pytest.mark.limit("monitor.api.protocol.MAX_CONNECTIONS")
def test_a_process_keeps_so_many_connections_and_tells_the_next_to_come_again(application, monkeypatch):
    monkeypatch.setattr(protocol, "MAX_CONNECTIONS", 5)
    with running(application) as url:
        host, port = url.removeprefix("http://").split(":")
        held = [socket.create_connection((host, int(port)), timeout=10) for _ in range(5)]
        time.sleep(0.3)
        with socket.create_connection((host, int(port)), timeout=10) as sixth:
            head, _, said = sixth.recv(65_536).partition(b"\r\n\r\n")
            assert sixth.recv(1) == b""
        assert head.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 1" in head
        assert json.loads(said)["status"] == 503
        assert f"content-length: {len(said)}".encode() in head
        for connection in held:
            connection.close()
        time.sleep(0.3)
        assert httpx.get(f"{url}/livez").status_code == 200


@pytest.mark.limit("monitor.api.upload.MAX_UPLOADS")
def test_so_many_references_are_sent_at_once_and_the_next_is_told_to_come_again(churn, application, monkeypatch):
    places = application.state.services.uploads
    assert places._value == upload.MAX_UPLOADS
    monkeypatch.setattr(places, "_value", 1)
    arrived, go_on = threading.Event(), threading.Event()

    def slowly():
        yield b"a\n1\n"
        arrived.set()
        go_on.wait(20)
        yield b"2\n"

    answers = []

    def send():
        answers.append(
            httpx.put(
                f"{str(churn.base_url).rstrip('/')}{VERSION}/reference", content=slowly(), headers=CSV, timeout=30
            )
        )

    sender = threading.Thread(target=send)
    sender.start()
    assert arrived.wait(10)
    time.sleep(0.3)
    refused = churn.put(f"{VERSION}/reference", content=b"a\n1\n", headers=CSV)
    go_on.set()
    sender.join(30)
    assert (refused.status_code, "retry-after" in refused.headers) == (503, True)
    assert answers[0].status_code == 201
    assert churn.put(f"{VERSION}/reference", content=b"a\n1\n3\n", headers=CSV).status_code == 201
