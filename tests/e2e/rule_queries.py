"""Every rule's expression, asked of a real Prometheus: what it answers, or why it has nothing to say."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import yaml

RULES = Path(__file__).resolve().parents[2] / "deploy/prometheus/driftline.rules.yml"

# What has no series in the fleet of the test, and why that is right.
EMPTY = {
    "DriftlineLabelsUnmatched/warning": "labels of two hours are compared, and the server is a minute old",
    "DriftlineStepLate/critical": "no step is late",
    "DriftlineStepFailing/warning": "no run of a step fails",
    "DriftlineWorkHanging/warning": "nothing hangs",
    "DriftlineNotReady/critical": "the server is ready",
    "DriftlineClockSkew/warning": "server and database are on one host",
    "DriftlineQuotaRefused/warning": "no token of the fleet has a quota",
    "DriftlineWindowMissed/warning": "every window was computed",
    "DriftlineFoldBehind/warning": "no more than a few thousand rows ever wait",
    "DriftlineCommitSlow/warning": "commits take milliseconds",
    "DriftlineQueueFull/warning": "requests come one after the other",
    "DriftlineDiskFilling/warning": "a pace is seen after three hours",
    "DriftlineSeriesDropped/warning": "seven models are far below MAX_SERIES",
    "DriftlineModelsUnread/critical": "the models are exported",
    "DriftlineTargetDown/warning": "the only target that was ever Driftline answers",
    "DriftlineAbsent/critical": "Driftline is scraped",
}
EITHER = {
    "DriftlineDiskLow/warning": "by the space that is free on this machine",
    "DriftlineDiskLow/critical": "by the space that is free on this machine",
    "driftline:check_warned": "by chance: a healthy column may be at warning",
}
# What a rule looks at and the fleet does not have; it is seen in deploy/prometheus/tests.
ABSENT = {
    'driftline_check_unknown{segment!="",reason="few_rows"}': "no model is cut into segments",
    'driftline_step_runs_total{outcome="failed"}': "no run of a step fails",
    "driftline_quota_refused_total": "no token of the fleet has a quota",
}


def expressions() -> dict[str, str]:
    """Every expression of the shipped rules by its name, alerts with their severity."""
    found: dict[str, str] = {}
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        for rule in group["rules"]:
            severity = rule.get("labels", {}).get("severity")
            name = rule.get("record") or "/".join(filter(None, [rule["alert"], severity]))
            assert name not in found
            found[name] = rule["expr"]
    return found


def ask(server: str, *, query: str) -> list[dict]:
    """The series that answer a query; fails where Prometheus cannot evaluate it."""
    answer = httpx.get(f"{server}/api/v1/query", params={"query": query}, timeout=30).json()
    assert answer["status"] == "success", f"{query}: {answer}"
    return answer["data"]["result"]


def selectors() -> set[str]:
    """Every series of Driftline that a rule looks at, as it selects them; what rules record is not among them."""
    found = set()
    for expression in expressions().values():
        found |= set(re.findall(r"(?<![:\w])driftline_\w+(?:\{[^}]*\})?", expression))
    return found
