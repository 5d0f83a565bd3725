"""``driftline windows``, ``alerts`` and ``silences`` against a real server."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from monitor.app import create_app
from monitor.cli import build
from monitor.cli.server import ServerRefused
from monitor.jobs.runner import JobRunner
from monitor.jobs.settings import JobSettings
from monitor.model.errors import InvalidInput
from monitor.model.results import Transition
from monitor.model.time import HOUR_US, parse_instant
from monitor.settings import Settings
from monitor.store import models, transitions
from monitor.store.windows import WindowRow, upsert_window
from tests.api.running import running

START = "2026-03-02T12:00:00Z"
START_US = parse_instant(START)


@pytest.fixture
def application(tmp_path):
    return create_app(Settings(data_dir=tmp_path), jobs=False)


@pytest.fixture
def driftline(application, monkeypatch):
    """Runs a command against a server with a version ``churn`` ``42`` that has one window and one alert."""
    runner = CliRunner()

    def run(*words):
        done = runner.invoke(build(), list(words), catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout) if "--json" in words else done.stdout

    with running(application) as url:
        monkeypatch.setenv("DRIFTLINE_URL", url)
        run("models", "put", "churn")
        run("versions", "put", "churn", "42")
        with application.state.services.store.write() as conn:
            model, version = models.get_version(conn, model="churn", version="42")
            upsert_window(conn, WindowRow(version_id=version.id, start_us=START_US, end_us=START_US + HOUR_US, rows=60))
            alarm = Transition(
                check="drift", kind="drift", segment="", severity="warning", from_status="ok", status="alert", at_us=1,
                window_start_us=START_US, window_end_us=START_US + HOUR_US, value=0.3, threshold=0.2, rows=60,
                columns=(), explanation="",
            )  # fmt: skip
            transitions.add_transitions(conn, model_id=model.id, version_id=version.id, transitions=[alarm])
        yield run


def test_a_window_is_marked_listed_and_its_mark_taken_back(driftline):
    said = driftline("windows", "mark", "churn", "42", START, "--not-healthy", "--reason", "cents for euros", "--json")
    assert (said["start"], said["mark"]["healthy"], said["mark"]["reason"]) == (START, False, "cents for euros")
    assert "not healthy: cents for euros" in driftline("windows", "list", "churn", "42")
    assert "healthy  yes" in driftline("windows", "mark", "churn", "42", START, "--healthy", "--reason", "planned")
    assert driftline("windows", "mark", "churn", "42", START, "--withdraw") == ""
    assert [window["mark"] for window in driftline("windows", "list", "churn", "42", "--json")] == [None]


@pytest.mark.parametrize("words", [["--reason", "x"], ["--withdraw", "--healthy"], []])
def test_a_mark_that_says_nothing_or_two_things_is_refused_before_anything_is_asked(driftline, words):
    with pytest.raises(InvalidInput, match="withdraw"):
        driftline("windows", "mark", "churn", "42", START, *words)


def test_an_alert_is_acknowledged_judged_and_shown_with_it(driftline):
    assert "al_1" in driftline("alerts", "list", "--state", "firing")
    mine = driftline("alerts", "acknowledge", "al_1", "--reason", "looking", "--until", "4h", "--json")
    assert mine["acknowledged"]["reason"] == "looking"
    was = driftline("alerts", "verdict", "al_1", "false_alarm", "--reason", "a sale", "--json")
    assert was["verdict"]["was"] == "false_alarm"
    assert driftline("alerts", "get", "al_1", "--json") == was | {"why": None}  # no judged window is behind it
    header, row = driftline("alerts", "list").splitlines()
    assert (header.split()[-3:], row.split()[-3:]) == (
        ["acknowledged", "held_back", "verdict"],
        ["yes", "–", "false_alarm"],
    )
    assert "false_alarm" in driftline("alerts", "get", "al_1")
    assert driftline("alerts", "verdict", "al_1", "--withdraw") == ""
    assert driftline("alerts", "acknowledge", "al_1", "--withdraw") == ""
    shown = driftline("alerts", "list", "--json")[0]
    assert (shown["acknowledged"], shown["verdict"]) == (None, None)


@pytest.mark.parametrize("words", [["verdict", "al_1"], ["verdict", "al_1", "real", "--withdraw"],
                                   ["snooze", "al_1"], ["snooze", "al_1", "--until", "4h", "--withdraw"],
                                   ["acknowledge", "al_1", "--until", "4h", "--withdraw"]])  # fmt: skip
def test_a_word_that_says_nothing_or_two_things_is_refused_before_anything_is_asked(driftline, words):
    with pytest.raises(InvalidInput, match="withdraw"):
        driftline("alerts", *words)


def test_a_model_is_held_and_released(driftline):
    held = driftline("models", "hold", "churn", "--reason", "case 24-117", "--json")
    assert driftline("models", "get", "churn", "--json")["legal_hold"] == held
    assert (held["reason"], held["by"]) == ("case 24-117", None)
    with pytest.raises(ServerRefused, match=r"under a legal hold.*case 24-117"):
        driftline("models", "delete", "churn")
    assert driftline("models", "release", "churn") == ""
    assert driftline("models", "delete", "churn") == ""


def test_ids_of_a_file_are_erased(driftline, application, tmp_path):
    file = tmp_path / "ids.txt"
    file.write_text("".join(f"person-{n}\n" for n in range(10_001)))
    asked = driftline("erase", "churn", "--ids", str(file), "--reason", "r", "--json")
    assert [(one["id"], one["state"], one["ids"]) for one in asked] == [
        ("er_1", "queued", 10_000),
        ("er_2", "queued", 1),
    ]
    services = application.state.services
    JobRunner(services.store, services.telemetry, now_us=services.now_us, settings=JobSettings()).tick()
    few = tmp_path / "few.txt"
    few.write_text("7\n\n7\n")
    (shown,) = driftline("erase", "churn", "--ids", str(few), "--json")
    assert (shown["ids"], shown["state"]) == (1, "queued")
    few.write_text("\n")
    with pytest.raises(InvalidInput, match="no id in it"):
        driftline("erase", "churn", "--ids", str(few))


def test_an_alert_is_snoozed_and_its_model_silenced(driftline):
    assert driftline("alerts", "snooze", "al_1", "--until", "4h", "--reason", "known", "--json")["snoozed"]["until"]
    made = driftline("silences", "create", "churn", "--reason", "moving", "--end", "2h", "--check", "vol*", "--check",
                     "drift", "--segment", "", "--json")  # fmt: skip
    assert (made["checks"], made["segments"], made["state"]) == (["vol*", "drift"], [""], "active")
    assert "sil_1  active" in driftline("silences", "list", "churn")
    assert "moving" in driftline("silences", "create", "churn", "--reason", "moving", "--end", "2h", "--start", "1h")
    assert driftline("silences", "end", "churn", "sil_1") == ""
    assert [one["state"] for one in driftline("silences", "list", "churn", "--json")] == ["pending", "ended"]
    assert driftline("alerts", "snooze", "al_1", "--withdraw") == ""
    assert driftline("alerts", "get", "al_1", "--json")["snoozed"] is None
