"""``driftline tokens`` against a real server, and the first start in a container as a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from monitor.app import create_app
from monitor.cli import build, main
from monitor.settings import Settings
from tests.api.running import running

SCRIPT = """
import json, os, subprocess, sys, time, httpx
folder = sys.argv[1]
command = [sys.executable, "-m", "monitor.cli"]
def start(name, *words):
    log = open(f"{folder}/{name}.log", "wb")
    return subprocess.Popen([*command, *words, "--host", "0.0.0.0"], stdout=log, stderr=log)
def answer(path, port=8000, **headers):
    for _ in range(300):
        try:
            return httpx.get(f"http://127.0.0.1:{port}{path}", headers=headers).status_code
        except httpx.TransportError:
            time.sleep(0.1)
first = start("worker-too-early", "worker", "--port", "8001").wait(timeout=60)
servers = [start("one", "serve", "--port", "8000"), start("two", "serve", "--port", "8002")]
alive = [answer("/livez"), answer("/livez", 8002)]
worker = start("worker", "worker", "--port", "8001")
token = open(f"{folder}/data/admin-token").read().strip()
bearer = {"Authorization": f"Bearer {token}"}
seen = {
    "worker too early": first, "alive": alive, "nobody": answer("/api/v1/models"),
    "admin": [answer("/api/v1/models", port, **bearer) for port in (8000, 8002)],
    "worker": [answer(path, 8001) for path in ("/livez", "/metrics")],
}
for process in (*servers, worker):
    process.terminate()
    process.wait(timeout=30)
again = start("again", "serve", "--port", "8000")
seen["again"] = answer("/api/v1/models", **bearer)
again.terminate()
again.wait(timeout=30)
print(json.dumps(seen))
"""


def test_tokens_are_made_listed_and_revoked_from_a_shell(tmp_path, monkeypatch, capsys):
    runner = CliRunner()

    def run(*words, code=0):
        done = runner.invoke(build(), list(words), catch_exceptions=False)
        assert done.exit_code == code, done.output
        return done

    with running(create_app(Settings(data_dir=tmp_path), jobs=False)) as url:
        monkeypatch.setenv("DRIFTLINE_URL", url)
        first = run("tokens", "create", "--role", "admin")
        assert "not shown again" in first.stderr
        assert "from now on every request needs a token" in first.stderr
        token = dict(line.split(None, 1) for line in first.stdout.splitlines())["token"]
        monkeypatch.setattr(sys, "argv", ["driftline", "tokens", "list"])
        with pytest.raises(SystemExit) as ended:
            main()
        assert (ended.value.code, "Token needed (401)" in capsys.readouterr().err) == (1, True)
        monkeypatch.setenv("DRIFTLINE_TOKEN", token)
        made = json.loads(run("tokens", "create", "--role", "ingest", "--name", "api", "--model", "churn*", "--model",
                              "fraud", "--expires", "90d", "--quota", "records=60_000", "--quota", "requests=600",
                              "--json").stdout)  # fmt: skip
        assert (made["name"], made["role"], made["models"]) == ("api", "ingest", ["churn*", "fraud"])
        assert made["quota"] == {"records": 60_000, "requests": 600}
        assert (
            "expected such as records=60000" in run("tokens", "create", "--role", "read", "--quota", "6", code=2).output
        )
        assert run("tokens", "revoke", made["id"]).stdout == ""
        states = {t["name"]: t["state"] for t in json.loads(run("tokens", "list", "--json").stdout)}
        assert states == {"admin": "active", "api": "revoked"}
        table = run("tokens", "list").stdout
        assert made["token"] not in table
        assert table.splitlines()[0].split()[:3] == ["id", "name", "role"]


@pytest.fixture
def network():
    """The words that run a command in a network of its own, where nothing it listens on is reachable."""
    words = ["unshare", "--net", "--map-root-user"]
    up = [*words, "ip", "link", "set", "lo", "up"]
    if shutil.which("unshare") is None or subprocess.run(up, capture_output=True, check=False).returncode != 0:
        reason = "no network namespaces here (Debian: util-linux, iproute2; a kernel that allows them)"
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail(reason)
        pytest.skip(reason)
    return words


@pytest.mark.slow
@pytest.mark.alone
def test_in_a_container_replicas_start_with_one_admin_token_said_and_written_once(network, tmp_path):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("DRIFTLINE_")}
    environment = clean | {"DRIFTLINE_DATA_DIR": str(tmp_path / "data"), "container": "podman"}
    (tmp_path / "script.py").write_text(SCRIPT)
    inner = f"ip link set lo up && exec {sys.executable} {tmp_path}/script.py {tmp_path}"
    done = subprocess.run(
        [*network, "sh", "-c", inner], env=environment, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "worker too early": 1, "alive": [200, 200], "nobody": 401, "admin": [200, 200], "worker": [200, 401],
        "again": 200,
    }  # fmt: skip
    path = tmp_path / "data" / "admin-token"
    token = path.read_text().strip()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    logs = {p.stem: p.read_text() for p in tmp_path.glob("*.log")}
    assert sorted(logs) == ["again", "one", "two", "worker", "worker-too-early"]
    assert sum(text.count(token) for text in logs.values()) == 1
    assert "there is no token yet" in logs["worker-too-early"]
