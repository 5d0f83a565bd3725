"""Names that are none, on every route that takes one, over real connections to both databases."""

from __future__ import annotations

import json
import re
from urllib.parse import quote

import pytest

from monitor.api.access import ROLES
from tests.faults.pair import API, JSON

NAMES = [
    "../../etc", "a/b", "CON", ".", "..", "", "n" * 10_000, "'; DROP TABLE model; --", "{{7*7}}", "a\u202eb", "%00",
]  # fmt: skip
ROUTES = sorted(key for key in ROLES if "{" in key)
PLACE = re.compile(r"\{[a-z]+\}")
EXISTING = {"{version}": "1", "{start}": "2026-03-01T00:00:00Z", "{number}": "1"}
# What names something in a query: each with a route that reads it.
QUERIES = [
    ("GET", "{version}/results", name) for name in ("column", "segment", "metric", "kind", "cursor", "from", "limit")
] + [
    ("GET", "{version}/profile", "column"), ("GET", "{version}/profile", "segment"), ("GET", "{version}/records", "id"),
    ("GET", "{version}/records", "cursor"), ("GET", "{version}/quarantine", "cursor"),
    ("GET", API + "/models", "cursor"),
    ("GET", API + "/alerts", "segment"), ("GET", API + "/alerts", "model"), ("GET", API + "/alerts", "state"),
    ("GET", API + "/alerts", "cursor"), ("GET", "{model}/erasures", "cursor"), ("GET", "{model}/silences", "cursor"),
    ("POST", "{version}/evaluate", "from"), ("POST", "{version}/reference", "from_version"),
    ("PUT", "{version}/reference", "segment"), ("PUT", "{version}/reference", "source"),
    ("PUT", "{version}/reference", "prediction"), ("POST", "{version}/predictions", "id"),
    ("POST", "{model}/relayout", "reference"), ("POST", "{model}/checks/simulate", "version"),
]  # fmt: skip
# What names something in a body: where it stands in what is sent to which route.
BODIES = {
    "check": ("PUT", "{model}", lambda name: {"checks": [{"name": name, "kind": "drift"}]}),
    "segment": ("PUT", "{model}", lambda name: {"segments": [{"name": name, "where": {"a": 1}}]}),
    "value of a segment": ("PUT", "{model}", lambda name: {"segments": [{"name": "s", "where": {"a": name}}]}),
    "column of a segment": ("PUT", "{model}", lambda name: {"segments": [{"by": name}]}),
    "team": ("PUT", "{model}", lambda name: {"team": name}),
    "tag": ("PUT", "{model}", lambda name: {"tags": {name: name}}),
    "timezone": ("PUT", "{model}", lambda name: {"timezone": name}),
    "column": ("PUT", "{version}", lambda name: {"schema": {"columns": [{"name": name, "type": "numeric"}]}}),
    "version of a baseline": ("PUT", "{version}", lambda name: {"baseline": {"kind": "version", "version": name}}),
    "silence": ("POST", "{model}/silences", lambda name: {"reason": name, "end": "2m", "checks": [name]}),
    "hold": ("PUT", "{model}/legal-hold", lambda name: {"reason": name}),
    "erased id": ("POST", "{model}/erase", lambda name: {"ids": [name]}),
    "explained check": ("POST", "{version}/explain", lambda name: {"start": "2026-03-01T00:00:00Z", "check": name}),
    "drilled column": ("POST", "{version}/drill", lambda name: {
        "kind": "data", "column": name, "change": {"missing": 1}}),
    "set": ("POST", API + "/apply", lambda name: {"set": name, "documents": [{"path": "a", "content": {}}]}),
    "path of a file": ("POST", API + "/apply", lambda name: {"documents": [{"path": name, "content": {"x": name}}]}),
    "label of an alert": ("POST", API + "/alertmanager", lambda name: {
        "version": "4", "groupKey": name, "receiver": name, "alerts": [{"status": "firing", "labels": {"model": name},
        "startsAt": "2026-03-01T00:00:00Z", "fingerprint": name}]}),
    "records": ("POST", "{version}/predictions", lambda name: {"records": [{"id": name, "features": {name: name}}]}),
    "labels": ("POST", "{model}/labels", lambda name: {"records": [{"id": name, "label": name}]}),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name[:12] or "empty")
