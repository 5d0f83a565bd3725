"""A real Alertmanager with the shipped configuration groups, holds back and delivers."""

from __future__ import annotations

import time

import httpx
import pytest

from tests.e2e.alerting import TOKENS, Webhook, alertmanager

WITHIN_SECONDS = 30.0  # Driftline's own route waits 5 s for the rest of a group
SETTLED_SECONDS = 4.0  # after the last expected message: time in which one too many would come

DRIFT = {"alertname": "DriftlineCheckFailing", "check": "drift", "severity": "warning"}
STALE = {"alertname": "DriftlineModelStale", "severity": "warning"}
CHURN, FRAUD = {"model": "churn", "version": "1"}, {"model": "fraud", "version": "1"}


@pytest.fixture
def webhook():
    made = Webhook()
    yield made
    made.close()


@pytest.fixture
def manager(tmp_path, webhook):
    with alertmanager(tmp_path, webhook=webhook.url) as address:
        yield f"http://{address}/api/v2"


def tell(manager: str, *alerts: dict[str, str]) -> None:
    answer = httpx.post(f"{manager}/alerts", json=[{"labels": labels} for labels in alerts])
    assert answer.status_code == 200, answer.text


def delivered(webhook: Webhook, *, messages: int) -> dict[tuple[str, str], list[tuple[str, str]]]:
    """What came, by the model and version of the group: the name and severity of each alert."""
    until = time.monotonic() + WITHIN_SECONDS
    while len(webhook.messages) < messages and time.monotonic() < until:
        time.sleep(0.2)
    time.sleep(SETTLED_SECONDS)
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for message in webhook.messages:
        group = (message["groupLabels"].get("model", ""), message["groupLabels"].get("version", ""))
        assert group not in found, "a group came twice"
        found[group] = sorted((a["labels"]["alertname"], a["labels"]["severity"]) for a in message["alerts"])
    return found


def held_back(manager: str) -> set[tuple[str, str, str]]:
    """(model, alert, severity) of what Alertmanager knows and delivers to nobody."""
    alerts = httpx.get(f"{manager}/alerts", params={"inhibited": "true"}).json()
    return {
        (one["labels"].get("model", ""), one["labels"]["alertname"], one["labels"]["severity"])
        for one in alerts
        if one["status"]["inhibitedBy"]
    }


@pytest.mark.slow
@pytest.mark.alone
def test_a_message_a_version_and_nothing_that_says_nothing_new(manager, webhook):
    quality = DRIFT | {"check": "missing"}
    tell(
        manager,
        # a model that sends nothing: its drift is of old windows
        STALE | CHURN, DRIFT | CHURN, quality | CHURN,
        # a model with drift and, at both severities, missing values
        DRIFT | FRAUD, quality | FRAUD, quality | FRAUD | {"severity": "critical"},
        # another version of it is a message of its own
        DRIFT | FRAUD | {"version": "2"},
        # the service's own come together, and the watchdog goes elsewhere
        {"alertname": "DriftlineDiskLow", "severity": "warning", "instance": "a"},
        {"alertname": "DriftlineDiskLow", "severity": "critical", "instance": "a"},
        {"alertname": "DriftlineDiskLow", "severity": "warning", "instance": "b"},
        {"alertname": "DriftlineWatchdog", "severity": "none"},
    )  # fmt: skip
    assert delivered(webhook, messages=4) == {
        ("churn", "1"): [("DriftlineModelStale", "warning")],
        ("fraud", "1"): [("DriftlineCheckFailing", "critical"), ("DriftlineCheckFailing", "warning")],
        ("fraud", "2"): [("DriftlineCheckFailing", "warning")],
        ("", ""): [("DriftlineDiskLow", "critical"), ("DriftlineDiskLow", "warning")],
    }
    (fraud,) = (m for m in webhook.messages if m["groupLabels"] == FRAUD)
    assert {(a["labels"]["check"], a["labels"]["severity"]) for a in fraud["alerts"]} == {
        ("drift", "warning"), ("missing", "critical"),
    }  # fmt: skip
    assert held_back(manager) == {
        ("churn", "DriftlineCheckFailing", "warning"), ("fraud", "DriftlineCheckFailing", "warning"),
        ("", "DriftlineDiskLow", "warning"),
    }  # fmt: skip
    assert webhook.authorizations == {f"Bearer {TOKENS['alertmanager']}"}


@pytest.mark.slow
@pytest.mark.alone
def test_while_nothing_is_scraped_only_that_is_told(manager, webhook):
    late = {"alertname": "DriftlineStepLate", "severity": "critical", "step": "fold"}
    tell(manager, {"alertname": "DriftlineAbsent", "severity": "critical"}, late, STALE | CHURN, DRIFT | FRAUD)
    assert delivered(webhook, messages=1) == {("", ""): [("DriftlineAbsent", "critical")]}


@pytest.mark.slow
@pytest.mark.alone
def test_while_records_are_not_profiled_no_model_is_called_silent(manager, webhook):
    late = {"alertname": "DriftlineStepLate", "severity": "critical", "step": "fold"}
    tell(manager, late, STALE | CHURN, STALE | FRAUD, DRIFT | FRAUD)
    assert delivered(webhook, messages=1) == {("", ""): [("DriftlineStepLate", "critical")]}
