from __future__ import annotations

import pytest

M = "/api/v1/models/churn"
V = M + "/versions/42"


def test_put_creates_with_201_and_updates_with_200(client):
    created = client.put(M, json={"task": "regression", "window": "1d", "timezone": "Europe/Berlin"})
    updated = client.put(M, json={"team": "crm"})
    assert (created.status_code, updated.status_code) == (201, 200)
    assert created.json()["revision"] + 1 == updated.json()["revision"]


def test_put_replaces_the_fields_it_gives_and_leaves_the_others(client):
    client.put(M, json={"task": "regression", "team": "crm", "lateness": "10m", "tags": {"a": "b"}})
    shown = client.put(M, json={"lateness": "1h"}).json()
    assert [shown[k] for k in ("task", "team", "lateness", "tags")] == ["regression", "crm", "1h", {"a": "b"}]


def test_a_null_gives_a_field_its_default_back(client):
    client.put(M, json={"team": "crm", "stale_after": "7d", "lateness": "1h", "min_effect": 0.1, "task": "regression"})
    nothing = dict.fromkeys(("team", "stale_after", "lateness", "min_effect", "task", "window", "timezone"))
    shown = client.put(M, json=nothing).json()
    expected = {"team": "", "stale_after": "185m", "lateness": "5m", "min_effect": None, "task": "none",
                "window": "1h", "timezone": "UTC"}  # fmt: skip
    assert {k: shown[k] for k in expected} == expected


def test_stale_after_is_three_windows_and_the_lateness_unless_told(client):
    assert client.put(M, json={"window": "1d", "lateness": "0s"}).json()["stale_after"] == "3d"


def test_a_new_model_is_unknown_and_has_no_windows(churn):
    shown = churn.get(M).json()
    assert (shown["status"], shown["since"], shown["worst"], shown["last_window"], shown["rows"]) == (
        "unknown", None, None, None, 0,
    )  # fmt: skip
    assert shown["versions"] == [{"version": "42", "state": "live", "status": "unknown"}]
    status = churn.get(M + "/versions/42/status").json()
    assert {c["reason"] for c in status["checks"] if c["kind"] != "volume"} == {"no_reference"}
    assert "PUT …/reference" in status["next"]["why"]


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ({"windw": "1h"}, "did you mean 'window'"),
        ({"window": "90m"}, "expected one of"),
        ({"window": 5}, "expected a text"),
        ({"timezone": "Mars/Olympus"}, "IANA"),
        ({"timezone": "../../etc/passwd"}, "IANA"),
        ({"task": "guessing"}, "binary_classification"),
        ({"lateness": "5 minutes"}, "duration"),
        ({"lateness": 300}, "duration"),
        ({"lateness": "9999999999999d"}, "duration"),
        ({"false_alarms": "often"}, "per month"),
        ({"checks": "all"}, "list"),
        ({"checks": [{"name": "a b", "kind": "drift"}]}, "check name"),
        ({"min_effect": "big"}, "number"),
        ({"segments": {"by": "region"}}, "segments: expected a list"),
        ({"segments": [{"by": "region", "tpo": 3}]}, "did you mean 'top'"),
        ({"segments": [{"name": "a", "where": {"x": {"get": 3}}}]}, "did you mean 'gt'"),
        ({"segments": [{"by": f"c{i}"} for i in range(101)]}, "DRIFTLINE_MAX_SEGMENTS"),
        ({"checks": [{"name": "d", "kind": "drift", "segments": ["eu"]}]}, "the model has no segments"),
        (
            {"segments": [{"by": "region"}], "checks": [{"name": "d", "kind": "drift", "segments": ["regoin=EU"]}]},
            "did you mean 'region=*'",
        ),
        ({"checks": [{"name": "s", "kind": "schema", "segments": ["*"]}]}, "a schema check is of all traffic"),
        ({"min_effect": -1}, "0 or more"),
        ({"tags": ["a"]}, "tags"),
        ({"tags": {"a": 1}}, "tags"),
        ({"description": 5}, "description"),
        ({"team": "x" * 5_000}, "team"),
        ({"team": "a\x00b"}, "NUL"),
        ({"min_effect": 10**30}, "64 bits"),
        ({"labels": []}, "expected an object"),
        ({"labels": {"dealy": "1d"}}, "did you mean 'delay'"),
        ({"labels": {"delay": 30}}, "labels.delay"),
        ({"labels": {"delay": "30 days"}}, "duration"),
        ({"labels": {"min_coverage": 1.5}}, "0 to 1"),
        ({"labels": {"min_coverage": True}}, "number"),
        ({"labels": {"default": {"value": "no"}}}, "labels.default.after"),
        ({"labels": {"default": {"after": "60d"}}}, "labels.default.value"),
        ({"labels": {"default": {"value": ["no"], "after": "60d"}}}, "labels.default.value"),
        ({"labels": {"delay": "30d", "default": {"value": "no", "after": "29d"}}}, "30d"),
        ({"task": "regression", "labels": {"default": {"value": "no", "after": "60d"}}}, "number"),
        ({"business_value": {}}, "label outside and prediction inside"),
        ({"business_value": {"yes": 5}}, "label outside and prediction inside"),
        ({"business_value": {"yes": {"no": "much"}}}, "business_value.yes.no"),
        ({"task": "regression", "business_value": {"yes": {"no": 5}}}, "classes"),
    ],
)
def test_what_cannot_be_accepted_is_422_with_what_is_expected(embedded, body, part):
    answer = embedded.put("/api/v1/models/refused", json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert part in answer.json()["detail"]
    assert embedded.get("/api/v1/models/refused").status_code == 404


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"checks": [{"name": "fair", "kind": "fairness"}]}, "fairness"),
        ({"actions": [{"name": "x"}]}, "actions"),
        ({"window": "batch"}, "batch"),
        ({"privacy": {"rows": "none"}}, "privacy"),
        ({"on_new_version": {"reference": "first_windows"}}, "first_windows"),
    ],
)
def test_what_a_later_release_brings_is_501_with_its_name_and_not_ignored(embedded, body, name):
    answer = embedded.put(M, json=body)
    assert (answer.status_code, answer.json()["title"]) == (501, "Not available yet")
    assert name in answer.json()["detail"]


