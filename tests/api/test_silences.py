"""Silences and snoozes: verdicts go on, the alert is held back, and comes back by itself; both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from monitor.app import create_app
from monitor.model.time import DAY_US, HOUR_US, MINUTE_US, rfc3339
from tests.api.conftest import VERSION
from tests.api.running import client_of

AL = "/api/v1/alerts/al_1"
SILENCES = "/api/v1/models/churn/silences"
CHECK = 'driftline_check_{}{{model="churn",version="42",segment="",check="drift"'


def ok(answer, status=200):
    assert answer.status_code == status, answer.text
    return answer.json()


def silence(client, **body):
    return ok(client.post(SILENCES, json={"reason": "the warehouse moves", "end": "2h"} | body), 201)


def held(client):
    """Why nobody is told of al_1, as the alert and the status say."""
    of_alert = client.get(AL).json()["held_back"]
    checks = {check["name"]: check for check in client.get(VERSION + "/status").json()["checks"]}
    assert checks["drift"]["held_back"] == of_alert
    assert checks["drift"]["status"] == "alert"  # whatever is told, the verdict stays what it is
    return of_alert


@pytest.fixture
def exported(alarmed, application):
    """The samples of ``driftline_check_failing``, ``…_silenced`` and ``driftline_model_silenced`` now."""

    def read():
        application.state.services.exporter.refresh()
        lines = alarmed.get("/metrics").text.splitlines()
        prefixes = (CHECK.format("failing"), CHECK.format("silenced"), "driftline_model_silenced{")
        values = [[line.rpartition(" ")[2] for line in lines if line.startswith(p)] for p in prefixes]
        return tuple(found[0] if found else None for found in values)

    return read


def test_a_silence_holds_back_what_is_told_and_not_the_verdict_and_ends_by_itself(alarmed, exported, clock):
    assert (held(alarmed), exported()) == (None, ("1", None, None))
    made = silence(alarmed, checks=["dr*"])
    assert held(alarmed) == {
        "by": "silence", "id": "sil_1", "reason": "the warehouse moves", "until": rfc3339(clock.now_us + 2 * HOUR_US),
    }  # fmt: skip
    assert exported() == ("1", "1", "0")  # the check still fails, and nobody is to be told
    assert alarmed.get(SILENCES).json() == {"results": [made], "next": None}
    clock.now_us += 2 * HOUR_US
    assert (held(alarmed), exported()) == (None, ("1", "0", "0"))
    clock.now_us += DAY_US
    assert exported() == ("1", None, None)  # an end of a day ago needs no series any more


def test_a_snooze_does_not_hide_that_a_check_cannot_be_decided_and_a_silence_of_the_check_does(alarmed, application):
    def unknown_too():
        application.state.services.exporter.refresh()
        prefix = CHECK.format("unknown_silenced")
        return [line[-1] for line in alarmed.get("/metrics").text.splitlines() if line.startswith(prefix)]

    ok(alarmed.post(AL + "/snooze", json={"until": "1h"}))
    assert (held(alarmed)["by"], unknown_too()) == ("snooze", ["0"])
    silence(alarmed, checks=["drift"])
    assert unknown_too() == ["1"]


def test_during_a_silence_windows_are_judged_and_alerts_kept(alarmed, more_hours, clock):
    silence(alarmed, end="1d")
    for drifted in (False, True):
        more_hours(drifted=drifted)
    shown = alarmed.get("/api/v1/alerts").json()["results"]
    assert [(alert["status"], alert["held_back"] is None) for alert in shown] == [
        ("alert", False), ("ok", True), ("alert", True),
    ]  # fmt: skip


def test_a_silence_is_shown_with_its_state_and_ended_before_its_time(alarmed, exported, clock):
    begins_us = clock.now_us + HOUR_US
    made = silence(alarmed, start="1h", columns=["age"], segments=[""], versions=["4*"])
    assert made == {
        "id": "sil_1", "state": "pending", "reason": "the warehouse moves", "start": rfc3339(begins_us),
        "end": rfc3339(begins_us + 2 * HOUR_US), "versions": ["4*"], "checks": [], "columns": ["age"],
        "segments": [""], "created": rfc3339(clock.now_us), "by": None, "ended": None, "ended_by": None,
    }  # fmt: skip
    assert held(alarmed) is None
    clock.now_us = begins_us
    assert held(alarmed)["id"] == "sil_1"
    assert alarmed.get(SILENCES).json()["results"][0]["state"] == "active"
    clock.now_us += MINUTE_US
    assert [alarmed.delete(SILENCES + "/sil_1").status_code for _ in range(2)] == [204, 204]
    shown = alarmed.get(SILENCES).json()["results"][0]
    assert (shown["state"], shown["ended"]) == ("ended", rfc3339(clock.now_us))
    assert (held(alarmed), exported()[1:]) == (None, ("0", "0"))


def test_a_silence_of_everything_silences_the_version_and_one_of_a_check_does_not(alarmed, exported):
    silence(alarmed)
    assert exported() == ("1", "1", "1")
    alarmed.delete(SILENCES + "/sil_1")
    silence(alarmed, columns=["plan"])  # the column that drifts is another
    assert (held(alarmed), exported()) == (None, ("1", "0", "0"))


def test_of_two_who_end_one_silence_at_once_the_first_is_shown(alarmed, settings, clock):
    silence(alarmed)
    with client_of(create_app(settings, jobs=False, now_us=clock)) as other, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda client: client.delete(SILENCES + "/sil_1"), [alarmed, other] * 8))
    assert {answer.status_code for answer in answers} == {204}
    assert alarmed.get(SILENCES).json()["results"][0]["ended"] == rfc3339(clock.now_us)


def test_silences_come_in_pages_newest_first(alarmed):
    ids = [silence(alarmed)["id"] for _ in range(5)][::-1]
    seen, cursor = [], None
    while True:
        page = ok(alarmed.get(SILENCES, params={"limit": 2} | ({"cursor": cursor} if cursor else {})))
        seen += [one["id"] for one in page["results"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == ids


@pytest.mark.parametrize(
    ("body", "code"),
    [({"reason": ""}, "reason"), ({"end": None}, "end"), ({"end": "91d"}, "end"), ({"end": "2020-01-01"}, "end"),
     ({"start": 3}, "start"), ({"start": "9999999d"}, "start"), ({"start": "99999999w"}, "start"),
     ({"start": "2020-01-01T00:00:00Z", "end": "1h"}, "end"), ({"checks": "drift"}, "checks"),
     ({"checks": ["drfit"]}, "checks"), ({"versions": ["43"]}, "versions"), ({"columns": [""]}, "columns"),
     ({"check": ["drift"]}, "field")],
)  # fmt: skip
def test_a_silence_that_would_hold_back_nothing_is_422_and_names_the_field(alarmed, body, code):
    answer = alarmed.post(SILENCES, json={"reason": "x", "end": "2h"} | body)
    assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
    assert alarmed.get(SILENCES).json()["results"] == []


def test_a_silence_of_another_model_is_404(alarmed):
    silence(alarmed)
    ok(alarmed.put("/api/v1/models/fraud", json={}), 201)
    assert alarmed.delete("/api/v1/models/fraud/silences/sil_1").status_code == 404
    assert [alarmed.delete(f"{SILENCES}/{id}").status_code for id in ("sil_9", "x", "9" * 30)] == [404] * 3
    assert alarmed.get(SILENCES).json()["results"][0]["state"] == "active"


def test_a_snooze_holds_its_alert_back_until_its_end(alarmed, exported, clock):
    said = ok(alarmed.post(AL + "/snooze", json={"until": "4h", "reason": "known"}))
    until = rfc3339(clock.now_us + 4 * HOUR_US)
    assert said["snoozed"] == {"by": None, "at": rfc3339(clock.now_us), "reason": "known", "until": until}
    assert held(alarmed) == {"by": "snooze", "id": "al_1", "reason": "known", "until": until}
    assert exported() == ("1", "1", "0")
    clock.now_us += 4 * HOUR_US
    assert (held(alarmed), exported()) == (None, ("1", "0", "0"))
    assert alarmed.get(AL).json()["snoozed"] is None


def test_a_snooze_is_taken_back(alarmed, exported):
    ok(alarmed.post(AL + "/snooze", json={"until": "4h"}))
    assert [alarmed.delete(AL + "/snooze").status_code for _ in range(2)] == [204, 204]
    assert (held(alarmed), exported()[1]) == (None, "0")


def test_a_snooze_ends_with_its_alert_and_the_next_one_is_told(alarmed, more_hours, exported):
    ok(alarmed.post(AL + "/snooze", json={"until": "3d"}))
    more_hours(drifted=True)
    assert exported() == ("1", "1", "0")
    assert alarmed.get(AL).json()["snoozed"] is not None
    more_hours(drifted=False)
    assert exported()[:2] == ("0", "0")
    assert alarmed.get(AL).json()["snoozed"] is None
    more_hours(drifted=True)
    assert exported()[:2] == ("1", "0")
    newest = alarmed.get("/api/v1/alerts").json()["results"][0]
    assert (newest["state"], newest["held_back"]) == ("firing", None)


@pytest.mark.parametrize("body", [{}, {"until": None}, {"until": "31d"}, {"until": "2020-01-01"}, {"until": "soon"}])
def test_a_snooze_needs_an_end_ahead_and_near(alarmed, body):
    answer = alarmed.post(AL + "/snooze", json=body)
    assert (answer.status_code, answer.json()["code"] in ("until", "time", "duration")) == (422, True)
    assert held(alarmed) is None


def test_what_has_ended_is_not_snoozed(alarmed, more_hours):
    more_hours(drifted=False)
    answer = alarmed.post(AL + "/snooze", json={"until": "1h"})
    assert (answer.status_code, "nothing to snooze" in answer.json()["detail"]) == (409, True)
