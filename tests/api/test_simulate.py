"""``POST …/checks/simulate``, and what the answer to a fixed threshold says of its false alarms."""

from __future__ import annotations

import json

import pytest

from monitor.model.time import HOUR_US, rfc3339
from tests.api.judging import judged_hours

M = "/api/v1/models/churn"
SIMULATE = M + "/checks/simulate"
FIXED = {"name": "psi", "kind": "drift", "columns": ["age"], "threshold": 0.5}


@pytest.fixture
def judged(churn, clock, tick):
    """Three judged hours, the last one drifted; 40 windows are enough to judge by."""
    assert churn.put(M, json={"false_alarms": "1 per day"}).status_code == 200
    churn.starts = judged_hours(churn, clock, tick, shifts=[0.0, 0.0, 40.0])
    return churn


def simulated(client, checks, **params):
    answer = client.post(SIMULATE, json={"checks": checks}, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_given_checks_are_counted_by_check_and_column_beside_those_in_force(judged):
    before = judged.get(M).json()
    found = simulated(judged, [FIXED])
    start = rfc3339(judged.starts[2])
    assert (found["model"], found["version"], found["windows"], found["skipped"]) == ("churn", "42", 3, {})
    assert (found["from"], found["to"]) == (rfc3339(judged.starts[0]), rfc3339(judged.starts[2] + HOUR_US))
    (check,) = found["checks"]
    assert {key: check[key] for key in ("name", "windows", "ok", "warning", "alert", "unknown", "in_alarm")} == {
        "name": "psi", "windows": 3, "ok": 2, "warning": 0, "alert": 1, "unknown": 0, "in_alarm": 1,
    }  # fmt: skip
    assert (check["episodes"], check["per_month"], check["first"], check["last"]) == (1, 240.0, [start], [start])
    (column,) = check["columns"]
    assert (column["column"], column["metric"], column["alert"], column["first"]) == ("age", "psi", 1, [start])
    drift = next(check for check in found["in_force"] if check["name"] == "drift")
    assert (drift["windows"], drift["alert"], drift["last"]) == (3, 1, [start])
    assert found["recorded"] == {"ok": 2, "warning": 0, "alert": 1, "unknown": 0}
    assert judged.get(M).json() == before


def test_from_and_to_and_the_version_narrow_it(judged):
    middle = {"from": rfc3339(judged.starts[1]), "to": rfc3339(judged.starts[2])}
    assert simulated(judged, [FIXED], version="42", **middle)["windows"] == 1
    assert judged.post(SIMULATE, json={"checks": []}, params={"version": "7"}).status_code == 404


def test_as_lines_it_tells_its_progress_first_and_the_result_last(judged):
    answer = judged.post(SIMULATE, json={"checks": [FIXED]}, headers={"Accept": "application/x-ndjson"})
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    assert lines[0] == {"progress": 0.0, "windows": 3}
    assert lines[-1] == {"result": simulated(judged, [FIXED])}


def test_null_means_the_default_checks(judged):
    found = simulated(judged, None)
    assert found["checks"] == found["in_force"]


def test_a_version_without_a_window_has_nothing_to_say(churn):
    found = simulated(churn, [FIXED])
    assert (found["windows"], found["from"]) == (0, None)
    assert (found["checks"][0]["windows"], found["checks"][0]["per_month"]) == (0, None)


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ({}, "null: the default ones"),
        ({"check": []}, "did you mean 'checks'"),
        ({"checks": [{"name": "x", "kind": "drfit"}]}, "did you mean 'drift'"),
        ({"checks": "all"}, "list"),
    ],
)
def test_what_is_no_list_of_checks_is_refused_in_words(embedded, body, part):
    answer = embedded.post(SIMULATE, json=body)
    assert (answer.status_code, part in answer.json()["detail"]) == (422, True), answer.text


def test_while_one_runs_another_is_asked_to_come_again(application, judged):
    with application.state.services.simulator.claimed():
        answer = judged.post(SIMULATE, json={"checks": [FIXED]})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert simulated(judged, [FIXED])["windows"] == 3


def test_setting_a_fixed_threshold_is_answered_with_its_false_alarms(judged):
    shown = judged.put(M, json={"checks": [{"name": "drift", "kind": "drift"}, FIXED]}).json()
    (rate,) = shown["fixed_thresholds"]
    assert (rate["check"], rate["threshold"], rate["level"], rate["version"]) == ("psi", 0.5, "alert", "42")
    assert (rate["from"], rate["windows"], rate["episodes"], rate["in_alarm_ratio"]) == ("reference", 40, 0, 0.0)
    assert rate["false_alarms_per_month"] == rate["lower"] == 0.0
    assert rate["upper"] == pytest.approx(3.688879 * 720 / 40)
    assert rate["says"] == (
        "0 false alarms a month (95 %: 0 to 66.4), in alarm in 0 % of 40 windows of the reference's own"
    )
    assert "fixed_thresholds" not in judged.put(M, json={"team": "crm"}).json()
    assert judged.put(M, json={"checks": [{"name": "drift", "kind": "drift"}]}).json()["fixed_thresholds"] == []


def test_a_fixed_threshold_that_decides_no_column_is_told_so(judged):
    shown = judged.put(M, json={"checks": [FIXED, {"name": "drift", "kind": "drift"}]}).json()
    assert "a later check of its kind and metric" in shown["fixed_thresholds"][0]["says"]


def test_without_history_the_rate_is_not_known_yet(client):
    (rate,) = client.put(M, json={"checks": [FIXED]}).json()["fixed_thresholds"]
    assert (rate["false_alarms_per_month"], rate["windows"]) == (None, 0)
    assert rate["says"] == "not known yet: no history"


def test_applying_a_file_says_it_of_the_models_whose_checks_change(judged):
    content = {"driftline": 1, "models": {"churn": {"task": "binary_classification", "checks": [FIXED]}}}
    asked = {"documents": [{"path": "a.yaml", "content": content}], "adopt": True}
    dry = judged.post("/api/v1/apply", json=asked | {"dry_run": True}).json()
    (rate,) = dry["fixed_thresholds"]
    assert (rate["model"], rate["check"], rate["windows"]) == ("churn", "psi", 40)
    assert judged.post("/api/v1/apply", json=asked).json()["fixed_thresholds"] == [rate]
    assert judged.post("/api/v1/apply", json=asked).json()["fixed_thresholds"] == []


def test_a_reference_without_windows_leaves_production_as_it_comes(churn, clock, tick):
    judged_hours(churn, clock, tick, shifts=[0.0] * 2)
    shown = churn.put(M, json={"checks": [FIXED | {"metric": "ks"}]}).json()["fixed_thresholds"][0]
    assert "do not say ks" in shown["says"]
