"""Labels through the whole server: matched with folded records, their quarantine, their counter."""

from __future__ import annotations

import pytest

M = "/api/v1/models/churn"
HOUR = 3_600_000_000


def metric(client, **labels):
    text = ",".join(f'{name}="{value}"' for name, value in sorted(labels.items()))
    lines = client.get("/metrics").text.splitlines()
    return [float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f"driftline_labels_total{{{text}}}")]


def test_labels_of_folded_records_match_by_the_ids_that_were_made_for_them(churn, clock, tick):
    body = {"records": [{"features": {"x": float(i)}} for i in range(5)]}
    ids = churn.post(M + "/versions/42/predictions", json=body).json()["ids"]
    labels = [{"id": id, "label": True} for id in ids] + [{"id": "nobody", "label": False}]
    assert churn.post(M + "/labels", json={"records": labels}).json()["matched"] == 0
    clock.now_us += HOUR
    tick()
    answer = churn.post(M + "/labels", json={"records": labels})
    assert (answer.status_code, answer.json()) == (
        200, {"stored": 6, "quarantined": 0, "matched": 5, "waiting": 1, "errors": []},
    )  # fmt: skip
    assert metric(churn, model="churn", result="stored") == [12.0]


def test_quarantined_labels_are_listed_in_pages_and_replayed(churn, clock):
    ahead = [{"id": f"r{i}", "label": 1, "timestamp": clock.now_us + HOUR} for i in range(3)]
    assert churn.post(M + "/labels", json={"records": ahead}).json()["quarantined"] == 3
    page = churn.get(M + "/labels/quarantine", params={"limit": 2}).json()
    assert [(q["index"], q["code"]) for q in page["results"]] == [(0, "future"), (1, "future")]
    last = churn.get(M + "/labels/quarantine", params={"cursor": page["next"]}).json()
    assert ([q["index"] for q in last["results"]], last["next"]) == ([2], None)
    clock.now_us += HOUR
    replayed = churn.post(M + "/labels/quarantine/replay").json()
    assert replayed == {"stored": 3, "quarantined": 0, "matched": 0, "waiting": 3, "errors": []}
    assert churn.get(M + "/labels/quarantine").json()["results"] == []


@pytest.mark.parametrize("path", ["/labels/quarantine", "/labels/quarantine/replay", "/labels"])
def test_labels_of_a_model_that_does_not_exist_are_404_with_the_way_to_create_it(client, path):
    call = client.get if path.endswith("quarantine") else client.post
    answer = call("/api/v1/models/nobody" + path)
    assert (answer.status_code, "PUT /api/v1/models/nobody" in answer.json()["detail"]) == (404, True)


def test_a_model_that_gets_its_task_takes_labels_at_once(client):
    client.put(M, json={})
    assert client.post(M + "/labels", json={"records": [{"id": "a", "label": 1}]}).json()["code"] == "no_task"
    client.put(M, json={"task": "regression"})
    assert client.post(M + "/labels", json={"records": [{"id": "a", "label": 1}]}).json()["stored"] == 1