def test_a_name_that_cannot_be_is_refused_in_words_on_every_route(pair, name):
    # quoted, dots too: a client that tidies the path up must not take the fault out of it
    sent = name if name == "%00" else quote(name, safe="").replace(".", "%2E")
    for key in ROUTES:
        method, _, path = key.partition(" ")
        answer = pair.ask(method, PLACE.sub(lambda _: sent, path), content=b"{}", headers={"Content-Type": JSON})
        if name == "CON" and answer.status < 300:  # a name like any other: nothing here is a file
            assert pair.ask("DELETE", f"{API}/models/CON").status in (204, 404)
            continue
        assert answer.status in (400, 404, 405, 415, 422, 501), (key, answer.text)
        assert answer.headers["content-type"] == "application/problem+json", key
        assert answer.json["status"] == answer.status
        assert len(answer.text) < 4_000
    assert pair.ask("GET", f"{API}/models/{pair.model}").status == 200


def in_words(answer, key):
    """Whether the answer is one of a request that is taken or refused, the refusal in words that are no page."""
    assert answer.status < 500 or answer.status == 501, (key, answer.text[:500])
    if answer.status >= 400:
        assert answer.headers["content-type"] == "application/problem+json", key
        assert answer.json["status"] == answer.status
        assert len(answer.text) < 4_000, key
    assert "49" not in answer.json.get("detail", "") or "{{7*7}}" not in key, key


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name[:12] or "empty")
def test_a_name_that_cannot_be_is_refused_in_one_place_while_all_others_exist(pair, name):
    sent = name if name == "%00" else quote(name, safe="").replace(".", "%2E")
    existing = EXISTING | {"{model}": pair.model}
    for key in ROUTES:
        method, _, path = key.partition(" ")
        for place in set(PLACE.findall(path)) - {"{model}"}:  # the test above has that one
            asked = path.replace(place, sent)
            asked = PLACE.sub(lambda found: existing.get(found[0], "1"), asked)
            if method == "DELETE" and asked == f"{pair.version}":
                continue  # the name that exists
            answer = pair.ask(method, asked, content=b"{}", headers={"Content-Type": JSON})
            in_words(answer, f"{key} {place} {name[:20]}")
    assert pair.ask("GET", pair.version).status == 200


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name[:12] or "empty")
def test_a_name_of_any_kind_in_a_query_or_a_body_is_taken_or_refused_in_words(pair, name):
    places = {"{model}": f"{API}/models/{pair.model}", "{version}": pair.version}
    for method, path, parameter in QUERIES:
        asked = path.replace("{model}", places["{model}"]).replace("{version}", places["{version}"])
        sent = name if name == "%00" else quote(name, safe="")
        answer = pair.ask(method, f"{asked}?{parameter}={sent}", content=b"{}", headers={"Content-Type": JSON})
        in_words(answer, f"{path} {parameter} {name[:20]}")
    for what, (method, path, made) in BODIES.items():
        asked = path.replace("{model}", places["{model}"]).replace("{version}", places["{version}"])
        for text in (name, "\0", "\ud800"):
            body = json.dumps(made(text)).encode()
            answer = pair.ask(method, asked, content=body, headers={"Content-Type": JSON})
            in_words(answer, f"{what} {text[:20]!r}")
    for page in ("", "/silences", "/legal-hold"):
        assert pair.ask("GET", places["{model}"] + page).status in (200, 405)
    assert pair.ask("GET", places["{version}"] + "/records").status == 200
