"""``POST …/drill`` and ``GET …/drill``: of the alert's way, and of a fault in the data."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import sqlalchemy as sa

from monitor.app import create_app
from monitor.model.drills import LINGERS_US, SETTLED_US
from monitor.model.time import MINUTE_US, SECOND_US, rfc3339
from monitor.store import drills, tables
from monitor.store.purge import purge_deleted
from tests.api.judging import judged_hours
from tests.api.running import running

M = "/api/v1/models/churn"
V = M + "/versions/42"
DRILL = V + "/drill"
HOOK = "/api/v1/alertmanager"
QUARTER_US = 15 * MINUTE_US


def begin(client, **more):
    answer = client.post(DRILL, json={"kind": "route", **more})
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == DRILL
    return answer.json()


def webhook(clock, *, status="firing", check="_drill", started_us=None, version="42"):
    labels = {"alertname": "DriftlineCheckFailing", "model": "churn", "version": version, "check": check,
              "severity": "warning"}  # fmt: skip
    starts = rfc3339(clock.now_us if started_us is None else started_us)
    alert = {"status": status, "labels": labels, "startsAt": starts, "endsAt": rfc3339(clock.now_us),
             "fingerprint": check}  # fmt: skip
    return {"version": "4", "groupKey": "g", "receiver": "driftline", "alerts": [alert]}


def failing(application):
    """The lines of the test check on the page, as a scrape would see them now."""
    exporter = application.state.services.exporter
    exporter.refresh()
    page = exporter.page(openmetrics=False).decode()
    return [text for text in page.splitlines() if 'check="_drill"' in text]


def series(severity):
    return f'driftline_check_failing{{model="churn",version="42",segment="",check="_drill",severity="{severity}"}} 1'


def test_a_route_drill_raises_a_series_of_its_own_until_it_ends_by_itself(application, churn, clock):
    begun = begin(churn)
    assert (begun["state"], begun["check"], begun["severity"]) == ("raised", "_drill", "warning")
    assert begun["ends_at"] == rfc3339(clock.now_us + QUARTER_US)
    assert failing(application) == [series("warning")]
    clock.now_us += QUARTER_US - 1
    assert failing(application) == [series("warning")]
    assert churn.get(DRILL).json()["state"] == "raised"
    clock.now_us += 1
    assert failing(application) == []
    lost = churn.get(DRILL).json()
    assert (lost["state"], lost["seen_at"]) == ("lost", None)
    assert "did not come back" in lost["says"]


def test_a_critical_drill_has_both_series_as_a_critical_check_has(application, churn):
    begin(churn, severity="critical", timeout="1m")
    assert failing(application) == [series("warning"), series("critical")]


def test_a_silence_of_the_model_holds_the_drill_back_as_any_other_check(application, churn, clock):
    begin(churn)
    made = churn.post(M + "/silences", json={"reason": "the warehouse moves", "end": "5m", "checks": ["drift"]})
    assert made.status_code == 201, made.text
    silenced = 'driftline_check_silenced{model="churn",version="42",segment="",check="_drill"} '
    assert failing(application) == [series("warning"), silenced + "0"]
    churn.post(M + "/silences", json={"reason": "all of it", "end": "5m"})
    assert failing(application) == [series("warning"), silenced + "1"]
    clock.now_us += 5 * MINUTE_US
    assert failing(application) == [series("warning"), silenced + "0"]


def test_it_has_come_back_when_alertmanager_calls_of_it_and_ends_some_minutes_later(application, churn, clock):
    begun_us = clock.now_us
    begin(churn)
    clock.now_us += 42 * SECOND_US
    assert churn.post(HOOK, json=webhook(clock, check="drift")).status_code == 200
    assert churn.get(DRILL).json()["state"] == "raised"
    assert churn.post(HOOK, json=webhook(clock)).json()["stored"] == 1
    back = churn.get(DRILL).json()
    assert (back["state"], back["seconds"], back["receiver"]) == ("back", 42.0, "driftline")
    assert back["seen_at"] == rfc3339(begun_us + 42 * SECOND_US)
    assert "after 42 s" in back["says"]
    assert failing(application) == [series("warning")]  # whoever waits for a group's interval hears of it too
    clock.now_us += LINGERS_US
    assert failing(application) == []
    assert churn.post(HOOK, json=webhook(clock, status="resolved", started_us=begun_us)).status_code == 200
    assert churn.get(DRILL).json()["resolved_at"] == rfc3339(clock.now_us)
    assert churn.get("/api/v1/alerts").json()["results"] == []  # no trace among the alerts


def test_the_alert_of_an_earlier_drill_is_not_taken_for_this_one(churn, clock):
    begun_us = clock.now_us
    begin(churn, timeout="1m")
    clock.now_us += MINUTE_US + SETTLED_US
    begin(churn)
    churn.post(HOOK, json=webhook(clock, started_us=begun_us + SECOND_US))
    assert churn.get(DRILL).json()["state"] == "raised"
    churn.post(HOOK, json=webhook(clock))
    assert churn.get(DRILL).json()["state"] == "back"


def test_one_runs_at_a_time_for_a_model_and_the_next_when_its_alert_cannot_fire_any_more(churn, clock):
    churn.put(M + "/versions/43", json={})
    begin(churn, timeout="1m")
    second = churn.post(M + "/versions/43/drill", json={"kind": "route"})
    assert (second.status_code, second.headers["retry-after"]) == (409, "60")
    assert "runs until" in second.json()["detail"]
    clock.now_us += MINUTE_US
    second = churn.post(DRILL, json={"kind": "route"})
    assert (second.status_code, second.headers["retry-after"]) == (409, "300")
    assert "may still fire" in second.json()["detail"]
    churn.post(HOOK, json=webhook(clock, status="resolved"))
    assert churn.post(DRILL, json={"kind": "route"}).status_code == 202


def test_of_many_begun_at_once_on_two_replicas_one_runs(settings, clock, churn):
    other = create_app(settings, jobs=False, now_us=clock)
    with running(other) as url, httpx.Client(base_url=url, timeout=60) as replica, ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(c.post, DRILL, json={"kind": "route"}) for c in (churn, replica) * 4]
        assert sorted(one.result().status_code for one in asked) == [202] + [409] * 7
        assert replica.get(DRILL).json() == churn.get(DRILL).json()
        assert failing(other) == [series("warning")]


def test_a_drill_goes_on_over_a_restart(settings, clock, churn):
    begun = begin(churn)
    again = create_app(settings, jobs=False, now_us=clock)
    with running(again) as url, httpx.Client(base_url=url, timeout=60) as client:
        assert client.get(DRILL).json() == begun
        assert failing(again) == [series("warning")]
        client.post(HOOK, json=webhook(clock))
        assert client.get(DRILL).json()["state"] == "back"


def test_a_version_without_a_drill_a_retired_one_and_a_deleted_one_are_said_in_words(churn):
    assert churn.get(DRILL).status_code == 404
    begin(churn, timeout="10s")
    churn.put(V, json={"state": "retired"})
    refused = churn.post(DRILL, json={"kind": "route"})
    assert (refused.status_code, "retired" in refused.json()["detail"]) == (409, True)
    assert churn.delete(V).status_code == 204
    churn.put(V, json={})
    assert churn.get(DRILL).status_code == 404


def test_drills_go_with_their_model_and_after_their_time(application, churn, clock):
    store = application.state.services.store
    begin(churn, timeout="10s")
    with store.write() as conn:
        drills.purge_drills(conn, before_us=clock.now_us)
    assert churn.get(DRILL).status_code == 200
    assert churn.delete(M).status_code == 204
    removed = 1
    while removed:
        with store.write() as conn:
            removed = purge_deleted(conn)
    with store.read() as conn:
        assert conn.execute(sa.select(tables.drill)).all() == []
        assert conn.execute(sa.select(tables.model)).all() == []


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ({}, "expected route or data"),
        ({"kind": "rout"}, "did you mean 'route'"),
        ({"kind": "route", "column": "age"}, "not of a route drill"),
        ({"kind": "route", "severity": "page"}, "expected warning or critical"),
        ({"kind": "route", "timeout": "7h"}, "from 10s to 6h"),
        ({"kind": "route", "timeout": 5}, "from 10s to 6h"),
        ({"kind": "data", "change": {"scale": 2}}, "expected the name of a monitored column"),
        ({"kind": "data", "column": "age"}, "expected an object with one of"),
        ({"kind": "data", "column": "age", "change": {"scale": 2}, "windows": 0}, "from 1 to 100"),
        ({"kind": "data", "column": "age", "change": {"scale": 2}, "severity": "critical"}, "not of a data drill"),
    ],
)
def test_what_is_no_drill_is_refused_in_words(embedded, body, part):
    answer = embedded.post(DRILL, json=body)
    assert (answer.status_code, part in answer.json()["detail"]) == (422, True), answer.text


def test_a_data_drill_says_what_found_the_change_and_leaves_the_page_as_it_was(application, churn, clock, tick):
    churn.put(M, json={"false_alarms": "1 per day"})
    starts = judged_hours(churn, clock, tick, shifts=[0.0, 0.0])
    exporter = application.state.services.exporter
    exporter.refresh()
    before = [line for line in exporter.page(openmetrics=False).decode().splitlines() if 'model="churn"' in line]
    answer = churn.post(DRILL, json={"kind": "data", "column": "age", "change": {"scale": 100}})
    found = answer.json()
    assert (answer.status_code, found["found"], found["after_windows"]) == (200, True, 1)
    assert (found["change"], found["already_in_alarm"], found["says"]) == (
        {"scale": 100.0}, [], "found after 1 window by drift",
    )  # fmt: skip
    (window,) = found["windows"]
    assert (window["window_start"], window["rows"]) == (rfc3339(starts[1]), 120)
    assert [row["status"] for row in window["changed"] if row["check"] == "drift"] == ["alert"]
    assert {row["status"] for row in window["unchanged"]} == {"ok"}
    missed = churn.post(DRILL, json={"kind": "data", "column": "age", "change": {"scale": 1}}).json()
    assert (missed["found"], missed["after_windows"], missed["by"]) == (False, None, [])
    assert missed["says"] == "not found in 2 windows"
    exporter.refresh()
    after = [line for line in exporter.page(openmetrics=False).decode().splitlines() if 'model="churn"' in line]
    assert [text for text in after if "requests_total" not in text] == [
        text for text in before if "requests_total" not in text
    ]


def test_a_data_drill_without_a_window_is_409_and_waits_its_turn(application, churn):
    body = {"kind": "data", "column": "age", "change": {"scale": 2}}
    assert "no judged window" in churn.post(DRILL, json=body).json()["detail"]
    with application.state.services.simulator.claimed():
        assert churn.post(DRILL, json=body).status_code == 503
