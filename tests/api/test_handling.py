"""What people say of alerts: whose they are and what they were; by whom, one outcome of many at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from monitor.app import create_app
from monitor.model.time import HOUR_US, rfc3339
from tests.api.conftest import VERSION
from tests.api.running import client_of

AL = "/api/v1/alerts/al_1"


def shown(client, id="al_1"):
    return client.get(f"/api/v1/alerts/{id}").json()


def ok(answer):
    assert answer.status_code == 200, answer.text
    return answer.json()


def detail(answer, status):
    assert answer.status_code == status, answer.text
    return answer.json()["detail"]


def healthy(client):
    """The marks of the version's windows: what each is held to be, and by which alert."""
    rows = client.get(VERSION + "/windows").json()["results"]
    return [(row["mark"]["healthy"], row["mark"]["alert"]) if row["mark"] else None for row in rows]


@pytest.fixture
def people(alarmed, settings, clock):
    """Clients of two replicas with a token each: two who may write, one who may write of other models alone."""
    tokens = {}
    for name, role, models in [("root", "admin", None), ("ann", "write", None), ("bob", "write", None),
                               ("eve", "write", ["fraud*"])]:  # fmt: skip
        headers = {"Authorization": f"Bearer {tokens['root']}"} if tokens else {}
        body = {"name": name, "role": role, "models": models}
        tokens[name] = alarmed.post("/api/v1/tokens", json=body, headers=headers).json()["token"]
    with client_of(create_app(settings, jobs=False, now_us=clock)) as other:
        yield {
            name: lambda method, path, _of=(alarmed, other)[at % 2], _as=token, **more: _of.request(
                method, path, headers={"Authorization": f"Bearer {_as}"}, **more
            )
            for at, (name, token) in enumerate(tokens.items())
        }


def test_an_alert_is_acknowledged_shown_with_whose_it_is_and_given_back(alarmed, clock):
    assert (shown(alarmed)["acknowledged"], shown(alarmed)["verdict"]) == (None, None)
    said = ok(alarmed.post(AL + "/acknowledge", json={"reason": "looking", "until": "4h"}))
    expected = {
        "by": None, "at": rfc3339(clock.now_us), "reason": "looking", "until": rfc3339(clock.now_us + 4 * HOUR_US),
    }  # fmt: skip
    assert said == alarmed.get("/api/v1/alerts").json()["results"][0]
    assert said["acknowledged"] == shown(alarmed)["acknowledged"] == expected
    assert said["state"] == "firing"
    clock.now_us += 4 * HOUR_US  # half-open: it lapses then
    assert shown(alarmed)["acknowledged"] is None
    assert ok(alarmed.post(AL + "/acknowledge"))["acknowledged"]["until"] is None  # no body, no end
    assert [alarmed.delete(AL + "/acknowledge").status_code for _ in range(2)] == [204, 204]
    assert shown(alarmed)["acknowledged"] is None


def test_of_many_who_acknowledge_at_once_on_two_replicas_one_has_it_and_the_others_are_told(people):
    with ThreadPoolExecutor(8) as pool:
        names = ["ann", "bob"] * 8
        answers = list(pool.map(lambda name: (name, people[name]("POST", AL + "/acknowledge", json={})), names))
    holder = people["root"]("GET", AL).json()["acknowledged"]["by"]
    assert {(name, answer.status_code) for name, answer in answers} == {
        (holder, 200), ("ann" if holder == "bob" else "bob", 409),
    }  # fmt: skip
    loser = "ann" if holder == "bob" else "bob"
    assert f"al_1 is {holder}'s since" in detail(people[loser]("POST", AL + "/acknowledge", json={}), 409)
    assert people[loser]("DELETE", AL + "/acknowledge").status_code == 204
    assert ok(people[loser]("POST", AL + "/acknowledge", json={}))["acknowledged"]["by"] == loser


def test_a_token_for_other_models_finds_no_alert_to_speak_of(people):
    for word, body in (("acknowledge", {}), ("verdict", {"was": "real"})):
        assert "alert 1 does not exist" in detail(people["eve"]("POST", f"{AL}/{word}", json=body), 404)
        assert people["eve"]("DELETE", f"{AL}/{word}").status_code == 404
    assert people["ann"]("GET", AL).json()["acknowledged"] is None


