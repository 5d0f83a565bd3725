"""What holds of every route: a role, a place in the OpenAPI document, an answer in words to any name."""

from __future__ import annotations

import json
import re
from urllib.parse import quote

import pytest
from starlette.routing import Match

from monitor.api.access import API, ROLES, role_of
from monitor.api.application import OPERATIONS
from monitor.api.later import LATER
from monitor.api.routing import GuardedRoute, HotRoute, M, V
from monitor.app import create_app, create_worker
from monitor.model.errors import ConfigurationError, TooSlow
from monitor.settings import Settings
from tests.api.running import client_of

NAMES = [
    "../../etc", "a/b", "CON", ".", "..", "", "x" * 10_000, "'; DROP", "{{7*7}}", "%00", "a b", "ü", "-a", "a\u202eb",
]  # fmt: skip
SUFFIX = re.compile(r"\{[a-z]+\}")


def routes_of(application):
    return {
        f"{method} {route.path}": route for route in application.routes for method in route.methods - {"HEAD"}
    }  # fmt: skip


def test_every_route_has_exactly_one_role_and_every_role_a_route(tmp_path):
    application = create_app(Settings(data_dir=tmp_path), jobs=False)
    routes = routes_of(application)
    assert set(routes) == set(ROLES)
    assert {key: route.role for key, route in routes.items()} == ROLES
    assert all(isinstance(route, GuardedRoute | HotRoute) for route in application.routes)
    application.state.services.ingest.close()
    application.state.services.store.close()


def test_a_worker_serves_health_and_nothing_else(tmp_path):
    application = create_worker(Settings(data_dir=tmp_path))
    assert set(routes_of(application)) == {"GET /livez", "GET /readyz", "GET /metrics"}
    with client_of(application) as client:
        assert [client.get(p).status_code for p in ("/livez", "/readyz", "/metrics", "/api/v1/models")] == [
            200, 200, 200, 404,
        ]  # fmt: skip


def test_a_route_without_a_role_stops_the_start():
    with pytest.raises(ConfigurationError, match="GET /secret has no role"):
        role_of("GET", path="/secret")


@pytest.mark.parametrize("key", sorted(key for key in ROLES if "{" in key))
def test_a_name_that_cannot_be_is_answered_in_words_on_every_route(embedded, key):
    method, _, path = key.partition(" ")
    for name in NAMES:
        # quoted, dots too: a client that tidies the path up must not take the fault out of it
        quoted = name if name == "%00" else quote(name, safe="").replace(".", "%2E")
        url = SUFFIX.sub(lambda _, quoted=quoted: quoted, path)
        answer = embedded.request(method, url, content=b"{}", headers={"Content-Type": "application/json"})
        if name == "CON" and answer.is_success:  # a name like any other: nothing here is a file
            continue
        assert answer.status_code in (400, 404, 405, 415, 422, 501), (name, answer.text[:300])
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == answer.status_code
        assert len(answer.content) < 4_000


@pytest.mark.parametrize("key", sorted(key for key in ROLES if "{version}" in key))
def test_a_version_that_does_not_exist_is_404_and_says_so(embedded, key):
    method, _, path = key.partition(" ")
    url = path.replace("{model}", "churn").replace("{version}", "7").replace("{number}", "1").replace("{start}", "0")
    types = {"PUT": "text/csv"} if path.endswith("/reference") else {}
    headers = {"Content-Type": types.get(method, "application/json")}
    params = {"from": "2026-01-01", "to": "2026-01-02"} if key.endswith("/reference") and method == "POST" else {}
    answer = embedded.request(method, url, content=b'{"records": [{"a": 1}]}', headers=headers, params=params)
    if any(key in routes for routes in LATER.values()):
        assert answer.status_code == 501
    elif key == f"PUT {API}/models/{{model}}/versions/{{version}}":
        assert answer.status_code == 422  # creating it, and "records" is no field
    else:
        assert (answer.status_code, "no version '7'" in answer.json()["detail"]) == (404, True), answer.text


@pytest.mark.parametrize("key", [key for routes in LATER.values() for key in routes])
def test_what_a_later_release_brings_is_501_with_its_name(embedded, key):
    method, _, path = key.partition(" ")
    answer = embedded.request(method, SUFFIX.sub("x", path) + "?anything=1", content=b"{}")
    what = next(what for what, routes in LATER.items() if key in routes)
    assert (answer.status_code, answer.json()["title"]) == (501, "Not available yet")
    assert what in answer.json()["detail"]


@pytest.mark.parametrize(("query", "refused"), [("segment=EU", False), ("segmnt=x", True)])
@pytest.mark.parametrize("route", ["results", "profile"])
def test_segments_are_asked_for_and_unknown_parameters_are_422(embedded, route, query, refused):
    answer = embedded.get(f"{API}/models/churn/versions/42/{route}?{query}")
    assert (answer.status_code == 422, "segmnt" in answer.text) == (refused, refused)


@pytest.mark.parametrize(
    "query",
    ["from=yesterday", "to=2026-13-01", "from=2026-02-01&to=2026-01-01", "from=", "limit=9999999999999999999999",
     "cursor=%F0%9F%98%80", "cursor=WyJhIl0", "from=2026-01-01T00:00:00Z&from=x", "column=%00", "%00=1"],
)  # fmt: skip
@pytest.mark.parametrize("route", ["results", "windows", "records"])
def test_a_query_that_cannot_be_is_4xx_and_never_500(embedded, route, query):
    answer = embedded.get(f"{API}/models/churn/versions/42/{route}?{query}")
    assert answer.status_code in (400, 422), answer.text


def test_a_plus_that_became_a_space_is_understood(embedded):
    url = f"{API}/models/churn/versions/42/results"
    assert embedded.get(url + "?from=2026-01-01T00:00:00+01:00").status_code == 200


def test_an_unknown_path_and_an_unknown_method_are_problems_with_what_would_be_right(embedded):
    assert (embedded.get("/nowhere").status_code, embedded.get("/nowhere").json()["code"]) == (404, "not_found")
    answer = embedded.patch(f"{API}/models/churn")
    assert (answer.status_code, answer.headers["allow"]) == (405, "DELETE, GET, PUT")
    assert embedded.get(f"{API}/models/churn/versions/42/predictions").headers["allow"] == "POST"
    assert embedded.get(f"{API}/models/").status_code == 404  # and no redirect made from the Host header


def test_the_openapi_document_names_every_route_and_only_those(embedded):
    document = embedded.get(f"{API}/openapi.json").json()
    named = {f"{m.upper()} {path}" for path, methods in document["paths"].items() for m in methods}
    assert named == set(ROLES)
    identifiers = [o["operationId"] for methods in document["paths"].values() for o in methods.values()]
    assert len(set(identifiers)) == len(identifiers) == len(OPERATIONS) + 3
    referenced = set(re.findall(r"#/components/schemas/(\w+)", json.dumps(document)))
    assert referenced <= set(document["components"]["schemas"])


def test_the_openapi_document_asks_for_a_body_but_where_the_route_does_without(embedded):
    paths = embedded.get(f"{API}/openapi.json").json()["paths"]
    bodies = {
        path: operation["requestBody"]["required"]
        for path, operations in paths.items()
        for operation in operations.values()
        if "requestBody" in operation
    }
    assert len(bodies) > 10
    assert [path for path, required in bodies.items() if not required] == [f"{API}/alerts/{{alert}}/acknowledge"]


def test_the_openapi_document_names_every_parameter_of_a_path(embedded):
    for path, operations in embedded.get(f"{API}/openapi.json").json()["paths"].items():
        for operation in operations.values():
            named = [p["name"] for p in operation.get("parameters", ()) if p["in"] == "path"]
            assert sorted(named) == sorted(place.strip("{}") for place in SUFFIX.findall(path)), path


def test_the_openapi_document_says_what_each_answer_is_and_which_token_it_needs(embedded):
    document = embedded.get(f"{API}/openapi.json").json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for status, response in operation["responses"].items():
                kinds = list(response.get("content", {}))
                if status in ("204", "307"):
                    assert kinds == []
                else:
                    problem = not status.startswith("2")
                    assert (kinds == ["application/problem+json"]) == problem, (path, status, kinds)
                    assert kinds
            role = ROLES[f"{method.upper()} {path}"]
            assert operation["security"] == ([] if role == "open" else [{"bearer": [role]}]), path
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"


@pytest.mark.parametrize(
    ("path", "media_type"),
    [("/livez", "text/plain"), ("/metrics", "text/plain"), ("/docs", "text/html"), ("/runbooks", "text/html"),
     (f"{API}/schema/config.json", "application/schema+json"), (f"{API}/backup", "application/vnd.driftline.backup"),
     (f"{API}/models/churn/versions/42/records", "text/csv"),
     (f"{API}/models/churn/versions/42/results", "application/vnd.apache.arrow.stream")],
)  # fmt: skip
def test_the_openapi_document_knows_the_media_type_that_is_answered(embedded, path, media_type):
    written = path.replace("churn", "{model}").replace("42", "{version}")
    (method, operation), *_ = embedded.get(f"{API}/openapi.json").json()["paths"][written].items()
    answer = embedded.request(method, path, headers={"Accept": media_type})
    assert answer.headers["content-type"].partition(";")[0] == media_type
    assert media_type in operation["responses"]["200"]["content"]


def test_the_docs_page_shows_every_route_and_loads_nothing_from_elsewhere(embedded):
    page = embedded.get("/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    for key in ROLES:
        assert f"<code>{key.partition(' ')[2]}</code>" in page.text
    assert re.findall(r"""(?:src|href)=["'](?!/)""", page.text) == []
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert embedded.get("/").headers["location"] == "/docs"


def test_health_answers_without_a_model(embedded):
    assert embedded.get("/livez").text == "ok\n"
    assert embedded.get("/readyz").json() == {"ready": True, "reasons": [], "notes": []}


def test_requests_are_counted_by_route_and_code(embedded):
    embedded.get(f"{API}/models/nobody")
    metrics = embedded.get("/metrics").text
    assert 'driftline_requests_total{code="404",route="/api/v1/models/{model}"}' in metrics
    assert "nobody" not in metrics


def test_the_status_of_an_error_class_is_the_status_of_its_answer():
    assert TooSlow.status == 408


@pytest.mark.parametrize("root_path", ["", "/driftline"])
@pytest.mark.parametrize(
    "path",
    [
        f"{API}/models/m/predictions", f"{API}/models/m/versions/1/predictions", f"{API}/models/m/labels",
        f"{API}/models/a b%/versions/ü/predictions", f"{API}/models/m/records", f"{API}/models//predictions",
        f"{API}/models/m/versions/1/2/predictions", "/predictions",
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_hot_route_takes_what_starlette_finds_to_match(root_path, path, method):
    """Starlette's own ``matches`` is the oracle, here and below a prefix."""
    whole = root_path + path
    asked = {"type": "http", "method": method, "path": whole, "root_path": root_path, "query_string": b""}
    for template in (f"{V}/predictions", f"{M}/predictions", f"{M}/labels"):
        route = HotRoute(template, lambda: None, method="POST")
        match, found = route.matches(dict(asked))
        scope = dict(asked)
        assert route.takes(scope) is (match is Match.FULL)
        assert scope.get("path_params") == (found["path_params"] if match is Match.FULL else None)
