"""The shipped rules: promtool's own unit tests, and what they must carry."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from monitor.api.runbooks import runbook_names

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy/prometheus/driftline.rules.yml"
RUNBOOKS = ROOT / "monitor/runbooks"
UNIT_TESTS = sorted((ROOT / "deploy/prometheus/tests").glob("*.yml"))


@pytest.fixture
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail("promtool is not installed (Debian: apt-get install prometheus)")
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")
    return found


def rules() -> list[dict]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def alerts() -> list[dict]:
    return [rule for rule in rules() if "alert" in rule]


def test_promtool_accepts_the_rules(promtool):
    answer = subprocess.run([promtool, "check", "rules", str(RULES)], check=False, capture_output=True, text=True)
    assert (answer.returncode, answer.stdout + answer.stderr) == (0, answer.stdout)


@pytest.mark.parametrize("path", UNIT_TESTS, ids=lambda path: path.stem)
def test_the_rules_fire_and_resolve_as_their_unit_tests_say(promtool, path):
    answer = subprocess.run([promtool, "test", "rules", str(path)], check=False, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_every_alert_says_what_how_much_and_where_to_read_on():
    named = {alert["alert"] for alert in alerts()}
    assert len(named) >= 24
    for alert in alerts():
        said = alert["annotations"]
        assert {"summary", "description", "link", "runbook_url"} <= set(said), alert["alert"]
        assert said["runbook_url"].endswith("{{ end }}/runbooks/" + alert["alert"])
        assert said["link"].startswith('{{ with query "driftline:public_url" }}')
        assert "severity" in alert["labels"] or alert["alert"] == "DriftlineCheckFailing"  # the series' own
    assert named == set(runbook_names())


def test_every_runbook_says_what_it_means_and_what_to_look_at_and_do():
    for name in runbook_names():
        headings = re.findall(r"^##? (.+)$", (RUNBOOKS / f"{name}.md").read_text(), re.M)
        assert headings == [name, "What it means", "What to look at", "What to do"]
    index = (RUNBOOKS / "README.md").read_text()
    assert set(re.findall(r"\((\w+)\.md\)", index)) == set(runbook_names())


def test_every_alert_on_models_carries_the_team_of_its_model():
    about_models = [alert for alert in alerts() if "by (model" in alert["expr"]]
    assert len(about_models) == 6
    for alert in about_models:
        assert "driftline_model_info" in alert["labels"]["team"]
    assert not any("team" in alert["labels"] for alert in alerts() if alert not in about_models)


def test_every_expression_is_one_answer_from_many_replicas():
    together = re.compile(r"(max|min|sum|absent|avg_over_time\(model|max_over_time\(model)")
    for rule in rules():
        for series in re.finditer(r"\bdriftline_\w+", rule["expr"]):
            before = rule["expr"][: series.start()]
            assert together.search(before), f"{series.group()} in {rule.get('alert', rule.get('record'))}"


def test_a_learning_check_pages_nobody():
    unknown = next(alert for alert in alerts() if alert["alert"] == "DriftlineCheckUnknown")
    assert 'reason!~"learning|' in unknown["expr"]
