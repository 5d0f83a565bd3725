"""Every setting, route, command, metric, check kind and reason is documented, and what the docs name exists."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest
import typer
from prometheus_client import generate_latest

from monitor.api.access import API, ROLES
from monitor.api.later import LATER
from monitor.cli import build
from monitor.model.checks import KINDS, Check
from monitor.model.grants import ROLE_NAMES
from monitor.model.results import UNKNOWN_REASONS
from monitor.performance import EFFECTS
from monitor.performance.measured import REASONS
from monitor.settings import Settings
from monitor.telemetry import Telemetry

ROOT = Path(__file__).parents[2]
PAGES = sorted({
    ROOT / "README.md", *(ROOT / "monitor/runbooks").glob("*.md"),
    *(p for p in (ROOT / "docs").rglob("*.md") if "runbooks" not in p.parts),  # a link to the ones above
})  # fmt: skip


OUTSIDE = (
    "/livez",
    "/readyz",
    "/metrics",
    "/docs",
    "/runbooks",
    API,
)


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def headings(name: str) -> set[str]:
    return {m.strip("` ") for m in re.findall(r"^#{2,4} (.+)$", page(name), flags=re.M)}


def test_every_setting_has_its_heading_and_no_other_setting_is_named():
    known = {f"DRIFTLINE_{f.name.upper()}" for f in fields(Settings)}
    assert len(known) >= 20
    assert {h for h in headings("settings.md") if h.startswith("DRIFTLINE_")} == known
    named = {word for p in PAGES for word in re.findall(r"DRIFTLINE_[A-Z_]*[A-Z]\b", p.read_text(encoding="utf-8"))}
    strangers = {n for n in named if n not in known and n.removesuffix("_FILE") not in known}
    assert strangers <= {"DRIFTLINE_X", "DRIFTLINE_X_FILE"}


def test_every_route_has_its_heading_and_no_other_route_is_named():
    later = {route for routes in LATER.values() for route in routes}
    served = set(ROLES) - later - {"GET /"}
    assert len(served) >= 28
    documented = {
        re.sub(
            r"\{[^}]*\}",
            "{}",
            f"{method} {path if path.startswith(OUTSIDE) else API + path}",
        )
        for method, path in (h.split(" ", 1) for h in headings("http.md") if re.match(r"(GET|PUT|POST|DELETE) /", h))
    }
    assert documented == {re.sub(r"\{[^}]*\}", "{}", route) for route in served}


def commands() -> list[str]:
    group = typer.main.get_command(build())
    return sorted(group.commands)


def test_every_command_has_its_heading_and_no_other_command_is_named():
    documented = {h.removeprefix("driftline ") for h in headings("cli.md") if h.startswith("driftline ")}
    assert documented == set(commands())
    assert len(documented) >= 15


@pytest.mark.parametrize("name", ["serve", "worker", "check", "profile", "demo", "models", "versions", "reference",
                                  "ingest", "labels", "results", "status", "evaluate", "migrate",
                                  "doctor", "backup", "restore",
                                  "verify"])  # fmt: skip
def test_every_command_of_the_contract_exists_and_its_help_has_an_example(name):
    group = typer.main.get_command(build())
    command = group.commands[name]
    shown = " ".join(filter(None, [command.help, command.epilog]))
    inner = getattr(command, "commands", {}).values()
    shown += " ".join(f"{c.help} {c.epilog}" for c in inner)
    assert "driftline " in shown or "$ " in shown


def test_every_metric_is_documented_and_no_other_is_named():
    from monitor.export.families import FAMILIES

    own = {f.split()[2] for f in generate_latest(Telemetry().registry).decode().splitlines() if f.startswith("# TYPE")}
    exported = {re.sub(r"_created$", "", n) for n in {*own, *FAMILIES} if not n.endswith("_created")}
    documented = set(re.findall(r"`(driftline_[a-z_]+)`", page("metrics.md")))
    assert len(exported) >= 29
    assert documented == exported


def test_every_check_kind_and_field_is_documented():
    text = page("configuration.md")
    for kind in KINDS:
        assert f"- **{kind}**" in text
    missing = {f.name for f in fields(Check) if f"`{f.name}`" not in text}
    assert missing == {"shape"}  # the shape as sent: not a field of its own


def test_every_role_is_documented():
    assert re.findall(r"^\| `(\w+)` \|", page("access.md"), flags=re.M) == list(ROLE_NAMES)


def test_every_reason_of_unknown_is_documented():
    assert {r for r in UNKNOWN_REASONS if f"`{r}`" not in page("alarms.md")} == set()


def test_every_metric_of_performance_and_its_reasons_of_unknown_are_documented():
    text = page("performance.md")
    assert {n for n in EFFECTS if not re.search(rf"^\| `{n}` \|", text, flags=re.M)} == set()
    assert {r for r in REASONS if f"`{r}`" not in text} == set()


@pytest.mark.parametrize("path", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_link_inside_the_repository_leads_somewhere(path):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target


@pytest.mark.parametrize("path", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_command_in_a_code_block_exists(path):
    known = set(commands())
    makes = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.M))
    for block in re.findall(r"```console\n(.*?)```", path.read_text(encoding="utf-8"), flags=re.S):
        for line in re.findall(r"^\$ (.+)$", block, flags=re.M):
            words = line.split()
            if words[0] == "driftline":
                assert words[1] in known, line
            if words[0] == "make":
                assert words[1] in makes, line


def test_decisions_are_short():
    for path in (ROOT / "docs" / "decisions").glob("*.md"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 40, path.name
