"""Quotas of tokens on a real server, on both databases."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from monitor.app import create_app
from monitor.settings import Settings
from tests.api.running import client_of
from tests.api.test_alertmanager import WEBHOOK, alert, webhook
from tests.api.test_tokens import bearer, make

MODEL = "/api/v1/models/churn"
PREDICTIONS, LABELS = f"{MODEL}/predictions", f"{MODEL}/labels"


@pytest.fixture
def admin(churn):
    return bearer(churn.post("/api/v1/tokens", json={"role": "admin", "name": "root"}).json()["token"])


@pytest.fixture
def token(churn, admin):
    """A function that makes a token with a quota and gives its header."""

    def made(role="ingest", **quota):
        return bearer(make(churn, admin, role=role, name="etl", quota=quota)["token"])

    return made


def records(count, *, start=0):
    return {"records": [{"id": f"r{start + n}", "features": {"a": n}} for n in range(count)]}


def stored(client, admin):
    return len(client.get(f"{MODEL}/versions/42/records", params={"limit": 1_000}, headers=admin).json()["results"])


def refused(client, admin):
    page = client.get("/metrics", headers=admin).text
    return {
        kind: float(count)
        for kind, count in re.findall(r'^driftline_quota_refused_total{quota="(\w+)",token="etl"} (\S+)', page, re.M)
    }


def metrics_admin(client, admin):
    return bearer(make(client, admin, role="metrics", name="prometheus")["token"])


def test_exactly_the_quota_is_stored_of_what_many_send_at_once_and_the_rest_is_429(churn, admin, token):
    sender = token(records=60)

    def send(n):
        with httpx.Client(base_url=churn.base_url, headers=sender, timeout=60) as client:
            answers = [client.post(PREDICTIONS, json=records(2, start=100 * n + 2 * k)) for k in range(10)]
        return answers

    with ThreadPoolExecutor(4) as pool:
        answers = [answer for some in pool.map(send, range(4)) for answer in some]
    assert sorted(a.status_code for a in answers) == [200] * 30 + [429] * 10
    late = [a for a in answers if a.status_code == 429]
    assert {(a.json()["code"], 1 <= int(a.headers["retry-after"]) <= 60) for a in late} == {("quota_exceeded", True)}
    assert stored(churn, admin) == 60
    assert refused(churn, metrics_admin(churn, admin)) == {"records": 10.0}


def test_labels_count_as_records_and_what_is_quarantined_too(churn, token):
    sender = token(records=3)
    labels = {"records": [{"id": "r1", "label": True}, {"label": True}]}
    answer = churn.post(LABELS, json=labels, headers=sender).json()
    assert (answer["stored"], answer["quarantined"]) == (1, 1)
    assert churn.post(PREDICTIONS, json=records(1), headers=sender).status_code == 200
    assert churn.post(LABELS, json=labels, headers=sender).status_code == 429


def test_what_stores_nothing_uses_nothing_up(churn, token):
    sender = token(records=4)
    keyed = sender | {"Idempotency-Key": "k"}
    assert churn.post(PREDICTIONS, params={"dry_run": "true"}, json=records(9), headers=sender).status_code == 200
    assert churn.post(PREDICTIONS, json=[5], headers=sender).status_code in (400, 422)
    for _ in range(3):
        assert churn.post(PREDICTIONS, json=records(2), headers=keyed).status_code == 200
    assert churn.post(PREDICTIONS, json=records(2), headers=keyed | {"Idempotency-Key": "l"}).status_code == 200
    again = churn.post(PREDICTIONS, json=records(2), headers=keyed)
    assert (again.status_code, again.headers.get("idempotency-replayed")) == (200, "true")  # though nothing is left
    assert churn.post(PREDICTIONS, json=records(1), headers=sender).status_code == 429


def test_a_request_over_the_whole_quota_is_413_for_waiting_would_not_help(churn, token):
    answer = churn.post(PREDICTIONS, json=records(4), headers=token(records=3))
    assert (answer.status_code, "quota is 3 a minute" in answer.json()["detail"]) == (413, True)


def test_requests_of_every_route_count_and_another_token_has_its_own(churn, admin, token):
    sender, other = token("read", requests=2), token("read", requests=1)
    codes = [churn.get(path, headers=sender).status_code for path in (MODEL, "/api/v1/models", MODEL)]
    assert codes == [200, 200, 429]
    assert churn.get(MODEL, headers=other).status_code == 200
    assert [churn.get(path, headers=sender).status_code for path in ("/livez", "/readyz")] == [200, 200]
    assert churn.get(MODEL, headers=admin).status_code == 200


def test_alertmanagers_receiver_is_never_held_up(churn, token):
    sender = token(requests=1, records=1)
    assert churn.post(PREDICTIONS, json=records(1), headers=sender).status_code == 200
    assert churn.post(PREDICTIONS, json=records(1), headers=sender).status_code == 429
    calls = [churn.post(WEBHOOK, json=webhook(alert()), headers=sender).status_code for _ in range(3)]
    assert calls == [200] * 3


def test_the_count_goes_on_when_the_tokens_are_read_again(churn, application, token):
    sender = token(records=2)
    assert churn.post(PREDICTIONS, json=records(2), headers=sender).status_code == 200
    application.state.services.keyring.refresh()
    assert churn.post(PREDICTIONS, json=records(1), headers=sender).status_code == 429


def test_the_list_says_what_each_may_do(churn, admin, token):
    token(records=5, requests=7)
    shown = [t["quota"] for t in churn.get("/api/v1/tokens", headers=admin).json()["results"]]
    assert shown == [None, {"records": 5, "requests": 7}]


@pytest.mark.parametrize("quota", [{}, {"record": 5}, {"records": 0}, 5])
def test_a_quota_that_makes_no_sense_makes_no_token(churn, admin, quota):
    answer = churn.post("/api/v1/tokens", json={"role": "ingest", "quota": quota}, headers=admin)
    assert (answer.status_code, answer.json()["code"]) == (422, "quota")


def test_prometheus_has_no_quota(churn, admin):
    answer = churn.post("/api/v1/tokens", json={"role": "metrics", "quota": {"requests": 5}}, headers=admin)
    assert (answer.status_code, answer.json()["code"]) == (422, "quota")


def test_a_token_of_the_file_has_the_quota_that_stands_there_and_a_changed_one_without_a_restart(tmp_path):
    secret = "0123456789abcdef" * 2
    (tmp_path / "secret").write_text(secret)
    (tmp_path / "server.yaml").write_text("driftline: 1\nauth: {tokens_file: tokens.yaml}")
    tokens = tmp_path / "tokens.yaml"
    line = "tokens: [{name: ops, role: admin, token_file: secret, quota: {requests: %d}}]"
    tokens.write_text(line % 1)
    application = create_app(Settings(data_dir=tmp_path / "data", config=tmp_path / "server.yaml"), jobs=False)
    with client_of(application) as client:
        codes = [client.get("/api/v1/models", headers=bearer(secret)).status_code for _ in range(2)]
        assert codes == [200, 429]
        tokens.write_text((line % 3) + "\n")
        application.state.services.keyring.refresh()
        codes = [client.get("/api/v1/models", headers=bearer(secret)).status_code for _ in range(3)]
        assert codes == [200, 200, 429]
