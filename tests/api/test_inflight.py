"""Every body is within the one budget of bytes in flight, whatever its route."""

from __future__ import annotations

import asyncio
import json
import re
import time
import tracemalloc

import pytest

from monitor.api import body
from monitor.api.application import OPERATIONS
from monitor.ingest.limits import JSON_WEIGHT
from monitor.model.errors import InvalidInput

PLACES = {"{model}": "churn", "{version}": "42", "{start}": "2026-03-01T00:00:00Z", "{alert}": "al_1"}
JSON_ROUTES = [
    (o.method, re.sub(r"\{[a-z]+\}", lambda found: PLACES[found[0]], o.path))
    for o in OPERATIONS
    if o.body is not None and list(o.body) == ["application/json"]
]
MODEL = "/api/v1/models/churn"
REFERENCE = f"{MODEL}/versions/42/reference"
JSON, CSV = {"content-type": "application/json"}, {"content-type": "text/csv"}


@pytest.fixture
def budget(application):
    return application.state.services.ingest.budget


def sent(client, method, path, *, fields=60):
    content = json.dumps({f"x{n}": "x" * 1_000 for n in range(fields)}).encode()
    return client.request(method, path, content=content, headers=JSON)


def returned(budget):
    """Whether everything is given back, soon after the answer."""
    until = time.monotonic() + 5
    while budget.used and time.monotonic() < until:
        time.sleep(0.01)
    return budget.used == 0


@pytest.mark.limit("DRIFTLINE_MAX_INFLIGHT_BYTES")
def test_a_body_of_any_route_is_503_while_no_bytes_are_left_and_taken_when_they_are_again(churn, budget):
    assert len(JSON_ROUTES) >= 12
    with budget.lease(budget.limit - 100_000):
        full = {(m, p): sent(churn, m, p) for m, p in JSON_ROUTES}
        upload = churn.put(REFERENCE, content=b"a\n1\n", headers=CSV)
        for (method, path), answer in [*full.items(), (("PUT", REFERENCE), upload)]:
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable"), (method, path, answer.text)
            assert int(answer.headers["retry-after"]) >= 1
            assert "MAX_INFLIGHT_BYTES" in answer.text
        assert churn.put(MODEL, json={}).status_code == 200, "what is small has room"
    assert {sent(churn, m, p).status_code for m, p in JSON_ROUTES} <= {400, 404, 409, 415, 422}
    assert churn.put(REFERENCE, content=b"a\n1\n", headers=CSV).status_code == 201
    assert returned(budget)


def test_what_is_made_of_a_body_is_held_until_its_answer(churn, application, budget, monkeypatch):
    held = []
    write = application.state.services.store.write
    monkeypatch.setattr(application.state.services.store, "write", lambda *a, **k: held.append(budget.used) or write())
    assert churn.put(MODEL, json={"description": "d" * 1_000, "tags": {f"t{n}": "" for n in range(50)}}).is_success
    assert held[0] >= 4 * 1_000 + 100 * 100
    assert returned(budget)


@pytest.mark.limit("monitor.api.body.MAX_VALUES")
def test_a_body_has_as_many_values_as_are_stated_and_one_more_is_refused_before_any_is_made(churn, monkeypatch):
    monkeypatch.setattr(body, "MAX_VALUES", 10_000)

    def put(values):  # the key, its list, a mark that begins it, and the numbers; marks within a text are none
        return churn.put(MODEL, content=b'{"x,:[{": [' + b"1," * (values - 3) + b"1]}", headers=JSON)

    within, beyond = put(10_000), put(10_001)
    assert (within.status_code, "is not known" in within.text) == (422, True)
    assert (beyond.status_code, "at most 10,000" in beyond.text) == (422, True)


def test_texts_that_mean_ill_are_looked_through_once_and_kept_nowhere(monkeypatch):
    monkeypatch.setattr(body, "MAX_VALUES", 100)
    began = time.thread_time()
    with pytest.raises(InvalidInput, match="101 values and keys"):
        body.refuse_too_many_values(b"," * 101 + b'"' + rb"\"" * 20_000)  # it never ends, or might at each mark
    assert time.thread_time() - began < 2, "looked through again from each mark: a megabyte would take hours"
    long = b'{"x": "' + b"," * 1_000_000 + b'"}'
    tracemalloc.start()
    try:
        body.refuse_too_many_values(long)
        assert tracemalloc.get_traced_memory()[1] < 2 * len(long), "each character of the text was kept"
    finally:
        tracemalloc.stop()


@pytest.mark.limit("DRIFTLINE_MAX_INFLIGHT_BYTES")
def test_a_long_text_of_commas_has_room_where_as_many_values_have_none(churn, budget):
    def put(content):
        return churn.put(MODEL, content=b'{"x": ' + content + b"}", headers=JSON)

    text, values = b'"' + b"," * 1_000_000 + b'"', b"[" + b"1," * 499_999 + b"1]"
    with budget.lease(budget.limit - 10_000_000):
        refused = put(text)
        assert (refused.status_code, "is not known" in refused.text) == (422, True), refused.text
        assert put(values).status_code == 503
        many_texts = b"[" + b'"",' * 200_000 + b'""]'
        assert put(many_texts).status_code == 503, "as many pieces as texts would be kept"
    assert returned(budget)


@pytest.mark.parametrize(
    "content",
    [
        b'["' + b'a long text, with a comma, and so on, of sixty characters,", "' * 200_000 + b'"]',
        b'["' + b'a","' * 1_000_000 + b'"]',
    ],
    ids=["long", "short"],
)
def test_values_are_counted_within_what_their_body_holds(content):
    tracemalloc.start()
    try:
        found = asyncio.run(body._most_values(content))
        assert tracemalloc.get_traced_memory()[1] < JSON_WEIGHT * len(content)
    finally:
        tracemalloc.stop()
    assert found == content.count(b'","') + content.count(b'", "') + 1


@pytest.mark.parametrize("encoding", ["gzip", "zstd", "br"])
def test_an_encoding_is_refused_by_its_name_where_none_is_taken(churn, encoding):
    answer = churn.put(MODEL, content=b"{}", headers=JSON | {"content-encoding": encoding})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media")
    assert encoding in answer.json()["detail"]
