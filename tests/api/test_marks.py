"""Marks on windows: said, shown, withdrawn, and what thresholds are learned from then."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from monitor.app import create_app
from monitor.evaluate.context import Contexts
from monitor.model.time import MINUTE_US, rfc3339
from monitor.store import models, results, tables
from tests.api.conftest import HOURS, VERSION
from tests.api.running import client_of


def mark_path(client, position):
    return f"{VERSION}/windows/{rfc3339(client.starts[position])}/mark"


def mark(client, position, healthy, *, reason="because"):
    answer = client.put(mark_path(client, position), json={"healthy": healthy, "reason": reason})
    assert answer.status_code == 200, answer.text
    return answer.json()


def shown(client):
    return [window["mark"] for window in client.get(VERSION + "/windows").json()["results"]][:3]


@pytest.fixture
def healthy(alarmed, application):
    """The positions of the windows that are held healthy."""

    def held():
        with application.state.services.store.read() as conn:
            _, version = models.get_version(conn, model="churn", version="42")
            found = results.healthy_windows(conn, version_id=version.id, min_rows=50)
        return sorted(alarmed.starts.index(start) for start, _ in found)

    return held


@pytest.fixture
def waits(application, tick):
    """Ends the wait of what is queued and does it; how many calibrations were queued."""

    def over():
        with application.state.services.store.write() as conn:
            run = tables.job_run.c
            queued = (run.job == "relearn", run.state == "queued")
            waiting = conn.execute(sa.select(sa.func.count()).where(*queued)).scalar_one()
            conn.execute(sa.update(tables.job_run).where(*queued).values(lease_us=0))
        tick()
        return waiting

    return over


@pytest.fixture
def calibration(application):
    def read():
        with application.state.services.store.read() as conn:
            _, version = models.get_version(conn, model="churn", version="42")
            return Contexts().load(conn, version_id=version.id).calibration

    return read


def test_a_mark_is_shown_with_its_window_and_withdrawn(judged, clock):
    said = mark(judged, 2, True, reason="  a sale, as every March ")
    expected = {
        "healthy": True, "reason": "a sale, as every March", "by": None, "at": rfc3339(clock.now_us), "alert": None,
    }  # fmt: skip
    assert said == {"start": rfc3339(judged.starts[2]), "mark": expected}
    assert shown(judged) == [None, None, expected]
    mark(judged, 2, False, reason="no: a broken join")
    assert (shown(judged)[2]["healthy"], shown(judged)[2]["reason"]) == (False, "no: a broken join")
    assert [judged.delete(mark_path(judged, 2)).status_code for _ in range(2)] == [204, 204]
    assert shown(judged) == [None, None, None]


def test_what_is_marked_decides_what_is_healthy_whatever_the_verdict_was(alarmed, healthy):
    assert healthy() == [0, 1]
    mark(alarmed, 2, True)
    assert healthy() == [0, 1, 2]
    mark(alarmed, 0, False)
    assert healthy() == [1, 2]
    alarmed.delete(mark_path(alarmed, 2))
    alarmed.delete(mark_path(alarmed, 0))
    assert healthy() == [0, 1]


def test_a_minute_later_thresholds_are_learned_from_what_was_said_once_for_many_marks(alarmed, waits, calibration):
    mark(alarmed, 0, False)
    mark(alarmed, 1, False)
    mark(alarmed, 2, True)
    assert waits() == 1
    made = calibration()
    assert (made.own, made.windows, made.until_us) == (HOURS, HOURS + 1, alarmed.starts[2])
    mark(alarmed, 0, True)
    assert waits() == 1
    assert calibration().windows == HOURS + 2


def test_with_every_window_marked_ill_the_references_own_teach_alone(judged, waits, calibration):
    for position in range(3):
        mark(judged, position, False)
    waits()
    assert calibration().windows == calibration().own == HOURS


def test_two_replicas_that_mark_one_window_at_once_leave_one_of_their_marks(judged, settings, clock):
    with client_of(create_app(settings, jobs=False, now_us=clock)) as other:
        other.starts = judged.starts
        with ThreadPoolExecutor(8) as pool:
            asked = [(client, said) for client in (judged, other) for said in (True, False)] * 4
            answers = list(pool.map(lambda one: mark(one[0], 1, one[1], reason=str(one[1])), asked))
        assert len(answers) == 16
        assert shown(judged) == shown(other)
        assert shown(judged)[1]["reason"] == str(shown(judged)[1]["healthy"])


@pytest.mark.parametrize(
    ("body", "code"),
    [({"reason": "x"}, "healthy"), ({"healthy": None, "reason": "x"}, "healthy"), ({"healthy": 1, "reason": "x"},
     "healthy"), ({"healthy": True}, "reason"), ({"healthy": True, "reason": "  "}, "reason"),
     ({"healthy": True, "reason": "x" * 1_001}, "reason"), ({"healthy": True, "raeson": "x"}, "field")],
)  # fmt: skip
def test_a_mark_that_says_nothing_is_422_and_names_what_is_missing(judged, body, code):
    answer = judged.put(mark_path(judged, 0), json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert shown(judged) == [None, None, None]


def test_a_time_at_which_no_window_starts_is_404_and_names_the_window_that_holds_it(judged):
    inside = rfc3339(judged.starts[1] + MINUTE_US)
    answer = judged.put(f"{VERSION}/windows/{inside}/mark", json={"healthy": True, "reason": "x"})
    assert answer.status_code == 404
    assert f"starts at {rfc3339(judged.starts[1])}" in answer.json()["detail"]
    assert judged.delete(f"{VERSION}/windows/2020-01-01T00:00:00Z/mark").status_code == 404
    assert judged.delete(f"{VERSION}/windows/yesterday/mark").status_code == 422
