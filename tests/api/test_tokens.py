"""Tokens through their life, on both databases."""

from __future__ import annotations

import logging
import time

import pytest
import sqlalchemy as sa

from monitor.api.keyring import REFRESH_SECONDS, Keyring
from monitor.app import create_app
from monitor.model.errors import Unavailable
from monitor.model.grants import new_token
from monitor.model.time import DAY_US, HOUR_US
from monitor.settings import Settings
from tests.api.running import client_of

TOKENS, MODELS = "/api/v1/tokens", "/api/v1/models"


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def admin(client):
    """The headers of the first token."""
    return bearer(client.post(TOKENS, json={"role": "admin", "name": "root"}).json()["token"])


def make(client, admin, **body):
    answer = client.post(TOKENS, json=body, headers=admin)
    assert answer.status_code == 201, answer.text
    return answer.json()


def states(client, admin):
    return {t["id"]: t["state"] for t in client.get(TOKENS, headers=admin).json()["results"]}


def test_the_first_token_is_made_without_one_and_from_then_on_everything_needs_one(client):
    assert client.get(MODELS).status_code == 200
    made = client.post(TOKENS, json={"role": "admin"})
    shape = made.json()
    assert (made.status_code, made.headers["cache-control"]) == (201, "no-store")
    assert made.headers["location"] == TOKENS + "/tok_1"
    assert shape["token"].startswith("dl_")
    assert "from now on every request needs a token" in shape["note"]
    assert [client.get(p).status_code for p in (MODELS, "/metrics", "/docs", "/livez", "/readyz")] == [
        401, 401, 401, 200, 200,
    ]  # fmt: skip
    assert client.get(MODELS, headers=bearer(shape["token"])).status_code == 200
    assert "note" not in make(client, bearer(shape["token"]), role="read")


@pytest.mark.parametrize("body", [{"role": "read"}, {"role": "admin", "models": ["churn*"]}])
def test_the_first_token_must_be_one_that_can_make_others(client, body):
    answer = client.post(TOKENS, json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "first_token")
    assert client.get(MODELS).status_code == 200


def test_a_token_is_shown_once_and_stands_in_no_list_and_no_log(client, admin, caplog):
    caplog.set_level(logging.DEBUG)
    made = make(client, admin, role="read", name="grafana", models=["churn*"], expires="90d")
    assert client.get(MODELS, headers=bearer(made["token"])).status_code == 200
    client.delete(f"{TOKENS}/{made['token']}", headers=admin)
    client.get(f"{MODELS}/nobody", headers=bearer(made["token"]))
    listed = client.get(TOKENS, headers=admin)
    (root, found) = listed.json()["results"]
    assert {k: found[k] for k in ("id", "name", "role", "models", "state", "created", "expires", "revoked")} == {
        "id": "tok_2", "name": "grafana", "role": "read", "models": ["churn*"], "state": "active",
        "created": "2026-03-02T12:30:00Z", "expires": "2026-05-31T12:30:00Z", "revoked": None,
    }  # fmt: skip
    assert root["models"] == []
    secret = made["token"][3:]
    assert secret not in listed.text + client.get("/api/v1/openapi.json", headers=admin).text
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith("http")]
    assert [line for line in ours if secret in line] == []  # the client's own log holds the address that it called
    assert secret not in client.delete(f"{TOKENS}/{made['token']}", headers=admin).text


def test_a_token_that_expired_is_refused_at_its_very_instant(client, admin, clock):
    token = make(client, admin, role="read", expires="1d")["token"]
    clock.now_us += DAY_US - 1
    assert client.get(MODELS, headers=bearer(token)).status_code == 200
    clock.now_us += 1
    assert client.get(MODELS, headers=bearer(token)).status_code == 401
    assert states(client, admin) == {"tok_1": "active", "tok_2": "expired"}


def test_a_revoked_token_is_refused_at_once(client, admin):
    made = make(client, admin, role="read")
    assert client.get(MODELS, headers=bearer(made["token"])).status_code == 200
    for _ in range(2):
        assert client.delete(f"{TOKENS}/{made['id']}", headers=admin).status_code == 204
    assert client.get(MODELS, headers=bearer(made["token"])).status_code == 401
    assert states(client, admin)["tok_2"] == "revoked"


def test_the_last_admin_cannot_be_revoked_and_can_be_replaced(client, admin):
    make(client, admin, role="admin", models=["churn*"], name="limited")
    answer = client.delete(f"{TOKENS}/tok_1", headers=admin)
    assert (answer.status_code, "Make the one that takes its place first" in answer.text) == (409, True)
    other = make(client, admin, role="admin")
    assert client.delete(f"{TOKENS}/tok_1", headers=bearer(other["token"])).status_code == 204
    assert client.get(MODELS, headers=admin).status_code == 401
    assert client.delete(f"{TOKENS}/{other['id']}", headers=bearer(other["token"])).status_code == 409


