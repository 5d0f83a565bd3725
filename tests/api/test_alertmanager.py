"""Alertmanager's webhook: stored once, held to the transition it tells of, shown with the alert."""

from __future__ import annotations

import json
import socket
from dataclasses import replace

import pytest
import sqlalchemy as sa

from monitor.api.webhook_body import MAX_ALERTS, read_webhook
from monitor.app import create_app
from monitor.jobs.settings import JobSettings
from monitor.jobs.upkeep import Upkeep
from monitor.model.results import Transition
from monitor.model.time import DAY_US, HOUR_US, MINUTE_US, SECOND_US, rfc3339
from monitor.store import models, notifications, tables, transitions
from monitor.store.notifications import KEPT_OF_ONE_ALERT, purge_notifications
from tests.api.conftest import NOW
from tests.api.running import running

WEBHOOK = "/api/v1/alertmanager"
LABELS = {
    "alertname": "DriftlineCheckFailing", "model": "churn", "version": "42", "check": "drift", "severity": "warning",
}  # fmt: skip


def alert(*, starts_us=NOW, ends_us=None, fingerprint="d4e2a1b0c9f83e77", **labels):
    resolved = ends_us is not None
    return {
        "status": "resolved" if resolved else "firing", "labels": LABELS | labels, "annotations": {"summary": "drift"},
        "startsAt": rfc3339(starts_us), "endsAt": rfc3339(ends_us) if resolved else "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus/graph", "fingerprint": fingerprint,
    }  # fmt: skip


def webhook(*alerts, **fields):
    return {
        "receiver": "ml-ops", "status": "firing", "alerts": list(alerts), "groupLabels": {"model": "churn"},
        "commonLabels": LABELS, "commonAnnotations": {}, "externalURL": "http://alertmanager:9093", "version": "4",
        "groupKey": '{}:{model="churn"}', "truncatedAlerts": 0, "notification_reason": "first notification",
    } | fields  # fmt: skip


def post(client, *alerts, **fields):
    answer = client.post(WEBHOOK, json=webhook(*alerts, **fields))
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
def fired(churn, application):
    """The client, with a check that failed five minutes ago (al_1) and was ok again a minute ago (al_2)."""
    store = application.state.services.store
    with store.write() as conn:
        model, version = models.get_version(conn, model="churn", version="42")
        for at_us, before, after in ((NOW - 5 * MINUTE_US, "ok", "warning"), (NOW - MINUTE_US, "warning", "ok")):
            change = Transition(
                check="drift", kind="drift", segment="", severity="warning", from_status=before, status=after,
                at_us=at_us, window_start_us=0, window_end_us=1, value=0.3, threshold=0.2, rows=9, columns=(),
                explanation="",
            )  # fmt: skip
            transitions.add_transitions(conn, model_id=model.id, version_id=version.id, transitions=[change])
    return churn


def notified(client, id):
    return client.get(f"/api/v1/alerts/{id}").json()["notified"]


def test_what_was_notified_and_resolved_is_shown_with_the_alert(fired, clock):
    firing_us, ended_us = NOW - 5 * MINUTE_US + 20 * SECOND_US, NOW - 30 * SECOND_US
    clock.now_us = NOW - 4 * MINUTE_US
    first = post(fired, alert(starts_us=firing_us))
    clock.now_us = NOW
    second = post(fired, alert(starts_us=firing_us, ends_us=ended_us), status="resolved")
    assert first == second == {"stored": 1, "known": 0, "matched": 1, "truncated": 0}
    told = {
        "receiver": "ml-ops", "status": "firing", "at": rfc3339(NOW - 4 * MINUTE_US), "starts_at": rfc3339(firing_us),
        "ends_at": None,
    }  # fmt: skip
    resolved = told | {"status": "resolved", "at": rfc3339(NOW), "ends_at": rfc3339(ended_us)}
    assert (notified(fired, "al_1"), notified(fired, "al_2")) == ([told], [resolved])
    listed = {a["id"]: a["notified"] for a in fired.get("/api/v1/alerts").json()["results"]}
    assert listed == {"al_1": [told], "al_2": [resolved]}


def test_nobody_was_told_is_an_empty_list_and_nothing_ever_came_back_is_null(fired):
    assert (notified(fired, "al_1"), notified(fired, "al_2")) == (None, None)
    post(fired, alert(model="fraud"))
    assert (notified(fired, "al_1"), notified(fired, "al_2")) == ([], [])


def test_the_same_notification_again_changes_nothing(fired, clock):
    sent = alert(starts_us=NOW - 4 * MINUTE_US)
    assert post(fired, sent, sent) == {"stored": 1, "known": 1, "matched": 1, "truncated": 0}
    before = notified(fired, "al_1")
    clock.now_us += MINUTE_US
    again = sent | {
        "endsAt": rfc3339(NOW + MINUTE_US),
        "annotations": {},
    }  # what a firing alert says of its end is no end
    assert post(fired, again) == {"stored": 0, "known": 1, "matched": 0, "truncated": 0}
    assert notified(fired, "al_1") == before
    assert post(fired, sent, receiver="pager")["stored"] == 1
    assert [n["receiver"] for n in notified(fired, "al_1")] == ["ml-ops", "pager"]


@pytest.mark.parametrize(
    "labels",
    [{"version": "41"}, {"model": "fraud"}, {"check": "missing"}, {"segment": "EU"}, {"reason": "few_rows"},
     {"check": ""}],
)  # fmt: skip
def test_what_is_about_something_else_is_kept_and_held_to_no_alert(fired, labels):
    assert post(fired, alert(**labels)) == {"stored": 1, "known": 0, "matched": 0, "truncated": 0}
    assert notified(fired, "al_1") == []


