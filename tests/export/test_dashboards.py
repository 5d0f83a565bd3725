"""The shipped dashboards: current, complete on every panel, one answer from many replicas, bounded at any size."""

from __future__ import annotations

import doctest
import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prometheus_client import generate_latest

from grafana import metrics
from grafana.board import Panel
from grafana.boards import BOARDS as DECLARED
from grafana.metrics import COUNTED, GAUGES, OWN, added, shared
from grafana.pictures import looks, variables
from monitor.export.families import FAMILIES
from monitor.telemetry import Telemetry

ROOT = Path(__file__).resolve().parents[2]
DIRECTORY = ROOT / "grafana/dashboards"
BOARDS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(DIRECTORY.glob("*.json"))}
PANELS = [
    pytest.param(panel, id=f"{name}: {panel['title']}")
    for name, board in BOARDS.items()
    for panel in board["panels"]
    if panel["type"] != "row"
]
EXPRESSIONS = [
    *(target["expr"] for board in BOARDS.values() for p in board["panels"] for target in p.get("targets", ())),
    *(one["target"]["expr"] for board in BOARDS.values() for one in board["annotations"]["list"]),
]


@pytest.fixture
def sdk() -> None:
    if importlib.util.find_spec("grafana_foundation_sdk") is None:
        reason = "grafana-foundation-sdk is not installed: pip install -e .[dev]"
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail(reason)
        pytest.skip(reason)


def test_the_json_is_what_the_code_says(sdk, tmp_path):
    subprocess.run([sys.executable, "-m", "grafana", str(tmp_path)], check=True, cwd=ROOT)
    made = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    assert made == {path.name: path.read_text(encoding="utf-8") for path in DIRECTORY.iterdir()}, (
        "run: python -m grafana"
    )


