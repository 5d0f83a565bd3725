"""``POST /apply`` and the JSON Schema, over HTTP."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator

APPLY = "/api/v1/apply"


def body(models, **more):
    return {"documents": [{"path": "a.yaml", "content": {"driftline": 1, "models": models}}], **more}


def test_the_schema_is_served_and_is_one(embedded):
    answer = embedded.get("/api/v1/schema/config.json")
    assert answer.headers["content-type"] == "application/schema+json"
    Draft202012Validator.check_schema(answer.json())


def test_a_set_is_shown_applied_and_found_unchanged(client):
    content = body({"churn": {"team": "crm", "versions": {"42": {"columns": {"age": {"missing": [-1]}}}}}}, set="crm")
    dry = client.post(APPLY, json=content | {"dry_run": True})
    assert (dry.status_code, dry.json()["applied"], client.get("/api/v1/models/churn").status_code) == (200, False, 404)
    done = client.post(APPLY, json=content).json()
    assert (done["applied"], done["set"], done["changes"]) == (True, "crm", dry.json()["changes"])
    assert done["changes"][0] == {
        "action": "create", "model": "churn", "version": None, "fields": [{"field": "team", "old": None, "new": "crm"}],
    }  # fmt: skip
    assert client.get("/api/v1/models/churn").json()["origin"] == "crm"
    version = client.get("/api/v1/models/churn/versions/42").json()
    assert (version["origin"], version["columns"]["age"]["missing"]) == ("crm", [-1])
    assert client.post(APPLY, json=content).json()["changes"] == []
    client.put("/api/v1/models/churn", json={"team": "by hand"})
    assert client.post(APPLY, json=content).json()["changes"][0]["fields"] == [
        {"field": "team", "old": "by hand", "new": "crm"}
    ]


def test_a_set_of_a_thousand_models_fits_into_one_request(embedded):
    checks = [{"name": n, "kind": "drift", "columns": ["@feature"], "threshold": 0.2} for n in ("a", "b", "c")]
    models = {f"m{n}": {"team": "x", "checks": checks, "versions": {"1": {"state": "live"}}} for n in range(1_000)}
    content = body(models, dry_run=True)
    assert len(json.dumps(content)) < 1_000_000
    assert len(embedded.post(APPLY, json=content).json()["changes"]) == 2_000


def test_every_problem_is_answered_with_file_and_field(embedded):
    answer = embedded.post(APPLY, json=body({"a": {"widnow": "1h"}, "b": {"checks": [{"name": "x", "kind": "drfit"}]}}))
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["title"]) == (422, "configuration", "Invalid configuration")
    assert [(e["file"], e["field"], e["code"]) for e in problem["errors"]] == [
        ("a.yaml", "models.a.widnow", "unknown_key"), ("a.yaml", "models.b.checks[0]", "invalid"),
    ]  # fmt: skip
    assert embedded.get("/api/v1/models/a").status_code == 404


def test_what_is_not_available_yet_is_501(embedded):
    answer = embedded.post(APPLY, json=body({"a": {"actions": [{"name": "x"}]}}))
    assert (answer.status_code, answer.json()["title"]) == (501, "Not available yet")


@pytest.mark.parametrize(
    ("sent", "part"),
    [
        ({}, "documents: expected a list"),
        ({"documents": []}, "documents: expected a list"),
        ({"documents": [{"path": "a"}]}, "documents[0]: expected an object"),
        ({"documents": [{"path": "\n", "content": {}}]}, "printable"),
        (body({}, dryrun=True), "did you mean 'dry_run'?"),
        (body({"a": {}}, dry_run="yes"), "dry_run: expected true or false"),
        (body({"a": {}}, set="a b"), "set name 'a b' is not allowed"),
        (body({"a": {}}, set=3), "expected the set's name as a text"),
        (body({"a": {}}, prune=True), "pruning needs the set's name"),
    ],
)
def test_a_body_of_another_shape_is_told_what_is_expected(embedded, sent, part):
    answer = embedded.post(APPLY, json=sent)
    assert (answer.status_code, part in answer.json()["detail"]) == (422, True), answer.text


def test_a_model_says_positive_and_threshold_for_versions_that_do_not(client):
    fields = {"task": "binary_classification", "positive": "yes", "decision_threshold": 0.3}
    assert client.put("/api/v1/models/m", json=fields).json()["decision_threshold"] == 0.3
    one = client.put("/api/v1/models/m/versions/1", json={}).json()
    two = client.put("/api/v1/models/m/versions/2", json={"decision_threshold": 0.5}).json()
    assert [(v["positive"], v["decision_threshold"], v["inherited"]) for v in (one, two)] == [
        ("yes", 0.3, ["positive", "decision_threshold"]), ("yes", 0.5, ["positive"]),
    ]  # fmt: skip
    client.put("/api/v1/models/m", json={"decision_threshold": 0.4})
    shown = [client.get(f"/api/v1/models/m/versions/{n}").json()["decision_threshold"] for n in (1, 2)]
    assert shown == [0.4, 0.5]
    assert (
        client.put("/api/v1/models/m/versions/2", json={"decision_threshold": None}).json()["decision_threshold"] == 0.4
    )


def test_a_new_version_takes_over_the_reference_at_once_where_the_model_says_so(client):
    client.put("/api/v1/models/m", json={"on_new_version": {"reference": "inherit"}})
    client.put("/api/v1/models/m/versions/1", json={})
    rows = "age\n" + "\n".join(str(n) for n in range(200))
    put = client.put("/api/v1/models/m/versions/1/reference", content=rows, headers={"Content-Type": "text/csv"})
    second = client.put("/api/v1/models/m/versions/2", json={}).json()
    assert (second["reference"], second["reference_digest"]) == (1, put.json()["digest"])


def test_a_reference_is_taken_from_another_version_on_request(client):
    client.put("/api/v1/models/m", json={})
    for n in (1, 2):
        client.put(f"/api/v1/models/m/versions/{n}", json={})
    rows = "age\n" + "\n".join(str(n) for n in range(200))
    client.put("/api/v1/models/m/versions/1/reference", content=rows, headers={"Content-Type": "text/csv"})
    path = "/api/v1/models/m/versions/2/reference"
    taken = client.post(path, params={"from_version": "1"})
    assert (taken.status_code, taken.json()["rows"]) == (201, 200)
    assert client.post(path, params={"from_version": "1"}).status_code == 200
    assert client.post(path, params={"from_version": "9"}).status_code == 404
    both = client.post(path, params={"from_version": "1", "from": "2026-01-01", "to": "2026-01-02"})
    assert (both.status_code, client.post(path).status_code) == (422, 422)


def test_a_token_that_is_limited_to_models_applies_and_prunes_only_those(client):
    root = client.post("/api/v1/tokens", json={"role": "admin", "name": "root"}).json()["token"]
    admin = {"Authorization": f"Bearer {root}"}
    sent = {"role": "write", "name": "churn", "models": ["churn*"]}
    limited = {"Authorization": f"Bearer {client.post('/api/v1/tokens', json=sent, headers=admin).json()['token']}"}
    both = {"churn-eu": {}, "fraud": {}}
    refused = client.post(APPLY, json=body(both, set="s", dry_run=True), headers=limited)
    assert (refused.status_code, "limited to other models than 'fraud'" in refused.text) == (403, True)
    assert client.post(APPLY, json=body(both, set="s"), headers=admin).status_code == 200
    own = body({"churn-eu": {"team": "x"}}, set="s")
    assert client.post(APPLY, json=own, headers=limited).status_code == 200
    pruned = client.post(APPLY, json=own | {"prune": True}, headers=limited)
    assert (pruned.status_code, "models.fraud" in pruned.text) == (422, True)
    assert client.get("/api/v1/models/fraud", headers=admin).status_code == 200
