"""Where the shipped configuration is, and the tools that check it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.e2e.alerting import binary

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
ALERTMANAGER = DEPLOY / "alertmanager/alertmanager.yml"
PROMETHEUS = DEPLOY / "prometheus/prometheus.yml"


def run(tool: str, *arguments: str) -> str:
    """What the tool says; fails with it where the tool refuses."""
    command = [binary(tool), *arguments]
    answer = subprocess.run(command, check=False, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout
