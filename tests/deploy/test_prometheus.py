"""The shipped Prometheus configuration."""

from __future__ import annotations

import yaml

from tests.deploy.monitoring import DEPLOY, PROMETHEUS, run

TOKEN = "/run/secrets/driftline/metrics-token"


def test_promtool_accepts_it_with_its_rules_and_its_token(tmp_path):
    text = PROMETHEUS.read_text()
    assert text.count(TOKEN) == 1
    (tmp_path / "token").write_text("dl_example")
    (tmp_path / "prometheus.yml").write_text(text.replace(TOKEN, str(tmp_path / "token")))
    (tmp_path / "driftline.rules.yml").write_text((DEPLOY / "prometheus/driftline.rules.yml").read_text())
    said = run("promtool", "check", "config", str(tmp_path / "prometheus.yml"))
    assert "1 rule files found" in said
    assert "SUCCESS" in said


def test_it_scrapes_driftline_with_a_token_from_a_file_and_often_enough_for_the_rules():
    config = yaml.safe_load(PROMETHEUS.read_text())
    (driftline,) = (job for job in config["scrape_configs"] if job["job_name"] == "driftline")
    assert driftline["authorization"] == {"credentials_file": TOKEN}
    assert driftline["static_configs"] == [{"targets": ["api:8000", "worker:8001"]}]
    assert config["global"]["scrape_interval"] == "15s"  # last_over_time(…[2m]) bridges several
    assert "credentials:" not in PROMETHEUS.read_text()