def test_segments_are_shown_as_they_were_said_and_hold_with_the_checks_that_name_them(client):
    said = [{"by": "region", "top": 3}, {"name": "evening", "where": {"hour": {"gte": 18}}}]
    checks = [{"name": "d", "kind": "drift", "segments": ["evening", "region=*"]}]
    assert client.put(M, json={"segments": said, "checks": checks}).json()["segments"] == said
    assert client.get(M).json()["segments"] == said
    taken = client.put(M, json={"segments": said[:1]})
    assert (taken.status_code, "'evening' is no segment of this model" in taken.json()["detail"]) == (422, True)
    assert client.get(M).json()["segments"] == said
    assert client.put(M, json={"segments": None, "checks": None}).json()["segments"] is None


def test_baselines_are_shown_as_they_were_said_and_refused_with_what_is_expected(client):
    shape = {"kind": "same_hour", "windows": 14}
    checks = [{"name": "jump", "kind": "drift", "baseline": {"kind": "previous"}}]
    assert client.put(M, json={"baseline": shape, "checks": checks}).status_code == 201
    client.put(V, json={"baseline": {"kind": "version", "version": "41"}})
    shown = client.get(M).json()
    assert (shown["baseline"], shown["checks"]) == (shape, checks)
    assert client.get(V).json()["baseline"] == {"kind": "version", "version": "41"}
    for body, part in (
        ({"window": "1d"}, "same_day_of_week"),
        ({"baseline": {"kind": "rolling", "windws": 3}}, "did you mean 'windows'"),
        ({"checks": [{"name": "s", "kind": "schema", "baseline": shape}]}, "is held against the reference"),
    ):
        refused = client.put(M, json=body)
        assert (refused.status_code, part in refused.json()["detail"]) == (422, True)


def test_a_new_window_is_refused_while_a_versions_baseline_makes_no_sense_for_it(client):
    client.put(M, json={"window": "1h"})
    client.put(V, json={"baseline": {"kind": "same_hour"}})
    refused = client.put(M, json={"window": "1d"})
    assert refused.status_code == 422
    assert "version '42': baseline: 'same_hour' needs windows shorter than a day" in refused.json()["detail"]
    assert client.get(M).json()["window"] == "1h"
    client.put(V, json={"baseline": {"kind": "rolling"}})
    assert client.put(M, json={"window": "1d"}).status_code == 200


