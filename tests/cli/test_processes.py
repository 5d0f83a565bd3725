"""``serve``, ``worker``, ``migrate`` and ``doctor`` as processes of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass

import httpx
import pytest

from monitor.cli import main

COMMAND = [sys.executable, "-m", "monitor.cli"]


def environment(tmp_path, **settings):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("DRIFTLINE_")}
    return clean | {"DRIFTLINE_DATA_DIR": str(tmp_path / "data")} | settings


@dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Runs a command that ends by itself, in this process."""

    def invoke(*words, **settings):
        given = {"DRIFTLINE_DATA_DIR": str(tmp_path / "data")} | settings
        monkeypatch.setattr(os, "environ", {**environment(tmp_path), **given})
        monkeypatch.setattr(sys, "argv", ["driftline", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        shown = capsys.readouterr()
        return Done(ended.value.code, shown.out, shown.err)

    return invoke


def run_apart(tmp_path, *words, **settings):
    """The same in a process of its own, for what sets up logs and signals."""
    return subprocess.run(
        [*COMMAND, *words], env=environment(tmp_path, **settings),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.fixture
def started(tmp_path):
    """Starts a command that serves; gives the process and the address it announced."""
    processes = []

    def start(*words):
        process = subprocess.Popen(
            [*COMMAND, *words, "--port", "0"], env=environment(tmp_path), stdout=subprocess.PIPE, text=True
        )
        processes.append(process)
        line = process.stdout.readline()
        assert line.startswith("Driftline "), line
        return process, line.split()[3]

    yield start
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


def test_serve_says_where_to_look_and_sigterm_ends_it_with_0(started):
    process, url = started("serve")
    assert httpx.get(f"{url}/readyz").json()["ready"] is True
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 0


def test_requests_in_flight_finish_when_the_server_is_told_to_stop(started):
    process, url = started("serve", "--no-jobs")
    httpx.put(f"{url}/api/v1/models/m", json={})
    httpx.put(f"{url}/api/v1/models/m/versions/1", json={})
    begun = threading.Event()
    answers = []

    def slow_body():
        yield b'{"records": [{"a": 1}'
        begun.set()
        time.sleep(1.0)
        yield b"]}"

    def post():
        answers.append(
            httpx.post(
                f"{url}/api/v1/models/m/versions/1/predictions", content=slow_body(), timeout=20,
                headers={"Content-Type": "application/json"},
            )
        )  # fmt: skip

    client = threading.Thread(target=post)
    client.start()
    begun.wait(timeout=10)
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    client.join(timeout=20)
    assert process.wait(timeout=20) == 0
    assert (answers[0].status_code, answers[0].json()["stored"]) == (200, 1)


def test_a_worker_runs_the_jobs_and_serves_health_only(started):
    process, url = started("worker")
    codes = [httpx.get(url + path).status_code for path in ("/livez", "/readyz", "/metrics", "/api/v1/models")]
    assert codes == [200, 200, 200, 404]
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 0


def test_binding_beyond_loopback_stops_the_start_with_the_remedy(run):
    # The worker: where the tests run in a container, `serve` would make a token and start.
    done = run("worker", "--host", "0.0.0.0", "--port", "0")
    assert (done.returncode, done.stdout) == (1, "")
    assert "DRIFTLINE_ALLOW_ANONYMOUS=true" in done.stderr


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"DRIFTLINE_MAX_RECORD": "5"}, "did you mean 'DRIFTLINE_MAX_RECORDS'"),
        ({"DRIFTLINE_PORT": "http"}, "DRIFTLINE_PORT is 'http': expected a port"),
        ({"DRIFTLINE_DATABASE_URL": "oracle://x"}, "DRIFTLINE_DATABASE_URL is (a secret"),
    ],
)
def test_a_setting_that_cannot_be_used_stops_the_start_in_one_line(run, settings, said):
    done = run("serve", **settings)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_database_that_is_away_stops_the_start_in_one_line(tmp_path):
    done = run_apart(tmp_path, "serve", DRIFTLINE_DATABASE_URL="postgresql://127.0.0.1:9/x")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_stops_the_start(started, tmp_path):
    _, url = started("serve")
    done = run_apart(tmp_path, "serve", "--port", url.rpartition(":")[2])
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "could not listen" in done.stderr


def test_what_kubernetes_injects_does_not_stop_the_worker(run):
    done = run("doctor", "--json", DRIFTLINE_PORT="tcp://10.0.0.1:8000", DRIFTLINE_SERVICE_HOST="10.0.0.1")
    assert json.loads(done.stdout)[0]["state"] == "ok"


def test_doctor_looks_at_postgresql_as_it_does_at_sqlite(run, postgresql_databases):
    url = postgresql_databases("template0")
    before = run("doctor", "--json", DRIFTLINE_DATABASE_URL=url)
    findings = {f["what"]: f for f in json.loads(before.stdout)}
    assert (before.returncode, findings["database"]["state"]) == (1, "wrong")
    assert findings["database"]["found"] == "postgresql: migrations are pending"
    assert run("migrate", DRIFTLINE_DATABASE_URL=url).returncode == 0
    after = run("doctor", "--json", DRIFTLINE_DATABASE_URL=url)
    findings = {f["what"]: f for f in json.loads(after.stdout)}
    assert set(findings) == {
        "settings", "access", "data directory", "database", "clock", "PostgreSQL", "connections", "records", "windows",
        "jobs",
    }  # fmt: skip
    assert findings["database"]["found"] == "postgresql: current, a commit reached the disk"
    # the server of the tests runs without flushes, and nothing else is wrong with it
    assert [f["what"] for f in findings.values() if f["state"] != "ok"] == ["PostgreSQL"]
    assert (after.returncode, findings["PostgreSQL"]["state"]) == (1, "wrong")
    assert "fsync = on" in findings["PostgreSQL"]["remedy"]


def test_doctor_says_that_postgresql_does_not_answer_and_tells_no_password(run):
    away = "postgresql+psycopg://driftline:hunter2@127.0.0.1:9/none"
    done = run("doctor", "--json", DRIFTLINE_DATABASE_URL=away)
    findings = {f["what"]: f for f in json.loads(done.stdout)}
    assert (done.returncode, findings["database"]["state"]) == (1, "wrong")
    assert findings["database"]["remedy"]
    assert "hunter2" not in done.stdout + done.stderr


def test_migrate_and_doctor_bring_an_installation_up(run):
    before = run("doctor", "--json")
    findings = {f["what"]: f for f in json.loads(before.stdout)}
    assert (before.returncode, findings["database"]["state"]) == (1, "wrong")
    assert "driftline migrate" in findings["database"]["remedy"]
    applied = json.loads(run("migrate", "--json").stdout)["applied"]
    assert len(applied) >= 1
    assert run("migrate").stdout == "The schema is current; nothing to do.\n"
    after = run("doctor")
    assert after.returncode == 0
    assert {"settings", "access", "database", "clock", "SQLite", "room", "records", "windows", "jobs"} <= {
        line.split("  ")[0] for line in after.stdout.splitlines()
    }


def test_doctor_says_what_is_wrong_with_the_settings(run):
    done = run("doctor", "--json", DRIFTLINE_PORTT="1")
    assert (done.returncode, json.loads(done.stdout)[0]["state"]) == (1, "wrong")


def test_the_version_is_printed(run):
    assert run("--version").stdout.startswith("driftline 0.")
