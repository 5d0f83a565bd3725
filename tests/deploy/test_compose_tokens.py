"""The processes of docker-compose.yml as processes of this machine: its commands, settings, secrets and token files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import yaml

from tests.service import Service

ROOT = Path(__file__).resolve().parents[2]
SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]


@pytest.fixture
def moved(tmp_path, postgresql_databases):
    """A function that moves what a text says of the containers' paths to a directory of this test."""
    if os.geteuid() != 0:
        pytest.skip("giving secrets to their users needs root")
    secrets, files = tmp_path / "secrets", tmp_path / "etc"
    secrets.mkdir()
    files.mkdir()

    def move(text: str) -> str:
        return text.replace("/run/secrets/driftline", str(secrets)).replace("/etc/driftline", str(files))

    made = [sys.executable, str(ROOT / "deploy/compose/make_secrets.py"), str(secrets)]
    subprocess.run(made, check=True, capture_output=True)
    (secrets / "database-url").write_text(postgresql_databases("template0"), encoding="ascii")
    for name in ("server.yaml", "tokens.yaml"):
        (files / name).write_text(move((ROOT / "deploy/compose" / name).read_text(encoding="utf-8")), encoding="utf-8")
    return move


def settings_of(name: str, *, moved) -> dict[str, str]:
    settings = {variable: moved(value) for variable, value in SERVICES[name]["environment"].items()}
    return {variable: value for variable, value in settings.items() if "$" not in value}


def started(name: str, *, moved, data_dir: Path) -> Service:
    data_dir.mkdir()
    command, *arguments = [word.replace("0.0.0.0", "127.0.0.1") for word in SERVICES[name]["command"]]
    return Service(data_dir, command=command, arguments=tuple(arguments), **settings_of(name, moved=moved))


def test_each_part_of_the_stack_gets_in_with_its_own_token_and_does_no_more(tmp_path, moved):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DRIFTLINE_")}
    migrate = [sys.executable, "-m", "monitor.cli", *SERVICES["migrate"]["command"], "--data-dir", str(tmp_path / "m")]
    subprocess.run(migrate, check=True, capture_output=True, env=clean | settings_of("migrate", moved=moved))
    api = started("api", moved=moved, data_dir=tmp_path / "api")
    worker = started("worker", moved=moved, data_dir=tmp_path / "worker")
    try:
        api.start(within_seconds=90)
        worker.start(within_seconds=90)

        def code(method: str, url: str, *, token: str | None, **request) -> int:
            secret = None if token is None else Path(moved(f"/run/secrets/driftline/{token}")).read_text()
            headers = {} if secret is None else {"Authorization": f"Bearer {secret}"}
            # the name that the containers call it by
            headers |= {"Host": "api:8000"}
            return httpx.request(method, url, headers=headers, timeout=30, **request).status_code

        models = f"{api.url}/api/v1/models"
        assert [code("GET", f"{process.url}/readyz", token=None) for process in (api, worker)] == [200, 200]
        assert [code("GET", f"{process.url}/metrics", token=None) for process in (api, worker)] == [401, 401]
        assert [code("GET", f"{process.url}/metrics", token="metrics-token") for process in (api, worker)] == [200, 200]
        assert [code("GET", models, token=t) for t in ("metrics-token", "ingest-token", "read-token")] == [
            403,
            403,
            200,
        ]
        assert code("PUT", f"{models}/probe", token="read-token", json={}) == 403
        assert code("PUT", f"{models}/probe", token="admin-token", json={}) == 201
        assert code("PUT", f"{models}/probe/versions/1", token="admin-token", json={}) == 201
        records = {"records": [{"id": "r-1", "features": {"age": 41}}]}
        posted = [
            code("POST", f"{models}/probe/predictions", token=t, json=records) for t in ("read-token", "ingest-token")
        ]
        assert posted == [403, 200]
        webhook = {"version": "4", "groupKey": "k", "status": "firing", "receiver": "driftline", "groupLabels": {},
                   "commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://alertmanager:9093",
                   "truncatedAlerts": 0, "alerts": []}  # fmt: skip
        notify = f"{api.url}/api/v1/alertmanager"
        assert [code("POST", notify, token=t, json=webhook) for t in (None, "alertmanager-token")] == [401, 200]
    finally:
        for process in (api, worker):
            if process.process is not None:
                process.stop()