def test_a_model_of_more_checks_than_are_taken_is_refused(client):
    checks = [{"name": f"c{i}", "kind": "quality", "metric": "missing"} for i in range(1_001)]
    refused = client.put(M, json={"checks": checks})
    assert refused.status_code == 422
    assert "checks: 1,001 checks, expected at most 1,000" in refused.json()["detail"]
    assert client.put(M, json={"checks": checks[:1_000]}).status_code == 201


def test_the_rules_of_labels_are_kept_and_a_default_class_is_written_as_categories_are(client):
    rules = {"delay": "30d", "min_coverage": 0.8, "default": {"value": 0, "after": "60d"}}
    worth = {"1": {"1": 50, "0": -200}, "0": {"1": -5}}
    body = {"task": "binary_classification", "labels": rules, "business_value": worth}
    assert client.put(M, json=body).status_code == 201
    shown = client.get(M).json()
    assert shown["labels"] == rules | {"default": {"value": "0", "after": "60d"}}
    assert shown["business_value"] == worth
    assert client.put(M, json={"labels": None}).json()["labels"] is None


def test_a_task_that_the_default_label_does_not_fit_is_refused(client):
    client.put(M, json={"task": "binary_classification", "labels": {"default": {"value": "no", "after": "60d"}}})
    answer = client.put(M, json={"task": "regression"})
    assert (answer.status_code, "labels.default.value" in answer.json()["detail"]) == (422, True)


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 400), (b"{", 400), (b"nonsense", 400), (b'{"min_effect": NaN}', 400), (b'{"min_effect": 1e400}', 400),
        (b'{"team": "\\ud800"}', 400), (b"\xff\xfe", 400), (b"[" * 100_000, 400), (b"[]", 422), (b"3", 422),
        (b"null", 422), (b'{"tags": ' * 100 + b"1" + b"}" * 100, 422),
    ],
)  # fmt: skip
def test_a_body_that_is_no_json_object_is_refused_in_words(embedded, content, status):
    answer = embedded.put(M, content=content, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


def test_a_body_of_another_type_is_415(embedded):
    assert embedded.put(M, content=b"a: 1", headers={"Content-Type": "application/yaml"}).status_code == 415


def test_if_match_holds_for_the_stored_revision_only(churn):
    etag = churn.get(M).headers["etag"]
    assert churn.put(M, json={"team": "a"}, headers={"If-Match": etag}).status_code == 200
    stale = churn.put(M, json={"team": "b"}, headers={"If-Match": etag})
    assert (stale.status_code, churn.get(M).json()["team"]) == (412, "a")
    assert churn.put(M, json={"team": "c"}, headers={"If-Match": f'"77", {churn.get(M).headers["etag"]}'}).is_success
    assert churn.put("/api/v1/models/new", json={}, headers={"If-Match": "*"}).status_code == 412
    assert churn.delete(M, headers={"If-Match": etag}).status_code == 412
    assert churn.put(V, json={}, headers={"If-Match": '"99"'}).status_code == 412
    assert churn.put(V, json={}, headers={"If-Match": churn.get(V).headers["etag"]}).status_code == 200


def test_the_list_is_by_name_in_pages_that_never_overlap(client):
    names = [f"m{i:02}" for i in range(7)]
    for name in reversed(names):
        client.put(f"/api/v1/models/{name}", json={})
    seen, cursor = [], None
    for _ in range(4):
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = client.get("/api/v1/models", params=params).json()
        seen.append([model["name"] for model in page["results"]])
        cursor = page["next"]
    assert seen == [["m00", "m01"], ["m02", "m03"], ["m04", "m05"], ["m06"]]
    assert cursor is None


@pytest.mark.parametrize("query", ["limit=0", "limit=10001", "limit=x", "cursor=x", "cursor=bnVsbA", "lmit=5"])
def test_a_page_that_cannot_be_is_422(embedded, query):
    assert embedded.get(f"/api/v1/models?{query}").status_code == 422


def test_delete_frees_the_name_at_once(churn):
    assert churn.delete(M).status_code == 204
    assert [churn.get(M).status_code, churn.get(V).status_code, churn.delete(M).status_code] == [404, 404, 404]
    assert churn.put(M, json={}).status_code == 201
    assert churn.get(M + "/versions").json()["results"] == []


def test_a_version_has_a_schema_a_state_and_a_threshold(churn):
    columns = [{"name": "age", "type": "numeric"}, {"name": "plan", "type": "categorical", "missing": ["-"]}]
    body = {"schema": {"columns": columns}, "positive": True, "decision_threshold": 0.35, "state": "shadow"}
    shown = churn.put(V, json=body).json()
    assert (shown["positive"], shown["decision_threshold"], shown["state"]) == ("true", 0.35, "shadow")
    assert [c["name"] for c in shown["schema"]["columns"]] == ["age", "plan"]
    assert churn.put(V, json={"state": None}).json()["state"] == "live"
    assert churn.get(V).json()["schema"] == shown["schema"]


@pytest.mark.parametrize(
    "body",
    [
        {"state": "paused"}, {"schema": {"columns": [{"name": "a"}, {"name": "a"}]}}, {"schema": 3},
        {"schema": {"columns": [{"name": "a", "type": "number"}]}}, {"decision_threshold": "high"},
        {"positive": {"a": 1}}, {"windows": 1}, {"schema": [{"name": "a", "missing": 5}]},
        {"schema": [{"name": "a", "importance": "high"}]}, {"schema": [{"name": "a", "sensitive": "yes"}]},
        {"schema": [{"name": ""}]}, {"schema": [{"name": "a\tb"}]}, {"schema": [{"name": "x" * 300}]},
        {"schema": [{"name": "a", "true": [1]}]}, {"schema": [{"name": 5}]}, {"schema": ["a"]},
    ],
)  # fmt: skip
def test_a_version_that_cannot_be_is_422(embedded, body):
    assert embedded.put(V, json=body).status_code == 422


def test_a_version_of_no_model_is_404_that_says_how_to_make_one(client):
    answer = client.put(V, json={})
    assert (answer.status_code, "PUT /api/v1/models/churn" in answer.json()["detail"]) == (404, True)


def test_versions_are_listed_and_deleted(churn):
    churn.put(M + "/versions/7", json={})
    assert [v["version"] for v in churn.get(M + "/versions").json()["results"]] == ["42", "7"]
    page = churn.get(M + "/versions?limit=1").json()
    rest = churn.get(M + "/versions", params={"cursor": page["next"]}).json()
    assert [v["version"] for v in rest["results"]] == ["7"]
    assert churn.delete(V).status_code == 204
    assert churn.get(V).status_code == 404


@pytest.mark.parametrize("field", [{"sensitive": True}, {"store": "hash"}])
def test_a_column_that_asks_for_what_comes_later_is_501(embedded, field):
    answer = embedded.put(V, json={"schema": [{"name": "a"} | field]})
    assert (answer.status_code, next(iter(field)) in answer.json()["detail"]) == (501, True)


def test_a_schema_of_too_many_columns_is_413_that_names_the_setting(embedded):
    answer = embedded.put(V, json={"schema": [{"name": f"c{i}"} for i in range(2_001)]})
    assert (answer.status_code, "MAX_COLUMNS" in answer.json()["detail"]) == (413, True)


def test_window_and_timezone_stay_once_there_are_windows(churn, clock):
    churn.post(V + "/predictions", json={"records": [{"features": {"a": 1.0}}]})
    assert churn.put(M, json={"window": "1d"}).status_code == 200
    churn.put(V, json={"schema": [{"name": "a"}]})
    assert churn.get(V + "/results", params={"partial": "true"}).status_code == 200  # folds
    refused = churn.put(M, json={"window": "1h"})
    assert (refused.status_code, refused.json()["title"]) == (409, "Conflict")
    assert churn.put(M, json={"window": "1d", "team": "crm"}).status_code == 200


def test_a_long_list_shows_the_same_as_each_model_alone(client):
    for number in range(25):
        name = f"/api/v1/models/m{number:02}"
        client.put(name, json={"team": str(number)})
        client.put(name + "/versions/1", json={})
    client.put("/api/v1/models/m00/versions/2", json={"state": "retired"})
    long = client.get("/api/v1/models").json()["results"]
    assert len(long) == 25
    assert long == [client.get(f"/api/v1/models/{model['name']}").json() for model in long]