def test_where_every_token_has_ended_nobody_gets_in(client, clock, application):
    token = client.post(TOKENS, json={"role": "admin", "expires": "1h"}).json()["token"]
    clock.now_us += HOUR_US
    application.state.services.keyring.refresh()
    assert [client.get(MODELS).status_code, client.get(MODELS, headers=bearer(token)).status_code] == [401, 401]
    assert client.post(TOKENS, json={"role": "admin"}).status_code == 401


WRONG = [
    ({}, "role"), ({"role": "reed"}, "role"), ({"role": 5}, "role"), ({"role": "read", "models": "a"}, "models"),
    ({"role": "read", "models": [5]}, "models"), ({"role": "read", "nam": "x"}, "field"),
    ({"role": "read", "name": "a b"}, "name"), ({"role": "read", "name": ""}, "name"),
    ({"role": "read", "name": 5}, "name"), ({"role": "read", "expires": "0d"}, "expires"),
    ({"role": "read", "expires": "2020-01-01"}, "expires"), ({"role": "read", "expires": 90}, "expires"),
    ({"role": "read", "expires": "soon"}, "duration"), ({"role": "read", "expires": ""}, "time"),
    ({"role": "read", "expires": "99999999999999d"}, "expires"), ({"role": "metrics", "models": ["a"]}, "models"),
]  # fmt: skip


def test_a_token_that_cannot_be_is_422_in_words(client, admin):
    answers = [client.post(TOKENS, json=body, headers=admin) for body, _ in WRONG]
    assert [(a.status_code, a.json()["code"]) for a in answers] == [(422, code) for _, code in WRONG]
    assert set(states(client, admin)) == {"tok_1"}


def test_a_token_that_is_not_there_is_404(client, admin):
    for id in ("tok_99", "99", "tok_0", "x", "tok_" + "9" * 30, "file_x"):
        assert client.delete(f"{TOKENS}/{id}", headers=admin).status_code == 404, id


def test_tokens_are_listed_in_pages(client, admin):
    for n in range(4):
        make(client, admin, role="read", name=f"r{n}")
    names, cursor = [], None
    for _ in range(3):
        params = {"limit": 2} | ({} if cursor is None else {"cursor": cursor})
        page = client.get(TOKENS, headers=admin, params=params).json()
        names.append([t["name"] for t in page["results"]])
        cursor = page["next"]
    assert (names, cursor) == ([["root", "r0"], ["r1", "r2"], ["r3"]], None)


def test_lists_show_a_limited_token_its_models_only(client, admin, application):
    for name in ("churn-eu", "churn-us", "fraud", "churn"):
        assert client.put(f"{MODELS}/{name}", json={}, headers=admin).status_code == 201
        assert client.put(f"{MODELS}/{name}/versions/1", json={}, headers=admin).status_code == 201
    jobs = {
        name: client.post(f"{MODELS}/{name}/versions/1/evaluate", headers=admin).json()["id"]
        for name in ("churn-eu", "fraud")
    }
    store = application.state.services.store
    with store.write() as conn:
        for model_id, version_id in conn.execute(sa.text("SELECT model_id, id FROM version")).all():
            conn.execute(sa.text(
                "INSERT INTO transition (model_id, version_id, check_name, segment, kind, severity, from_status, "
                "status, firing, at_us, window_start_us, window_end_us, rows, columns, explanation) VALUES "
                "(:m, :v, 'drift', '', 'drift', 'warning', 'ok', 'alert', true, 1, 1, 2, 9, '[]', '')"
            ), {"m": model_id, "v": version_id})  # fmt: skip
    limited = bearer(make(client, admin, role="read", models=["churn-*"])["token"])
    none = bearer(make(client, admin, role="read", models=["nothing"])["token"])

    def listed(path, headers):
        names, cursor = [], None
        while True:
            params = {"limit": 1} | ({} if cursor is None else {"cursor": cursor})
            page = client.get(f"/api/v1/{path}", headers=headers, params=params).json()
            names += [row.get("model", row.get("name")) for row in page["results"]]
            cursor = page["next"]
            if cursor is None:
                return sorted(names)

    for path in ("models", "alerts"):
        assert listed(path, admin) == ["churn", "churn-eu", "churn-us", "fraud"]
        assert listed(path, limited) == ["churn-eu", "churn-us"]
        assert listed(path, none) == []
    assert client.get("/api/v1/alerts?model=churn-eu", headers=limited).status_code == 200
    assert client.get("/api/v1/alerts?model=fraud", headers=limited).status_code == 403
    alerts = {a["model"]: a["id"] for a in client.get("/api/v1/alerts", headers=admin).json()["results"]}
    for path in (f"alerts/{alerts['fraud']}", f"jobs/{jobs['fraud']}"):
        hidden, absent = (client.get(f"/api/v1/{p}", headers=limited) for p in (path, path.split("_")[0] + "_999"))
        assert (hidden.status_code, absent.status_code) == (404, 404)
        assert hidden.json()["detail"].split()[0] == absent.json()["detail"].split()[0]
        assert client.get(f"/api/v1/{path}", headers=admin).status_code == 200
    for path in (f"alerts/{alerts['churn-eu']}", f"jobs/{jobs['churn-eu']}"):
        assert client.get(f"/api/v1/{path}", headers=limited).status_code == 200