def test_what_fired_before_the_verdict_is_not_about_it_but_clocks_may_be_apart(fired):
    begun_us = NOW - 5 * MINUTE_US
    assert post(fired, alert(starts_us=begun_us - 61 * SECOND_US))["matched"] == 0
    assert post(fired, alert(starts_us=begun_us - 59 * SECOND_US))["matched"] == 1


def test_alerts_that_alertmanager_left_out_are_counted(fired):
    assert post(fired, alert(), truncatedAlerts=7)["truncated"] == 7
    page = fired.get("/metrics").text
    for result, count in (("stored", 1), ("known", 0), ("truncated", 7)):
        assert f'driftline_notifications_total{{result="{result}"}} {count}.0' in page


def test_a_time_of_nine_digits_and_labels_of_any_text_are_taken(fired):
    odd = alert(model="ch\0urn", team="\u202e", severity="x" * 100_000) | {"startsAt": "2026-03-02T12:30:00.123456789Z"}
    assert post(fired, odd)["stored"] == 1
    surrogate = webhook(alert(fingerprint="f2", model="y"))
    body = fired.build_request("POST", WEBHOOK, json=surrogate).content.replace(b'"y"', b'"\\ud800"')
    answer = fired.post(WEBHOOK, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (200, 400), answer.text


WRONG = [
    (b"", 400), (b"{", 400), (b"[]", 422), (b"{}", 422), (b"5", 422),
    (webhook(version="3"), 422), (webhook(alert() | {"status": "pending"}), 422),
    (webhook(alert() | {"startsAt": "yesterday"}), 422), (webhook(alert() | {"fingerprint": None}), 422),
    (webhook(alert() | {"labels": {"model": 5}}), 422), (webhook(alerts={}), 422), (webhook(receiver=None), 422),
    (webhook(alert(ends_us=NOW) | {"endsAt": ""}), 422), (b"[" * 100_000, 422),
    (webhook(*[alert()] * (MAX_ALERTS + 1)), 422),
]  # fmt: skip


@pytest.mark.limit("monitor.api.webhook_body.MAX_TEXT", "monitor.api.webhook_body.MAX_GROUP_LABELS")
def test_long_texts_and_many_labels_of_a_group_are_cut():
    labels = {f"l{n:02}": "x" * 513 for n in range(33)}
    sent = webhook(alert(severity="y" * 512) | {"fingerprint": "z" * 513}, groupLabels=labels)
    (found,), _ = read_webhook(json.dumps(sent).encode())
    assert (found.severity, found.fingerprint) == ("y" * 512, "z" * 512)
    assert found.group_labels == {f"l{n:02}": "x" * 512 for n in range(32)}


def test_what_is_no_webhook_is_refused_in_words_and_nothing_is_stored(client, application):
    for body, status in WRONG:
        sent = {"content": body} if isinstance(body, bytes) else {"json": body}
        answer = client.post(WEBHOOK, headers={"Content-Type": "application/json"}, **sent)
        assert (answer.status_code, len(answer.content) < 2_000) == (status, True), (body[:80], answer.text[:500])
        assert "Alertmanager" in answer.text or "not a time" in answer.text or "alerts" in answer.text
    assert client.post(WEBHOOK, content=b"a=1", headers={"Content-Type": "text/plain"}).status_code == 415
    with application.state.services.store.read() as conn:
        assert not notifications.any_notification(conn)


def test_where_the_database_cannot_take_it_the_answer_is_503_and_the_next_try_is_stored(client, application):
    store = application.state.services.store
    with store.write() as conn:
        conn.exec_driver_sql("ALTER TABLE notification RENAME TO hidden")
    answer = client.post(WEBHOOK, json=webhook(alert()))
    assert (answer.status_code, int(answer.headers["retry-after"]) > 0) == (503, True)
    with store.write() as conn:
        conn.exec_driver_sql("ALTER TABLE hidden RENAME TO notification")
    assert post(client, alert())["stored"] == 1


def test_a_body_that_comes_too_slowly_is_503_for_a_408_would_never_be_tried_again(settings):
    with running(create_app(replace(settings, max_body_seconds=0.5), jobs=False)) as url:
        port = int(url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=20) as slow:
            slow.sendall(f"POST {WEBHOOK} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900\r\n\r\n{{    ".encode())
            said = slow.makefile("rb").read()
    assert said.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: " in said.lower()
    assert b"5 bytes of the body arrived in time" in said


def test_of_one_alert_the_newest_hundred_notifications_stay_and_of_all_those_of_400_days(client, application, clock):
    for n in range(KEPT_OF_ONE_ALERT + 5):
        post(client, alert(starts_us=NOW + n))
    clock.now_us += SECOND_US
    post(client, alert(fingerprint="other"))
    store = application.state.services.store
    with store.read() as conn:
        starts = (
            conn.execute(sa.select(tables.notification.c.starts_us).order_by(tables.notification.c.id)).scalars().all()
        )
    assert starts == [*range(NOW + 5, NOW + KEPT_OF_ONE_ALERT + 5), NOW]
    with store.write() as conn:
        purge_notifications(conn, before_us=clock.now_us)
        left = conn.execute(sa.select(tables.notification.c.fingerprint)).scalars().all()
    assert left == ["other"]


def test_upkeep_removes_what_came_over_400_days_ago(client, application, clock):
    post(client, alert())
    store = application.state.services.store
    upkeep = Upkeep(store, telemetry=application.state.services.telemetry, settings=JobSettings())
    for later_us, left in ((400 * DAY_US, 1), (HOUR_US, 0)):
        upkeep.tidy(now_us=clock.now_us + later_us)
        clock.now_us += later_us
        with store.read() as conn:
            assert len(conn.execute(sa.select(tables.notification.c.id)).all()) == left
