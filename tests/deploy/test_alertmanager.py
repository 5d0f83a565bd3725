"""The shipped Alertmanager configuration: who hears of what, and what the examples send."""

from __future__ import annotations

import json
import re

import pytest
import yaml

from tests.deploy.monitoring import ALERTMANAGER, DEPLOY, run
from tests.export.test_rules import alerts

EXAMPLES = sorted((DEPLOY / "alertmanager/examples").glob("*.yml"))

# What Debian's Alertmanager 0.25 does not know yet, as later ones read it: the fields of `MSTeamsV2Config` (from 0.28)
# and `WebhookConfig` (url_file from 0.26) beside `NotifierConfig`, in prometheus/alertmanager, config/notifiers.go. Of
# each, one of the first two says where to send.
NEWER = {
    "msteamsv2_configs": {
        "webhook_url": str, "webhook_url_file": str, "send_resolved": bool, "http_config": dict, "title": str,
        "text": str,
    },
    "webhook_configs": {
        "url": str, "url_file": str, "send_resolved": bool, "http_config": dict, "max_alerts": int, "timeout": str,
    },
}  # fmt: skip


def model(**labels: str) -> dict[str, str]:
    return {"alertname": "DriftlineCheckFailing", "model": "churn", "version": "1", **labels}


def test_amtool_accepts_it():
    said = run("amtool", "check-config", str(ALERTMANAGER))
    assert "4 inhibit rules" in said
    assert "6 receivers" in said


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        (model(severity="critical", team="crm"), "driftline,crm-page"),
        (model(severity="warning", team="crm"), "driftline,crm"),
        (model(severity="critical", team="fraud"), "driftline,operators-page"),
        (model(severity="warning", team="fraud"), "driftline,operators"),
        (model(severity="critical"), "driftline,operators-page"),
        (model(severity="warning"), "driftline,operators"),
        ({"alertname": "DriftlineModelStale", "severity": "warning", "team": "crm"}, "driftline,crm"),
        ({"alertname": "DriftlineStepLate", "severity": "critical"}, "driftline,operators-page"),
        ({"alertname": "DriftlineDiskLow", "severity": "warning"}, "driftline,operators"),
        ({"alertname": "DriftlineAbsent", "severity": "critical"}, "driftline,operators-page"),
        ({"alertname": "DriftlineWatchdog", "severity": "none"}, "dead-mans-switch"),
        ({"alertname": "NodeDown", "severity": "critical"}, "operators-page"),
        ({"alertname": "NodeDown"}, "operators"),
    ],
)
def test_an_alert_goes_to(labels, receivers):
    said = run(
        "amtool", "config", "routes", "test", f"--config.file={ALERTMANAGER}",
        *(f"{name}={value}" for name, value in labels.items()),
    )  # fmt: skip
    assert said.strip() == receivers


def test_messages_are_grouped_by_model_and_version():
    route = yaml.safe_load(ALERTMANAGER.read_text())["route"]
    assert route["group_by"] == ["model", "version"]
    assert not any("group_by" in child for child in route["routes"])


def test_warnings_keep_office_hours_and_nothing_else_does():
    route = yaml.safe_load(ALERTMANAGER.read_text())["route"]
    held = [
        child for one in route["routes"] for child in [one, *one.get("routes", [])] if "active_time_intervals" in child
    ]
    assert {child["receiver"] for child in held} == {"crm", "operators"}
    assert all(child["matchers"] == ['severity = "warning"'] for child in held)


def test_driftline_itself_is_told_with_a_token_from_a_file():
    (own,) = (one for one in yaml.safe_load(ALERTMANAGER.read_text())["receivers"] if one["name"] == "driftline")
    (webhook,) = own["webhook_configs"]
    assert webhook["url"] == "http://api:8000/api/v1/alertmanager"
    assert webhook["http_config"]["authorization"] == {
        "type": "Bearer", "credentials_file": "/run/secrets/driftline/alertmanager-token",
    }  # fmt: skip


def test_what_is_held_back_names_alerts_that_exist():
    named = {alert["alert"] for alert in alerts()}
    for rule in yaml.safe_load(ALERTMANAGER.read_text())["inhibit_rules"]:
        for matcher in [*rule["source_matchers"], *rule["target_matchers"]]:
            name, _, pattern = re.fullmatch(r'(\w+) (=|=~|!~) "(.*)"', matcher).groups()
            if name == "alertname":
                assert [one for one in named if re.fullmatch(pattern, one)], matcher


def test_there_is_an_example_for_each_way_to_people():
    assert {path.stem for path in EXAMPLES} == {
        "dead-mans-switch", "email", "msteams", "opsgenie", "pagerduty", "slack",
    }  # fmt: skip


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_accepted_and_names_receivers_of_the_shipped_file(path, tmp_path):
    config = yaml.safe_load(path.read_text())
    for receiver in config["receivers"]:
        for kind in NEWER.keys() & receiver.keys():
            for integration in receiver.pop(kind):
                check_newer(kind, integration=integration)
    checked = tmp_path / path.name
    checked.write_text(yaml.safe_dump(config))
    run("amtool", "check-config", str(checked))
    shipped = {one["name"] for one in yaml.safe_load(ALERTMANAGER.read_text())["receivers"]}
    assert {one["name"] for one in config["receivers"]} <= shipped


def check_newer(kind: str, *, integration: dict) -> None:
    """Fails where a later Alertmanager would refuse the integration."""
    fields = NEWER[kind]
    strangers = {name for name, value in integration.items() if not isinstance(value, fields.get(name, ()))}
    assert strangers == set(), f"{kind}: expected {sorted(fields)}"
    address, address_file, *_ = fields
    assert (address in integration) + (address_file in integration) == 1


def test_a_misspelt_field_of_the_newer_integrations_is_refused():
    check_newer("msteamsv2_configs", integration={"webhook_url_file": "/x", "title": "t"})
    with pytest.raises(AssertionError, match="msteamsv2_configs"):
        check_newer("msteamsv2_configs", integration={"webhook_url_file": "/x", "summary": "of the older kind"})
    with pytest.raises(AssertionError):
        check_newer("msteamsv2_configs", integration={"webhook_url_file": "/x", "webhook_url": "https://y"})


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_no_example_holds_a_secret(path):
    text = path.read_text()
    assert re.findall(r"(?m)^\s*(?:- )?\w*(?:password|token|key|secret)\w*:", text.replace("_file:", "=")) == []
    assert "_file: /run/secrets/alertmanager/" in text


def texts(value: object) -> list[str]:
    """Every template in an integration."""
    if isinstance(value, str):
        return [value] if "{{" in value else []
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for one in inner for text in texts(one)]


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("path", [path for path in EXAMPLES if path.stem != "dead-mans-switch"], ids=lambda p: p.stem)
def test_what_an_example_sends_says_what_where_and_what_to_do(path, count, tmp_path):
    said = []
    data = tmp_path / "data.json"
    data.write_text(json.dumps(notification(count)))
    (tmp_path / "none.tmpl").write_text("")
    for text in texts(yaml.safe_load(path.read_text())["receivers"]):
        said.append(
            run(
                "amtool", "template", "render", f"--template.glob={tmp_path}/*.tmpl", f"--template.text={text}",
                f"--template.data={data}",
            )
        )  # fmt: skip
    message = "\n".join(said)
    for number in range(count):
        assert f"churn: check drift-{number} is failing" in message
        assert f"2 column(s) failing: age-{number}" in message
    assert "https://drift.example.org/api/v1/models/churn" in message
    assert "https://drift.example.org/runbooks/DriftlineCheckFailing" in message
    assert "<no value>" not in message


def notification(count: int) -> dict:
    """What Alertmanager gives a template: so many alerts of one model."""
    common = {"model": "churn", "version": "1", "team": "crm", "severity": "critical"}
    return {
        "receiver": "crm", "status": "firing", "externalURL": "http://alertmanager.example.org",
        "groupLabels": {"model": "churn", "version": "1"}, "commonLabels": common, "commonAnnotations": {},
        "alerts": [
            {
                "status": "firing", "labels": common | {"check": f"drift-{number}"},
                "annotations": {
                    "summary": f"churn: check drift-{number} is failing",
                    "description": f"2 column(s) failing: age-{number}",
                    "link": "https://drift.example.org/api/v1/models/churn",
                    "runbook_url": "https://drift.example.org/runbooks/DriftlineCheckFailing",
                },
                "startsAt": "2026-03-01T12:00:00Z", "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "",
                "fingerprint": "1",
            }
            for number in range(count)
        ],
    }  # fmt: skip
