"""A legal hold over HTTP: set by an admin, shown, in the way of every removal, ended."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from monitor.model.time import rfc3339
from monitor.store import purge, tables

MODEL = "/api/v1/models/churn"
HOLD = MODEL + "/legal-hold"


def test_a_hold_is_set_shown_changed_and_ended(churn, clock):
    begun = rfc3339(clock.now_us)
    assert churn.get(MODEL).json()["legal_hold"] is None
    made = churn.put(HOLD, json={"reason": " case 24-117 "})
    assert (made.status_code, made.json()) == (201, {"reason": "case 24-117", "since": begun, "by": None})
    clock.now_us += 5_000_000
    again = churn.put(HOLD, json={"reason": "two cases"})
    assert (again.status_code, again.json()) == (200, {"reason": "two cases", "since": begun, "by": None})
    assert churn.get(MODEL).json()["legal_hold"] == again.json()
    assert [m["legal_hold"] for m in churn.get("/api/v1/models").json()["results"]] == [again.json()]
    assert [churn.delete(HOLD).status_code for _ in range(2)] == [204, 204]
    assert churn.get(MODEL).json()["legal_hold"] is None


def test_it_names_the_token_that_set_it(churn):
    made = churn.post("/api/v1/tokens", json={"role": "admin", "name": "ops"}).json()
    churn.headers["Authorization"] = f"Bearer {made['token']}"
    assert churn.put(HOLD, json={"reason": "r"}).json()["by"] == "ops"


def test_under_it_every_deletion_is_409_and_ingest_and_changes_go_on(churn, application):
    churn.put(HOLD, json={"reason": "case 24-117"})
    for path in (MODEL, MODEL + "/versions/42"):
        answer = churn.delete(path)
        assert (answer.status_code, answer.json()["code"], answer.json()["title"]) == (409, "legal_hold", "Legal hold")
        assert "DELETE /api/v1/models/churn/legal-hold" in answer.json()["detail"]
    sent = churn.post(MODEL + "/versions/42/predictions", json={"records": [{"id": "a", "features": {"x": 1}}]})
    assert sent.json()["stored"] == 1
    assert churn.put(MODEL, json={"team": "crm"}).json()["legal_hold"]["reason"] == "case 24-117"
    churn.delete(HOLD)
    assert churn.delete(MODEL).status_code == 204
    with application.state.services.store.write() as conn:
        while purge.purge_deleted(conn):
            pass
    assert churn.get(MODEL).status_code == 404


@pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": 3}, {"reason": "x" * 1_001}, {"reason": "r", "x": 1}])
def test_a_hold_without_a_reason_or_with_more_is_refused(churn, body):
    answer = churn.put(HOLD, json=body)
    assert answer.status_code == 422, answer.text
    assert churn.get(MODEL).json()["legal_hold"] is None


def test_a_model_that_is_not_there_has_no_hold(client):
    assert client.put(HOLD, json={"reason": "r"}).status_code == 404
    assert client.delete(HOLD).status_code == 404


@pytest.mark.parametrize("dry_run", [True, False])
def test_an_apply_that_would_prune_it_is_409_and_changes_nothing(churn, dry_run):
    def apply(models, **more):
        documents = [{"path": "a.yaml", "content": {"driftline": 1, "models": models}}]
        return churn.post("/api/v1/apply", json={"documents": documents, "set": "crm", **more})

    assert apply({"fraud": {"versions": {"1": {}}}, "kept": {}}).status_code == 200
    assert churn.put("/api/v1/models/fraud/legal-hold", json={"reason": "case"}).status_code == 201
    assert apply({"fraud": {"versions": {"1": {}}}, "kept": {}}).json()["changes"] == []  # a hold is in no file
    for models in ({"kept": {"team": "x"}}, {"fraud": {}, "kept": {"team": "x"}}):
        answer = apply(models, prune=True, dry_run=dry_run)
        assert (answer.status_code, answer.json().get("code")) == (409, "legal_hold"), answer.text
    assert churn.get("/api/v1/models/kept").json()["team"] == ""
    assert churn.get("/api/v1/models/fraud/versions/1").status_code == 200


def test_what_it_kept_of_segments_that_are_gone_is_removed_soon_after_it_has_ended(churn, application, tick):
    sent = churn.put(f"{MODEL}/versions/42/reference", content="x\n1\n2\n", headers={"Content-Type": "text/csv"})
    assert sent.status_code == 201, sent.text
    store, row = application.state.services.store, tables.merged_profile
    with store.write() as conn:
        version_id = conn.execute(sa.select(tables.version.c.id)).scalar_one()
        of = {"version_id": version_id, "start_us": 0, "end_us": 1, "layout_id": 1, "windows": 1, "rows": 1}
        for segment in ("", "gone"):
            conn.execute(sa.insert(row).values(**of, segment=segment, last_received_us=0, payload=b"p"))

    def kept():
        tick()
        with store.read() as conn:
            return set(conn.execute(sa.select(row.c.segment)).scalars())

    churn.delete(HOLD)  # there is none: nothing is asked for
    assert kept() == {"", "gone"}
    churn.put(HOLD, json={"reason": "case 24-117"})
    assert kept() == {"", "gone"}
    churn.delete(HOLD)
    assert kept() == {""}
