"""Traces of a real server at a real receiver: what is in a span, whose it is, and what is in none."""

from __future__ import annotations

import json

import httpx
import pytest

from tests.api.test_request_log import PLANTED, hostile
from tests.service import Service
from tests.tracing.receiver import Received, receiving, said, serving

ERROR = 2  # of a status
SERVER = 2  # of a kind
CALLER, CALLERS_SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
RECORD = {"id": "a", "features": {"x": 1.5}, "prediction": 1}
JSON = {"Content-Type": "application/json"}
PREDICTIONS = "/api/v1/models/m/versions/1/predictions"


def traced(directory, received: Received, **more: str) -> Service:
    return Service(
        directory, DRIFTLINE_LOG_FORMAT="json", DRIFTLINE_LOG_LEVEL="debug",
        OTEL_EXPORTER_OTLP_ENDPOINT=received.url, OTEL_BSP_SCHEDULE_DELAY="100", **more,
    )  # fmt: skip


@pytest.fixture(scope="module")
def received():
    with receiving() as found:
        yield found


@pytest.fixture(scope="module")
def service(received, tmp_path_factory):
    with serving(traced(tmp_path_factory.mktemp("traced"), received)) as service:
        yield service


@pytest.fixture
def client(service):
    with httpx.Client(base_url=service.url, timeout=20) as client:
        yield client


def make(client):
    client.put("/api/v1/models/m", json={}).raise_for_status()
    client.put("/api/v1/models/m/versions/1", json={}).raise_for_status()


def test_each_request_has_its_span_and_nothing_that_a_client_sent_leaves(tmp_path, store_url):
    headers = {"tracestate": "planted=planted", "baggage": "planted=planted", "User-Agent": "planted"}
    with receiving() as received:
        service = traced(tmp_path, received, DRIFTLINE_DATABASE_URL=store_url, FASTAPI_OTEL_AUTO_CONFIGURE="true")
        with serving(service), httpx.Client(base_url=service.url, timeout=20, headers=headers) as client:
            answers = hostile(client)
            assert service.stop() == 0
    spans = {said(span)["driftline.request_id"]: span for span in received.spans if span.kind == SERVER}
    assert [a for a in answers if a.headers["x-request-id"] not in spans] == []
    for answer in answers:
        span = spans[answer.headers["x-request-id"]]
        found = said(span)
        assert found["http.response.status_code"] == answer.status_code
        assert found["http.request.method"] == answer.request.method
        assert span.name == f"{answer.request.method} {found.get('http.route', '')}".rstrip()
        assert set(found) <= {"http.request.method", "http.response.status_code", "http.route", "driftline.request_id"}
    assert "GET /api/v1/models/{model}" in {span.name for span in spans.values()}
    assert len(b"".join(received.raw)) > 5_000  # so that the next is no empty claim
    assert PLANTED.encode() not in b"".join(received.raw).lower()
    assert (received.paths, received.scopes, received.services) == ({"/v1/traces"}, {"driftline"}, {"driftline"})


def test_a_request_of_records_has_its_stages_and_the_commit_it_rode_on(service, client, received):
    make(client)
    id = client.post(PREDICTIONS, json={"records": [RECORD]}).raise_for_status().headers["x-request-id"]
    request = received.wait(lambda span: said(span).get("driftline.request_id") == id)
    commit = received.wait(lambda span: span.name == "group commit" and span.links[0].span_id == request.span_id)
    stages = {span.name: span for span in received.spans if span.parent_span_id == request.span_id}
    assert set(stages) == {"ingest read", "ingest decode", "ingest commit"}
    assert {span.trace_id for span in stages.values()} == {request.trace_id}
    assert [(link.trace_id, link.span_id) for link in commit.links] == [(request.trace_id, request.span_id)]
    assert said(commit) == {"driftline.requests": 1}
    waited = stages["ingest commit"]
    assert waited.start_time_unix_nano <= commit.start_time_unix_nano
    assert commit.end_time_unix_nano <= waited.end_time_unix_nano <= request.end_time_unix_nano


def test_a_request_is_part_of_its_callers_trace_and_its_line_of_the_log_says_so(service, client, received):
    sent = {
        "part": f"00-{CALLER}-{CALLERS_SPAN}-01",
        "unrecorded": f"00-{CALLER[::-1]}-{CALLERS_SPAN}-00",
        "none": f"00-{'0' * 32}-{CALLERS_SPAN}-01",
        "broken": f"00-{CALLER}-{CALLERS_SPAN}-01-more",
    }
    for id, traceparent in sent.items():
        client.get("/api/v1/models", headers={"traceparent": traceparent, "X-Request-Id": id}).raise_for_status()
    received.wait(lambda span: said(span).get("driftline.request_id") == "broken")  # the last of them
    spans = {said(span)["driftline.request_id"]: span for span in received.spans if span.kind == SERVER}
    assert set(spans) & set(sent) == {"part", "none", "broken"}
    assert (spans["part"].trace_id.hex(), spans["part"].parent_span_id.hex()) == (CALLER, CALLERS_SPAN)
    assert spans["none"].parent_span_id == spans["broken"].parent_span_id == b""
    lines = [json.loads(line) for line in service.log.read_text().splitlines() if line.startswith("{")]
    told = {line["request_id"]: line["trace_id"] for line in lines if line.get("request_id") in sent}
    assert told == {"unrecorded": CALLER[::-1]} | {id: spans[id].trace_id.hex() for id in ("part", "none", "broken")}


def test_a_failure_has_the_kind_of_its_error_and_no_message(service, client, received):
    make(client)
    answer = client.post(PREDICTIONS, content=b'{"records": [{"planted": ', headers=JSON)
    assert answer.status_code == 400
    request = received.wait(lambda span: said(span).get("driftline.request_id") == answer.headers["x-request-id"])
    failed = received.wait(lambda span: span.parent_span_id == request.span_id and span.status.code == ERROR)
    assert (said(failed), list(failed.events), failed.status.message) == ({"error.type": "Malformed"}, [], "")
    assert request.status.code != ERROR  # the client's own


def test_probes_and_scrapes_have_no_spans(service, client, received):
    for path in ("/livez", "/readyz", "/metrics"):
        client.get(path).raise_for_status()
    id = client.get("/api/v1/models").raise_for_status().headers["x-request-id"]
    received.wait(lambda span: said(span).get("driftline.request_id") == id)
    assert {span.name for span in received.spans if span.kind == SERVER and "/api/" not in span.name} == set()


def test_nothing_is_sent_where_traces_are_off_and_a_callers_is_in_the_log_all_the_same(tmp_path):
    with receiving() as received:
        service = traced(tmp_path, received, OTEL_TRACES_EXPORTER="none")
        with serving(service), httpx.Client(base_url=service.url, timeout=20) as client:
            line = {"traceparent": f"00-{CALLER}-{CALLERS_SPAN}-01", "X-Request-Id": "followed"}
            client.get("/api/v1/models", headers=line).raise_for_status()
            page = client.get("/metrics").text
            assert service.stop() == 0
        assert received.asked == 0
    assert "driftline_spans_total{" not in page
    told = [json.loads(text) for text in service.log.read_text().splitlines() if "followed" in text]
    assert [line["trace_id"] for line in told] == [CALLER]
