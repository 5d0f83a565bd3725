"""Commands that try something on stored windows, against a real server with judged windows."""

from __future__ import annotations

import json

import httpx
import pytest
from typer.testing import CliRunner

from monitor.app import create_app
from monitor.cli import build
from monitor.cli.server import ServerRefused
from monitor.jobs.runner import JobRunner
from monitor.jobs.settings import JobSettings
from monitor.model.errors import InvalidInput
from monitor.model.time import rfc3339
from monitor.settings import Settings
from tests.api.conftest import Clock
from tests.api.judging import judged_hours
from tests.api.running import running

FIXED = {"name": "psi", "kind": "drift", "columns": ["age"], "threshold": 0.5}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server on SQLite whose model ``churn`` has three judged hours, the last one drifted; its clock."""
    clock = Clock()
    application = create_app(Settings(data_dir=tmp_path_factory.mktemp("server")), jobs=False, now_us=clock)
    services = application.state.services
    rhythm = JobSettings(fold_interval_us=0, gather_us=0, workers=1)
    runner = JobRunner(services.store, services.telemetry, now_us=clock, settings=rhythm)
    with running(application) as url, httpx.Client(base_url=url, timeout=120) as client:
        client.put("/api/v1/models/churn", json={"false_alarms": "1 per day"}).raise_for_status()
        client.put("/api/v1/models/churn/versions/42", json={}).raise_for_status()
        starts = judged_hours(client, clock, runner.tick, shifts=[0.0, 0.0, 40.0])
        client.starts, client.services = starts, services
        yield client


@pytest.fixture
def driftline(server, monkeypatch):
    """Runs a command against it; gives (exit code, standard output)."""
    monkeypatch.setenv("DRIFTLINE_URL", str(server.base_url))

    def run(*words):
        done = CliRunner().invoke(build(), [str(word) for word in words])
        if isinstance(done.exception, Exception):
            raise done.exception
        return done.exit_code, done.stdout

    return run


@pytest.fixture
def checks(tmp_path):
    path = tmp_path / "checks.json"
    path.write_text(json.dumps([FIXED]))
    return path


def test_a_simulation_prints_a_line_a_check_and_column_and_what_it_is_based_on(driftline, server, checks):
    code, shown = driftline("checks", "simulate", "churn", "--checks", checks)
    lines = [line.split() for line in shown.splitlines()]
    start = rfc3339(server.starts[2])
    assert code == 0
    assert lines[0][:7] == ["check", "column", "windows", "unknown", "warning", "alert", "episodes"]
    assert [line[:7] for line in lines[1:3]] == [
        ["psi", "(all)", "3", "0", "0", "1", "1"], ["psi", "age", "3", "0", "0", "1", "1"],
    ]  # fmt: skip
    assert lines[1][-2:] == [start, start]
    assert "3 windows from" in shown.splitlines()[-1]
    assert "recorded then: 2 ok, 1 alert" in shown.splitlines()[-1]


def test_a_simulation_as_json_is_the_servers_answer(driftline, server, checks):
    code, shown = driftline("checks", "simulate", "churn", "--checks", checks, "--version", "42", "--json")
    asked = server.post("/api/v1/models/churn/checks/simulate", json={"checks": [FIXED]})
    assert (code, json.loads(shown)) == (0, asked.json())
    code, shown = driftline(
        "checks", "simulate", "churn", "--checks", checks, "--to", rfc3339(server.starts[0]), "--json"
    )
    assert json.loads(shown)["windows"] == 0


def test_what_the_server_refuses_is_said_in_its_words(driftline, server, checks, monkeypatch):
    with pytest.raises(ServerRefused, match=r"Not found \(404\): model 'nobody' does not exist"):
        driftline("checks", "simulate", "nobody", "--checks", checks)
    monkeypatch.setattr("monitor.cli.server.ATTEMPTS", 1)
    with server.services.simulator.claimed(), pytest.raises(ServerRefused, match="another simulation"):
        driftline("checks", "simulate", "churn", "--checks", checks)


def test_setting_a_fixed_threshold_prints_its_false_alarms(driftline, server, tmp_path):
    body = tmp_path / "model.json"
    body.write_text(json.dumps({"checks": [FIXED]}))
    _, shown = driftline("models", "put", "churn", "--body", body)
    server.put("/api/v1/models/churn", json={"checks": None}).raise_for_status()
    last = shown.splitlines()[-1]
    assert last.startswith("fixed threshold of psi: 0 false alarms a month (95 %: 0 to 66.4)")
    (tmp_path / "new.json").write_text(json.dumps({"driftline": 1, "models": {"fresh": {"checks": [FIXED]}}}))
    _, shown = driftline("apply", "-f", tmp_path / "new.json")
    assert "fresh: fixed threshold of psi: not known yet: no history" in shown.splitlines()


def test_a_fault_that_is_found_ends_with_0_and_one_that_is_not_with_3(driftline):
    code, shown = driftline("drill", "churn", "42", "--column", "plan", "--category", "enterprise")
    assert code == 0
    assert shown.splitlines()[0].split() == [
        "window", "rows", "check", "metric", "value", "threshold", "status", "unchanged",
    ]  # fmt: skip
    assert shown.splitlines()[-1].startswith("found after 1 window by ")
    code, shown = driftline("drill", "churn", "42", "--column", "plan", "--missing", "0.0001", "--windows", "2")
    assert (code, shown.splitlines()[-1].startswith("not found in 2 windows")) == (3, True)
    code, shown = driftline("drill", "churn", "42", "--column", "age", "--scale", "1", "--windows", "1", "--json")
    found = json.loads(shown)
    assert (code, found["found"], found["change"]) == (3, False, {"scale": 1.0})


def test_options_of_both_kinds_of_drill_or_of_none_are_refused(driftline):
    for words in (
        (), ("--column", "age"), ("--scale", "2"), ("--column", "age", "--scale", "2", "--missing", "1"),
        ("--route", "--column", "age"), ("--column", "age", "--scale", "2", "--severity", "critical"),
    ):  # fmt: skip
        with pytest.raises(InvalidInput, match="expected --route"):
            driftline("drill", "churn", "42", *words)
    with pytest.raises(ServerRefused, match="did you mean 'age'"):
        driftline("drill", "churn", "42", "--column", "agee", "--scale", "2")


def test_a_route_drill_waits_until_it_is_back_or_lost(driftline, server, monkeypatch):
    """The server's clock stands still: it moves on while the command sleeps."""
    clock, slept = server.services.now_us, []

    def moves_on(seconds):
        slept.append(seconds)
        clock.now_us += 60 * 1_000_000

    monkeypatch.setattr("monitor.cli.drill.time.sleep", moves_on)
    code, shown = driftline("drill", "churn", "42", "--route", "--timeout", "3m", "--json")
    assert (code, json.loads(shown)["state"], len(slept)) == (3, "lost", 3)
    clock.now_us += 3_600 * 1_000_000

    def calls_back(_):
        labels = {"alertname": "DriftlineCheckFailing", "model": "churn", "version": "42", "check": "_drill"}
        alert = {"status": "firing", "labels": labels, "startsAt": rfc3339(clock.now_us), "fingerprint": "f"}
        hook = {"version": "4", "groupKey": "g", "receiver": "driftline", "alerts": [alert]}
        server.post("/api/v1/alertmanager", json=hook).raise_for_status()

    monkeypatch.setattr("monitor.cli.drill.time.sleep", calls_back)
    code, shown = driftline("drill", "churn", "42", "--route", "--severity", "critical")
    assert (code, shown) == (0, "came back through Alertmanager's receiver 'driftline' after 0 s\n")
