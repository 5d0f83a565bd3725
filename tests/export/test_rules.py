"""The shipped rules: promtool's own unit tests, and what they must carry."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy/prometheus/driftline.rules.yml"
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


def test_every_alert_has_a_unit_test():
    tested = {
        case["alertname"]
        for path in UNIT_TESTS
        for test in yaml.safe_load(path.read_text())["tests"]
        for case in test["alert_rule_test"]
        if case["exp_alerts"]
    }
    assert tested == {alert["alert"] for alert in alerts()}


def test_every_alert_says_what_how_much_and_where_to_read_on():
    headings = set(re.findall(r"^## (\w+)$", (ROOT / "docs/runbook.md").read_text(), re.M))
    for alert in alerts():
        assert {"summary", "description", "runbook"} <= set(alert["annotations"])
        assert alert["annotations"]["runbook"] == f"docs/runbook.md#{alert['alert'].lower()}"
    assert {alert["alert"] for alert in alerts()} == headings


def test_every_expression_is_one_answer_from_many_replicas():
    aggregated = [rule["expr"] for rule in rules() if "absent(" not in rule["expr"]]
    assert len(aggregated) == 7
    for expression in aggregated:
        series = re.findall(r"driftline_\w+", expression)
        assert expression.count("max by") + expression.count("max(") == len(series)


def test_a_learning_check_pages_nobody():
    unknown = next(alert for alert in alerts() if alert["alert"] == "DriftlineCheckUnknown")
    assert 'reason!="learning"' in unknown["expr"]