def lost(ours: object, theirs: object, *, where: str) -> Iterator[str]:
    """Where what we wrote is not what was read of it; keys that only the reader has are its defaults."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key, value in ours.items():
            yield from lost(value, theirs.get(key, "missing"), where=f"{where}.{key}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for place, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from lost(one, other, where=f"{where}[{place}]")
    elif ours != theirs:
        yield f"{where}: {ours!r} was read as {theirs!r}"


@pytest.mark.filterwarnings("ignore:Prefer using dashboardv2:DeprecationWarning")  # whose JSON older Grafanas refuse
@pytest.mark.parametrize("name", BOARDS)
def test_every_key_is_one_that_grafanas_schema_knows(sdk, name):
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.cog.plugins import register_default_plugins
    from grafana_foundation_sdk.models.dashboard import Dashboard

    register_default_plugins()
    read = Dashboard.from_json(BOARDS[name])
    assert list(lost(BOARDS[name], json.loads(JSONEncoder().encode(read)), where="")) == []


@pytest.mark.filterwarnings("ignore:Prefer using dashboardv2:DeprecationWarning")
@pytest.mark.parametrize("panel", PANELS)
def test_every_unit_is_one_that_grafana_has(sdk, panel):
    from grafana_foundation_sdk.models import units

    known = {value for name, value in vars(units).items() if not name.startswith("_")}
    overridden = [p["value"] for o in panel["fieldConfig"]["overrides"] for p in o["properties"] if p["id"] == "unit"]
    assert {panel["fieldConfig"]["defaults"]["unit"], *overridden} <= known


@pytest.mark.parametrize("panel", PANELS)
def test_every_panel_says_what_it_shows_in_which_unit_and_what_it_means_to_be_empty(panel):
    assert len(panel["description"]) >= 20
    assert panel["description"].rstrip().endswith((".", "?"))
    defaults = panel["fieldConfig"]["defaults"]
    assert defaults["unit"]
    assert defaults["noValue"]
    assert panel["targets"]
    if len(panel["targets"]) > 1 and panel["type"] != "table":
        assert all(target["legendFormat"] for target in panel["targets"])


def test_identities_are_stable_and_unique_and_the_schema_is_stated():
    assert {name: board["uid"] for name, board in BOARDS.items()} == {
        name: f"driftline-{name}" for name in ("column", "fleet", "model", "service")
    }
    for board in BOARDS.values():
        ids = [panel["id"] for panel in board["panels"]]
        assert ids == list(range(1, len(ids) + 1))
        assert board["schemaVersion"] == 42
        assert "__inputs" not in board


@pytest.mark.parametrize("name", BOARDS)
def test_no_two_panels_overlap_and_none_leaves_the_grid(name):
    taken: set[tuple[int, int]] = set()
    for panel in BOARDS[name]["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        taken |= cells


def test_every_link_leads_to_a_dashboard_with_the_variables_it_is_given():
    known = {board["uid"]: {one["name"] for one in board["templating"]["list"]} for board in BOARDS.values()}
    text = json.dumps(BOARDS)
    places = re.findall(r"/d/(driftline-\w+)([^\"]*)", text)
    assert len(places) >= 10
    for uid, rest in places:
        named = re.findall(r"var-(\w+)=|\$\{(\w+):queryparam\}", rest)
        assert {a or b for a, b in named} <= known[uid]
    for board in BOARDS.values():
        assert all(link["keepTime"] and link["includeVars"] for link in board["links"])
        assert board["links"]


def test_every_metric_is_asked_for_as_one_answer_from_many_replicas():
    assert len(EXPRESSIONS) >= 80
    for expression in EXPRESSIONS:
        for match in re.finditer(r"driftline_\w+", expression):
            before = expression[: match.start()]
            if match[0] in GAUGES:
                assert re.search(r"max( by \([\w, ]+\))? \((last_over_time\()?$", before), expression
            else:
                assert match[0] in COUNTED
                assert re.search(r"sum( by \([\w, ]+\))? \(rate\($", before), expression


def test_the_table_of_the_processes_own_metrics_is_what_they_export():
    page = generate_latest(Telemetry().registry).decode()
    kinds = dict(line.split()[2:4] for line in page.splitlines() if line.startswith("# TYPE"))
    assert {name: kind for name, kind in OWN.items() if kind != "histogram"}.items() <= kinds.items()
    histograms = {name.removesuffix("_bucket") for name, kind in OWN.items() if kind == "histogram"}
    assert {kinds[name] for name in histograms} == {"histogram"}
    assert not set(OWN) & set(FAMILIES)


@pytest.mark.parametrize("module", [metrics, looks, variables], ids=lambda module: module.__name__)
def test_the_examples_in_the_code_are_true(module):
    found = doctest.testmod(module)
    assert found.attempted > 0
    assert found.failed == 0


def test_a_metric_that_does_not_exist_cannot_be_asked_for():
    for ask, family in ((shared, "driftline_requests_total"), (added, "driftline_model_stale"), (shared, "drift")):
        with pytest.raises(ValueError, match=f"'{family}' is not among"):
            ask(family)


def is_bounded(panel: Panel, expression: str) -> bool:
    """Whether a query gives few series however many models and columns there are."""
    by = re.match(r"(?:max|sum|count) by \(([\w, ]+)\)", expression)
    few = {"check", "result", "code", "step", "outcome", "kind", "metric", "version", "instance", "le", "step, outcome"}
    return (
        panel.kind == "table"  # has pages
        or "topk(" in expression
        or "bottomk(" in expression
        or not re.search(r"\bby \(", expression.split(" or ", maxsplit=1)[0])
        or (by is not None and set(by[1].split(", ")) <= few)
        or expression.startswith(("count(", "max(", "min(", "histogram_quantile(", "time()"))
        or "count_values(" in expression  # one series a state
    )


@pytest.mark.parametrize("name", DECLARED)
def test_no_panel_grows_with_the_number_of_models_or_columns(name):
    panels = [panel for section in DECLARED[name].sections for panel in section.panels]
    grown = [panel.title for panel in panels for query in panel.queries if not is_bounded(panel, query.expr)]
    assert grown == []


def test_every_variable_is_asked_again_when_the_time_range_changes():
    for board in BOARDS.values():
        first, *asked = board["templating"]["list"]
        assert (first["type"], first["current"]["value"]) == ("datasource", "driftline-prometheus")
        assert {variable["refresh"] for variable in asked} <= {2}


def test_what_is_provisioned_is_what_the_dashboards_ask():
    (source,) = yaml.safe_load((ROOT / "grafana/provisioning/datasources/driftline.yml").read_text())["datasources"]
    assert (source["uid"], source["type"]) == ("driftline-prometheus", "prometheus")
    (provider,) = yaml.safe_load((ROOT / "grafana/provisioning/dashboards/driftline.yml").read_text())["providers"]
    assert (provider["type"], provider["options"]["path"]) == ("file", "/etc/grafana/dashboards")