def test_what_one_replica_makes_and_revokes_holds_on_another_within_seconds(client, settings):
    with client_of(create_app(settings, jobs=False)) as other:
        admin = bearer(client.post(TOKENS, json={"role": "admin"}).json()["token"])
        made = make(client, admin, role="read")

        def becomes(status):
            until = time.monotonic() + 2 * REFRESH_SECONDS + 2
            while time.monotonic() < until:
                if other.get(MODELS, headers=bearer(made["token"])).status_code == status:
                    return other.get(MODELS).status_code
                time.sleep(0.1)
            raise AssertionError(status)

        assert becomes(200) in (200, 401)
        time.sleep(REFRESH_SECONDS + 0.5)
        assert other.get(MODELS).status_code == 401
        assert client.delete(f"{TOKENS}/{made['id']}", headers=admin).status_code == 204
        assert becomes(401) == 401


def test_use_is_noted_to_the_hour(client, admin, clock, application):
    refresh = application.state.services.keyring.refresh

    def last_used():
        return client.get(TOKENS, headers=admin).json()["results"][0]["last_used"]

    for later_us, noted in ((0, "12:30:00"), (HOUR_US - 1, "12:30:00"), (1, "13:30:00")):
        clock.now_us += later_us
        assert client.get(MODELS, headers=admin).status_code == 200
        refresh()
        assert last_used() == f"2026-03-02T{noted}Z"


def test_no_request_asks_the_database_who_it_is_and_unknown_tokens_leave_no_trace(client, admin, application):
    services = application.state.services
    keyring: Keyring = services.keyring
    ring = keyring._ring
    with services.store.write() as conn:
        conn.exec_driver_sql("ALTER TABLE token RENAME TO hidden")
    try:
        assert client.get("/docs", headers=admin).status_code == 200
        for _ in range(5_000):
            assert keyring.identify(f"Bearer {new_token()}".encode()).grant is None
        assert keyring._ring is ring
        with pytest.raises(Unavailable):
            keyring.refresh()
        assert client.get("/docs", headers=admin).status_code == 200
        assert client.get("/docs").status_code == 401
    finally:
        with services.store.write() as conn:
            conn.exec_driver_sql("ALTER TABLE hidden RENAME TO token")


@pytest.fixture
def listed(tmp_path):
    """Settings with a tokens file of one admin; the file's token."""
    (tmp_path / "secret").write_text("s" * 40)
    (tmp_path / "tokens.yaml").write_text("tokens: [{name: ops, role: admin, token_file: secret}]")
    config = tmp_path / "server.yaml"
    config.write_text("driftline: 1\nauth: {tokens_file: tokens.yaml, metrics: none}")
    return config


def test_tokens_of_the_file_work_without_the_database_and_shut_the_door(store_url, tmp_path, listed):
    settings = Settings(database_url=store_url, data_dir=tmp_path, config=listed)
    with client_of(create_app(settings, jobs=False)) as client:
        ops = bearer("s" * 40)
        assert [client.get(MODELS).status_code, client.get(MODELS, headers=ops).status_code] == [401, 200]
        made = make(client, ops, role="ingest", models=["churn"])  # the file has an admin: any may be the first here
        assert "note" not in made
        shown = client.get(TOKENS, headers=ops).json()["results"]
        assert [(t["id"], t["role"]) for t in shown] == [("tok_1", "ingest"), ("file_ops", "admin")]
        answer = client.delete(f"{TOKENS}/file_ops", headers=ops)
        assert (answer.status_code, "remove it there" in answer.text) == (409, True)
        other = make(client, ops, role="admin")
        assert client.delete(f"{TOKENS}/{other['id']}", headers=ops).status_code == 204


def test_metrics_none_opens_metrics_and_nothing_else(store_url, tmp_path, listed):
    settings = Settings(database_url=store_url, data_dir=tmp_path, config=listed)
    with client_of(create_app(settings, jobs=False)) as client:
        limited = make(client, bearer("s" * 40), role="ingest", models=["churn"])["token"]
        assert [client.get("/metrics", headers=h).status_code for h in ({}, bearer("wrong"), bearer(limited))] == [
            200, 200, 200,
        ]  # fmt: skip
        assert client.get("/docs").status_code == 401


def test_with_tokens_any_name_and_address_is_served_but_no_page_of_another_site(client, admin):
    named = {"Host": "drift.example"}
    assert client.get(MODELS, headers=admin | named).status_code == 200
    assert client.get("/livez", headers=named).status_code == 200
    assert client.get(MODELS, headers=named).status_code == 401
    assert client.get(MODELS, headers=admin | {"Origin": "https://evil.example"}).status_code == 403


def test_allow_anonymous_lets_nobody_in_once_there_are_tokens(store_url, tmp_path):
    settings = Settings(database_url=store_url, data_dir=tmp_path, allow_anonymous=True)
    with client_of(create_app(settings, jobs=False)) as client:
        token = client.post(TOKENS, json={"role": "admin"}).json()["token"]
        assert [client.get(MODELS).status_code, client.get(MODELS, headers=bearer(token)).status_code] == [401, 200]
