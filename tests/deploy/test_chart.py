"""The Helm chart: rendered by the real Helm for several installations, and held to Kubernetes' own schemas."""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
from pathlib import Path

import kubernetes_validate
import pytest
import typer
import yaml

from monitor.cli import build
from monitor.settings import TABLE
from tests.e2e.alerting import binary

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy/helm/driftline"
VALUES = {path.stem: path for path in (Path(__file__).parent / "values").glob("*.yaml")}
KUBERNETES = ("1.30", "1.35")
OPERATORS = {"ServiceMonitor", "PrometheusRule"}


@functools.cache
def helm_path() -> tuple[str, str]:
    """Where Helm is, or empty and why it is not."""
    found = subprocess.run(["sh", "tools/helm"], cwd=ROOT, check=False, capture_output=True, text=True, timeout=120)
    return found.stdout.strip(), found.stderr.strip()


@pytest.fixture
def helm() -> str:
    path, why = helm_path()
    if not path:
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail(why)
        pytest.skip(why)
    return path


def rendering(helm: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [helm, "template", "driftline", str(CHART), "--namespace", "ml", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


def rendered(helm: str, name: str, *arguments: str) -> list[dict]:
    done = rendering(helm, "--values", str(VALUES[name]), *arguments)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def of_kind(documents: list[dict], kind: str) -> list[dict]:
    return [document for document in documents if document["kind"] == kind]


def pods(documents: list[dict]) -> dict[str, dict]:
    """The pod specification of each workload, by its component."""
    found = of_kind(documents, "Deployment") + of_kind(documents, "Job")
    return {d["metadata"]["labels"]["app.kubernetes.io/component"]: d["spec"]["template"]["spec"] for d in found}


def test_the_installations_are_the_ones_that_are_tested():
    assert set(VALUES) == {"default", "ha", "sqlite", "plain"}


@pytest.mark.parametrize("name", VALUES)
def test_helm_finds_nothing_wrong_with_the_chart(helm, name):
    done = subprocess.run(
        [helm, "lint", "--strict", str(CHART), "--values", str(VALUES[name])],
        check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, "0 chart(s) failed" in done.stdout) == (0, True), done.stdout + done.stderr


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("name", VALUES)
def test_kubernetes_knows_every_field(helm, name, version):
    documents = [d for d in rendered(helm, name) if d["kind"] not in OPERATORS]
    assert len(documents) >= 4
    for document in documents:
        kubernetes_validate.validate(document, version, strict=True)


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("default", {"Deployment": 2, "Job": 1, "HorizontalPodAutoscaler": 1, "PodDisruptionBudget": 1, "Service": 2,
                     "NetworkPolicy": 1, "ConfigMap": 1, "ServiceAccount": 1}),
        ("sqlite", {"Deployment": 1, "PersistentVolumeClaim": 1, "Service": 1, "NetworkPolicy": 1,
                    "ServiceAccount": 1}),
        ("plain", {"Deployment": 2, "Service": 2, "ConfigMap": 1}),
    ],
)  # fmt: skip
def test_an_installation_has_what_it_asks_for_and_nothing_else(helm, name, kinds):
    documents = rendered(helm, name)
    assert {kind: len(of_kind(documents, kind)) for kind in {d["kind"] for d in documents}} == kinds


@pytest.mark.parametrize("name", VALUES)
def test_every_pod_is_without_privileges_on_a_read_only_root(helm, name):
    for spec in pods(rendered(helm, name)).values():
        assert (spec["automountServiceAccountToken"], spec["enableServiceLinks"]) == (False, False)
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        (container,) = spec["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert set(container["resources"]) == {"requests", "limits"}
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        assert mounted == {volume["name"] for volume in spec["volumes"]}


@pytest.mark.parametrize("name", VALUES)
def test_every_setting_command_option_and_probe_exists(helm, name):
    group = typer.main.get_command(build())
    for component, spec in pods(rendered(helm, name)).items():
        (container,) = spec["containers"]
        command = group.commands[container["args"][0]]
        options = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in container["args"] if word.startswith("--")} <= options
        for variable in container["env"]:
            setting = variable["name"].removeprefix("DRIFTLINE_").removesuffix("_FILE").lower()
            assert setting in TABLE
            if setting not in ("config", "database_url"):
                TABLE[setting].parse(variable["value"])
        if component != "migrate":
            assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
            assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
            assert spec["terminationGracePeriodSeconds"] > 20 + 5  # requests in flight, and the pause before
            assert len(spec["topologySpreadConstraints"]) == 2


@pytest.mark.parametrize("name", VALUES)
def test_secrets_are_named_and_never_written(helm, name):
    documents = rendered(helm, name)
    assert of_kind(documents, "Secret") == []
    assert "postgresql://" not in yaml.safe_dump(documents)


def test_services_and_budgets_select_the_pods_that_they_are_for(helm):
    documents = rendered(helm, "ha")
    labels = {
        d["metadata"]["labels"]["app.kubernetes.io/component"]: d["spec"]["template"]["metadata"]["labels"]
        for d in of_kind(documents, "Deployment")
    }
    for service in of_kind(documents, "Service"):
        chosen = [c for c, has in labels.items() if service["spec"]["selector"].items() <= has.items()]
        assert chosen == [service["metadata"]["labels"]["app.kubernetes.io/component"]]
    (budget,) = of_kind(documents, "PodDisruptionBudget")
    wanted = budget["spec"]["selector"]["matchLabels"]
    assert [c for c, has in labels.items() if wanted.items() <= has.items()] == ["api"]
    (scaler,) = of_kind(documents, "HorizontalPodAutoscaler")
    target = next(d for d in of_kind(documents, "Deployment") if d["metadata"]["name"].endswith("-api"))
    assert (scaler["spec"]["scaleTargetRef"]["name"], "replicas" in target["spec"]) == (
        target["metadata"]["name"], False,
    )  # fmt: skip


def test_the_schema_is_migrated_before_an_install_and_an_upgrade(helm):
    (job,) = of_kind(rendered(helm, "default"), "Job")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    own = {"configMap", "persistentVolumeClaim"}  # of the release: not there before it is installed
    assert not [v for v in job["spec"]["template"]["spec"]["volumes"] if own & set(v)]
    assert "serviceAccountName" not in job["spec"]["template"]["spec"]


def test_prometheus_finds_every_process_with_a_token_and_the_shipped_rules(helm, tmp_path):
    documents = rendered(helm, "ha")
    (monitor,) = of_kind(documents, "ServiceMonitor")
    wanted = monitor["spec"]["selector"]["matchLabels"]
    services = of_kind(documents, "Service")
    assert [s["metadata"]["name"] for s in services if wanted.items() <= s["metadata"]["labels"].items()] == [
        s["metadata"]["name"] for s in services
    ]
    # monitoring.coreos.com/v1 requires spec.selector and spec.endpoints; credentials is a SecretKeySelector
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint["authorization"] == {
        "type": "Bearer", "credentials": {"name": "driftline-metrics", "key": "metrics-token"},
    }  # fmt: skip
    assert {port["name"] for s in services for port in s["spec"]["ports"]} == {endpoint["port"]}
    (rule,) = of_kind(documents, "PrometheusRule")
    assert rule["spec"] == yaml.safe_load((ROOT / "deploy/prometheus/driftline.rules.yml").read_text(encoding="utf-8"))
    written = tmp_path / "rules.yml"
    written.write_text(yaml.safe_dump(rule["spec"]), encoding="utf-8")
    checked = subprocess.run(
        [binary("promtool"), "check", "rules", str(written)], check=False, capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_dashboard_is_in_a_config_map_that_grafana_looks_for(helm):
    shipped = {p.name: p.read_text(encoding="utf-8") for p in (ROOT / "grafana/dashboards").glob("*.json")}
    maps = [m for m in of_kind(rendered(helm, "ha"), "ConfigMap") if "grafana_dashboard" in m["metadata"]["labels"]]
    assert {m["metadata"]["labels"]["grafana_dashboard"] for m in maps} == {"1"}
    carried = {name: text for m in maps for name, text in m["data"].items()}
    assert {name: json.loads(text) for name, text in carried.items()} == {
        name: json.loads(text) for name, text in shipped.items()
    }
    assert len(shipped) >= 4
    assert max(len(text) for text in carried.values()) < 1_000_000  # what a ConfigMap holds


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "database.existingSecret is empty"),
        (("--set", "database.existingSecret=a"), "access.existingSecret is empty"),
        (("--set", "database.kind=sqlite"), "one pod alone may open"),
        (("--set", "database.kind=sqlite,api.autoscaling.enabled=false,api.replicas=2"), "one pod alone may open"),
        (("--set", "database.kind=mysql"), "database"),
        (("--set", "databse.kind=sqlite"), "databse"),
        (("--set", "settings.DATABASE_URL=postgresql://u:p@h/d"), "DATABASE_URL"),
        (("--set", "terminationGracePeriodSeconds=5"), "terminationGracePeriodSeconds"),
    ],
)
def test_values_that_cannot_work_are_refused_with_their_name(helm, arguments, said):
    done = rendering(helm, *arguments)
    assert done.returncode != 0
    assert said in re.sub(r"\s+", " ", done.stderr)


def test_every_value_is_in_the_schema():
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))

    def compare(values: dict, node: dict, where: str) -> int:
        known = node.get("properties")
        if known is None:
            return 1
        assert set(values) <= set(known), where
        return sum(compare(v, known[k], f"{where}.{k}") if isinstance(v, dict) else 1 for k, v in values.items())

    assert compare(yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8")), schema, "values") >= 50


def test_the_chart_is_of_this_release():
    import monitor

    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert chart["appVersion"] == monitor.__version__
