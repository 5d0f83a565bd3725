"""Every route with every role, against a table written by hand: what is not in it is refused."""

from __future__ import annotations

import re

import pytest

from monitor.api.access import ROLES
from monitor.app import create_app
from monitor.settings import Settings
from tests.api.running import client_of

M, V = "/api/v1/models/{model}", "/api/v1/models/{model}/versions/{version}"
FOR_ALL = ["GET /livez", "GET /readyz", "GET /runbooks", "GET /runbooks/{alert}"]
FOR_METRICS = ["GET /metrics"]
FOR_INGEST = [
    f"POST {V}/predictions", f"POST {M}/predictions", f"POST {M}/labels", "POST /api/v1/alertmanager",
]  # fmt: skip
FOR_READ = [
    "GET /", "GET /docs", "GET /api/v1/openapi.json", "GET /api/v1/schema/config.json", "GET /api/v1/models",
    "GET /api/v1/alerts", "GET /api/v1/alerts/{alert}", "GET /api/v1/jobs/{job}", "GET /api/v1/actions",
    "GET /api/v1/actions/{action}", f"GET {M}", f"GET {M}/versions", f"GET {M}/labels/quarantine", f"GET {M}/silences",

    f"GET {M}/erasures", f"GET {M}/erasures/{{erasure}}",
    f"GET {V}", f"GET {V}/reference", f"GET {V}/references", f"GET {V}/results", f"GET {V}/drill", f"GET {V}/profile",
    f"GET {V}/windows", f"GET {V}/status", f"GET {V}/records", f"GET {V}/quarantine", f"GET {V}/compare",
    f"GET {V}/report", f"GET {V}/suggest-checks", f"POST {V}/explain",
]  # fmt: skip
FOR_WRITE = [
    "POST /api/v1/apply", f"PUT {M}", f"POST {M}/relayout", f"POST {M}/labels/quarantine/replay", f"POST {M}/silences",
    f"POST {M}/checks/simulate", f"POST {V}/drill", f"PUT {V}", f"PUT {V}/reference", f"POST {V}/reference",
    f"POST {V}/reference/{{number}}/activate", f"POST {V}/evaluate", f"POST {V}/quarantine/replay",
    f"PUT {V}/windows/{{start}}/mark", f"DELETE {V}/windows/{{start}}/mark",
    "POST /api/v1/alerts/{alert}/acknowledge",
    "DELETE /api/v1/alerts/{alert}/acknowledge", "DELETE /api/v1/alerts/{alert}/snooze",
    "DELETE /api/v1/alerts/{alert}/verdict", f"DELETE {M}/silences/{{silence}}",
    "POST /api/v1/alerts/{alert}/snooze", "POST /api/v1/alerts/{alert}/verdict",
    "POST /api/v1/actions/{action}/retry", "POST /api/v1/actions/{action}/cancel",
    "POST /api/v1/actions/{action}/approve",
]  # fmt: skip
FOR_ADMIN = [
    f"POST {M}/erase", f"DELETE {M}", f"PUT {M}/legal-hold", f"DELETE {M}/legal-hold", f"DELETE {V}",
    "POST /api/v1/backup", "GET /api/v1/tokens", "POST /api/v1/tokens", "DELETE /api/v1/tokens/{token}",
]  # fmt: skip
MAY = {
    "nobody": [*FOR_ALL],
    "metrics": [*FOR_ALL, *FOR_METRICS],
    "ingest": [*FOR_ALL, *FOR_INGEST],
    "read": [*FOR_ALL, *FOR_READ],
    "write": [*FOR_ALL, *FOR_READ, *FOR_WRITE],
    "admin": [*FOR_ALL, *FOR_READ, *FOR_WRITE, *FOR_ADMIN],
}
EVERY = [*FOR_ALL, *FOR_METRICS, *FOR_INGEST, *FOR_READ, *FOR_WRITE, *FOR_ADMIN]
# without a model in the path, and open to a token that is limited to some models
LIMITED = [
    *FOR_ALL, "GET /", "GET /docs", "GET /api/v1/openapi.json", "GET /api/v1/schema/config.json",
    "GET /api/v1/models", "GET /api/v1/alerts", "GET /api/v1/alerts/{alert}", "GET /api/v1/jobs/{job}",
    "POST /api/v1/apply",
    *(f"{m} /api/v1/alerts/{{alert}}/{w}" for m in ("POST", "DELETE") for w in ("acknowledge", "snooze", "verdict")),
]  # fmt: skip


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A client without a token, and a token for every role; ``limited`` ones see models ``churn*``."""
    application = create_app(Settings(data_dir=tmp_path_factory.mktemp("guarded")), jobs=False)
    with client_of(application) as client:
        made = client.post("/api/v1/tokens", json={"role": "admin"})
        tokens = {"admin": made.json()["token"]}
        for name, role, models in [
            *((role, role, None) for role in ("metrics", "ingest", "read", "write")),
            *((f"limited-{role}", role, ["churn*"]) for role in ("ingest", "read", "write", "admin")),
        ]:
            body = {"name": name, "role": role, "models": models}
            answer = client.post("/api/v1/tokens", json=body, headers=bearer(tokens["admin"]))
            assert answer.status_code == 201, answer.text
            tokens[name] = answer.json()["token"]
        yield client, tokens


def call(client, route, *, token=None, model="nobody"):
    method, _, path = route.partition(" ")
    url = re.sub(r"\{(\w+)\}", lambda found: model if found[1] == "model" else "x", path)
    return client.request(method, url, content=b"{}", headers={"Content-Type": "application/json"} | (
        {} if token is None else bearer(token)))  # fmt: skip


def test_the_table_of_this_test_holds_every_route_once():
    assert sorted(EVERY) == sorted(ROLES)
    assert len(EVERY) >= 55


@pytest.mark.parametrize("route", EVERY)
@pytest.mark.parametrize("role", MAY)
def test_every_role_reaches_its_routes_and_no_other(guarded, role, route):
    client, tokens = guarded
    answer = call(client, route, token=tokens.get(role))
    if route in MAY[role]:
        assert answer.status_code not in (401, 403), answer.text
        return
    assert answer.status_code == (401 if role == "nobody" else 403), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    if role == "nobody":
        assert answer.headers["www-authenticate"] == "Bearer"
        return
    (missing,) = [n for n, of in (("metrics", FOR_METRICS), ("ingest", FOR_INGEST), ("read", FOR_READ),
                                  ("write", FOR_WRITE), ("admin", FOR_ADMIN)) if route in of]  # fmt: skip
    assert f"the role '{missing}'" in answer.json()["detail"]


@pytest.mark.parametrize("route", EVERY)
@pytest.mark.parametrize("role", ["ingest", "read", "write", "admin"])
def test_a_limited_token_reaches_its_models_and_what_shows_it_no_other(guarded, role, route):
    client, tokens = guarded
    token = tokens[f"limited-{role}"]
    if route not in MAY[role]:
        assert call(client, route, token=token, model="churn-eu").status_code == 403
    elif "{model}" in route:
        assert call(client, route, token=token, model="churn-eu").status_code not in (401, 403)
        answer = call(client, route, token=token, model="fraud")
        assert (answer.status_code, "limited to other models" in answer.text) == (403, True)
    else:
        answer = call(client, route, token=token)
        assert (answer.status_code == 403) == (route not in LIMITED), answer.text


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer dl_wrong", "Bearer " + "x" * 5_000, "Basic dXNlcjpwYXNz", "dl_bare",
     "Bearer \u00fc"],
)  # fmt: skip
def test_whatever_is_wrong_with_a_token_the_answer_is_the_same(guarded, header):
    client, _ = guarded
    headers = {} if header is None else {"Authorization": header.encode("latin-1")}
    answer = client.get("/api/v1/models", headers=headers)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.json() == {
        "type": "urn:driftline:problem:unauthenticated", "title": "Token needed", "status": 401,
        "code": "unauthenticated", "request_id": answer.headers["x-request-id"],
        "detail": "this needs a token: send 'Authorization: Bearer <token>' with one that is known, not expired and "
                  "not revoked",
    }  # fmt: skip


def test_the_scheme_is_read_in_any_case_and_a_token_in_the_address_is_no_token(guarded):
    client, tokens = guarded
    assert client.get("/api/v1/models", headers={"Authorization": f"bEARER {tokens['read']}"}).status_code == 200
    assert client.get(f"/api/v1/models?access_token={tokens['read']}").status_code == 401


def test_a_body_that_was_not_read_leaves_the_refused_client_its_connection(guarded):
    client, _ = guarded
    answer = client.post("/api/v1/models/m/predictions", content=b"x" * 1_000_000)
    assert (answer.status_code, answer.headers.get("connection")) == (401, None)