def test_what_has_ended_is_not_acknowledged_and_its_end_is_not_judged(alarmed, more_hours):
    more_hours(drifted=False)
    assert [alert["status"] for alert in alarmed.get("/api/v1/alerts").json()["results"]] == ["ok", "alert"]
    assert "al_1 is resolved: nothing to acknowledge" in detail(alarmed.post(AL + "/acknowledge"), 409)
    ended = alarmed.post("/api/v1/alerts/al_2/verdict", json={"was": "real"})
    assert "judge al_1" in detail(ended, 409)
    assert ok(alarmed.post(AL + "/verdict", json={"was": "real"}))["verdict"]["was"] == "real"


@pytest.mark.parametrize(("was", "means"), [("false_alarm", True), ("expected", True), ("real", False),
                                           ("incident", False)])  # fmt: skip
def test_a_verdict_is_shown_and_says_of_the_alerts_windows_whether_they_were_healthy(
    alarmed, more_hours, clock, was, means
):
    more_hours(drifted=True)
    more_hours(drifted=False)
    said = ok(alarmed.post(AL + "/verdict", json={"was": was, "reason": "the sale"}))
    assert said["verdict"] == {"was": was, "by": None, "at": rfc3339(clock.now_us), "reason": "the sale"}
    assert healthy(alarmed)[:5] == [None, None, (means, "al_1"), (means, "al_1"), None]
    assert alarmed.delete(AL + "/verdict").status_code == 204
    assert healthy(alarmed)[:5] == [None] * 5
    assert shown(alarmed)["verdict"] is None


def test_a_verdict_on_an_alert_that_fires_speaks_of_the_windows_until_now(alarmed, more_hours):
    ok(alarmed.post(AL + "/verdict", json={"was": "expected"}))
    more_hours(drifted=True)
    assert healthy(alarmed)[:4] == [None, None, (True, "al_1"), None]
    ok(alarmed.post(AL + "/verdict", json={"was": "expected"}))
    assert healthy(alarmed)[:4] == [None, None, (True, "al_1"), (True, "al_1")]


def test_a_mark_on_the_window_itself_stands_against_the_verdict_and_says_how_to_withdraw_it(alarmed):
    ok(alarmed.post(AL + "/verdict", json={"was": "false_alarm"}))
    path = f"{VERSION}/windows/{rfc3339(alarmed.starts[2])}/mark"
    assert "DELETE /api/v1/alerts/al_1/verdict" in detail(alarmed.delete(path), 409)
    ok(alarmed.put(path, json={"healthy": False, "reason": "no, it was one"}))
    assert healthy(alarmed)[2] == (False, None)
    assert alarmed.delete(path).status_code == 204
    assert healthy(alarmed)[2] == (True, "al_1")


def test_the_status_counts_what_people_said_and_how_many_alarms_were_true(alarmed, more_hours):
    for drifted in (False, True, False, True, False, True):
        more_hours(drifted=drifted)
    ids = [a["id"] for a in alarmed.get("/api/v1/alerts").json()["results"] if a["status"] == "alert"]
    for id, was in zip(ids, ("real", "incident", "false_alarm", "expected"), strict=True):
        ok(alarmed.post(f"/api/v1/alerts/{id}/verdict", json={"was": was}))
    counted = {"real": 1, "incident": 1, "false_alarm": 1, "expected": 1}
    alarms = alarmed.get(VERSION + "/status").json()["alarms"]
    assert alarms == {"judged": counted, "precision": pytest.approx(2 / 3)}
    alarmed.delete(f"/api/v1/alerts/{ids[2]}/verdict")
    assert alarmed.get(VERSION + "/status").json()["alarms"]["precision"] == 1.0


@pytest.mark.parametrize(
    ("word", "body", "code"),
    [("acknowledge", {"until": "31d"}, "until"), ("acknowledge", {"until": "2026-03-02T12:00:00Z"}, "until"),
     ("acknowledge", {"until": 4}, "until"), ("acknowledge", {"reason": 4}, "reason"),
     ("acknowledge", {"why": "x"}, "field"), ("verdict", {}, "was"), ("verdict", {"was": "fals_alarm"}, "was"),
     ("verdict", {"was": ["real"]}, "was")],
)  # fmt: skip
def test_what_cannot_be_meant_is_422_and_names_the_field(alarmed, word, body, code):
    answer = alarmed.post(f"{AL}/{word}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert (shown(alarmed)["acknowledged"], shown(alarmed)["verdict"]) == (None, None)
