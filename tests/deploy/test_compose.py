"""docker-compose.yml: its schema, and that every port, volume, setting, option and mounted file in it exists."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer
import yaml

from monitor.cli import build
from monitor.settings import TABLE, load_settings

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "docker-compose.yml"
FILE = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
SERVICES = FILE["services"]
OURS = [name for name, service in SERVICES.items() if service["image"].startswith("driftline:")]
SECRETS = "/run/secrets/driftline"


def mounts(service: dict) -> dict[str, str]:
    """Target: source, of every volume and mounted file."""
    return {v.split(":")[1]: v.split(":")[0] for v in service.get("volumes", [])}


def made_secrets() -> set[str]:
    script = ROOT / "deploy/compose/make_secrets.py"
    scope: dict = {"__name__": "secrets_script"}
    exec(compile(script.read_text(encoding="utf-8"), str(script), "exec"), scope)
    return set(scope["OWNERS"])


def test_the_file_follows_the_compose_specification():
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "ok -- validation done"), done.stdout + done.stderr


def test_every_service_of_the_stack_is_there():
    stack = {"secrets", "postgres", "migrate", "api", "worker", "prometheus", "alertmanager", "grafana", "demo"}
    assert set(SERVICES) == stack
    assert {name for name, service in SERVICES.items() if service.get("profiles")} == {"demo"}


def test_every_port_is_published_on_loopback_only_and_is_the_one_that_the_service_listens_on():
    listens = {"api": 8000, "prometheus": 9090, "alertmanager": 9093, "grafana": 3000}
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert set(published) == set(listens)
    for name, ports in published.items():
        assert [re.sub(r"\$\{\w+:-(\d+)\}", r"\1", port) for port in ports] == [
            f"127.0.0.1:{listens[name]}:{listens[name]}"
        ]
    assert not {key for service in SERVICES.values() for key in service} & {"network_mode: host", "privileged"}


@pytest.mark.parametrize("name", OURS)
def test_every_setting_is_in_the_table_and_parses(name, tmp_path):
    environment = {
        variable: re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)
        for variable, value in SERVICES[name].get("environment", {}).items()
    }
    for variable, value in environment.items():
        setting = variable.removeprefix("DRIFTLINE_").removesuffix("_FILE").lower()
        assert setting in TABLE, variable
        if variable.endswith("_FILE"):
            assert value.startswith(SECRETS + "/")
            secret = tmp_path / setting
            secret.write_text("postgresql://driftline:x@postgres:5432/driftline", encoding="utf-8")
            environment[variable] = str(secret)
    load_settings(environment)


@pytest.mark.parametrize("name", [name for name in OURS if name != "secrets"])
def test_every_command_and_option_of_ours_exists(name):
    words = SERVICES[name]["command"]
    command = typer.main.get_command(build()).commands[words[0]]
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known


def test_every_mounted_file_is_in_the_repository():
    mounted = {s for service in SERVICES.values() for s in mounts(service).values() if s.startswith("./")}
    assert len(mounted) >= 8
    assert {path for path in mounted if not (ROOT / path).exists()} == set()


def test_every_named_volume_is_declared_and_used_and_every_mounted_file_is_read_only():
    named = {s for service in SERVICES.values() for s in mounts(service).values() if not s.startswith("./")}
    assert named == set(FILE["volumes"])
    for name, service in SERVICES.items():
        for volume in service.get("volumes", []):
            if volume.startswith("./") or (volume.startswith("secrets:") and name != "secrets"):
                assert volume.endswith(":ro"), volume


def test_every_secret_that_is_named_is_made():
    named = re.compile(re.escape(SECRETS) + r"/([\w-]+)")
    files = [COMPOSE, ROOT / "deploy/compose/tokens.yaml", ROOT / "deploy/prometheus/prometheus.yml",
             ROOT / "deploy/alertmanager/alertmanager.yml"]  # fmt: skip
    used = {secret for file in files for secret in named.findall(file.read_text(encoding="utf-8"))}
    assert used == made_secrets()


def test_no_password_or_token_is_written_in_the_file():
    for service in SERVICES.values():
        for variable, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|TOKEN|SECRET|DATABASE_URL", variable):
                assert variable.endswith("_FILE"), variable
                assert value.startswith(SECRETS + "/")


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_is_hardened_and_its_image_pinned(name):
    service = SERVICES[name]
    assert (service["read_only"], service["cap_drop"], service["security_opt"]) == (
        True, ["ALL"], ["no-new-privileges:true"],
    )  # fmt: skip
    assert service.get("cap_add", []) == (["CHOWN"] if name == "secrets" else [])
    assert (service["user"].startswith("0")) == (name == "secrets")
    assert name == "secrets" or service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory", "pids"}
    assert name in OURS or re.fullmatch(r"[\w/]+:v?\d+\.\d+(\.\d+)?(-\w+)?", service["image"])


def test_every_dependency_waits_for_health_or_the_end_of_what_runs_once():
    once = {"secrets", "migrate", "demo"}
    for name, service in SERVICES.items():
        for other, wait in service.get("depends_on", {}).items():
            expected = "service_completed_successfully" if other in once else "service_healthy"
            assert wait["condition"] == expected, (name, other)
            assert other in once or "healthcheck" in SERVICES[other] or other in OURS
    assert {name for name, service in SERVICES.items() if service["restart"] == "no"} == once


def test_the_rules_and_dashboards_are_mounted_where_their_readers_look():
    prometheus = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text(encoding="utf-8"))
    for rules in prometheus["rule_files"]:
        assert str(Path("/etc/prometheus") / rules) in mounts(SERVICES["prometheus"])
    addresses = re.findall(r"['\"](\w+:\d+)['\"]", (ROOT / "deploy/prometheus/prometheus.yml").read_text())
    assert set(addresses) == {"api:8000", "worker:8001", "prometheus:9090", "alertmanager:9093"}
    provider = next((ROOT / "grafana/provisioning/dashboards").glob("*.yml"))
    path = yaml.safe_load(provider.read_text(encoding="utf-8"))["providers"][0]["options"]["path"]
    assert path in mounts(SERVICES["grafana"])
    datasource = next((ROOT / "grafana/provisioning/datasources").glob("*.yml")).read_text(encoding="utf-8")
    assert set(re.findall(r"\$\{?(\w+)\}?", datasource)) <= set(SERVICES["grafana"]["environment"])


@pytest.mark.parametrize(
    ("service", "program"), [("prometheus", "prometheus"), ("alertmanager", "prometheus-alertmanager")]
)
def test_every_option_of_prometheus_and_alertmanager_is_one_of_theirs(service, program):
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    shown = subprocess.run([program, "--help"], check=False, capture_output=True, text=True)
    known = set(re.findall(r"--[\w.-]+", shown.stdout + shown.stderr))
    assert {word.split("=")[0] for word in SERVICES[service]["command"]} <= known


def test_the_secrets_are_made_once_each_with_the_owner_that_reads_it(tmp_path):
    command = [sys.executable, str(ROOT / "deploy/compose/make_secrets.py"), str(tmp_path)]
    if subprocess.run(["id", "-u"], check=True, capture_output=True, text=True).stdout.strip() != "0":
        pytest.skip("giving files away needs root")
    first = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert {line.removeprefix("made ") for line in first.splitlines()} == made_secrets()
    texts = {path.name: path.read_text(encoding="ascii") for path in tmp_path.iterdir()}
    assert texts["database-url"] == f"postgresql://driftline:{texts['postgres-password']}@postgres:5432/driftline"
    assert len(set(texts.values())) == len(texts)
    assert {name for name, text in texts.items() if len(text) < 32} == set()
    stats = {path.name: path.stat() for path in tmp_path.iterdir()}
    assert {name: oct(s.st_mode & 0o777) for name, s in stats.items() if s.st_mode & 0o777 != 0o400} == {
        "metrics-token": "0o440",
        "alertmanager-token": "0o440",
    }
    readers = {"postgres-password": 999, "grafana-admin-password": 472}
    assert {name: s.st_uid for name, s in stats.items()} == {name: readers.get(name, 10001) for name in texts}
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == ""
    assert {path.name: path.read_text(encoding="ascii") for path in tmp_path.iterdir()} == texts
