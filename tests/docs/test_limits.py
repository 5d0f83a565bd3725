"""``docs/limits.md`` says of every bound what the code says, and leaves none out."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from monitor.ingest.limits import Limits
from monitor.settings import DEFAULTS

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "limits.md"
ROWS = re.findall(r"^\| [^|]+ \| `([\w.]+)` \| ([^|]+) \| ([^|]+) \|$", PAGE.read_text(encoding="utf-8"), flags=re.M)
UNITS = {"": 1, "s": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
# Modules that hold what clients meet; a bound that is added to one must come into the page.
LOOKED_AT = (
    "monitor.api.body", "monitor.api.configuration", "monitor.api.erasures", "monitor.api.params",
    "monitor.api.large_answers", "monitor.api.protocol", "monitor.api.references", "monitor.api.routing",
    "monitor.api.upload", "monitor.api.webhook_body",
    "monitor.columns.flatten", "monitor.columns.quarantine", "monitor.configuration.bodies",
    "monitor.configuration.reading", "monitor.configuration.resolve", "monitor.configuration.templates",
    "monitor.evaluate.simulate", "monitor.ingest.limits", "monitor.ingest.records", "monitor.ingest.replay",
    "monitor.model.baseline", "monitor.model.checks", "monitor.model.conditions", "monitor.model.grants",
    "monitor.model.handling", "monitor.model.labels", "monitor.model.schema", "monitor.model.silences",
    "monitor.profile.dlp", "monitor.store.kept_aside", "monitor.store.marks", "monitor.store.models",
    "monitor.store.references", "monitor.store.silences", "monitor.store.tokens", "monitor.store.versions",
    "monitor.tokens_file",
)  # fmt: skip


def value_of(name: str) -> float:
    """What the code says: a setting's default, a constant, or a default of ``Limits``."""
    if name.startswith("DRIFTLINE_"):
        return DEFAULTS[name.removeprefix("DRIFTLINE_").lower()]
    if name.startswith("monitor.ingest.limits.Limits."):
        return getattr(Limits(), name.rpartition(".")[2])
    module, _, constant = name.rpartition(".")
    return getattr(importlib.import_module(module), constant)


@pytest.mark.parametrize(("name", "default"), [(name, default) for name, default, _ in ROWS], ids=str)
def test_the_default_is_the_one_of_the_code(name, default):
    number, _, unit = default.partition(" ")
    assert int(number.replace(",", "")) * UNITS[unit] == value_of(name)


def test_every_bound_of_a_client_is_in_the_table_once():
    named = [name for name, _, _ in ROWS]
    assert len(named) == len(set(named)) >= 40
    bounds = {f"DRIFTLINE_{name.upper()}" for name in DEFAULTS if name.startswith("max_")}
    for module in LOOKED_AT:
        code = importlib.import_module(module)
        source = Path(code.__file__).read_text(encoding="utf-8")
        bounds |= {f"{module}.{name}" for name in re.findall(r"^((?:MAX|MOST)_[A-Z_]+(?<!_US)) = ", source, flags=re.M)}
    assert bounds - set(named) == set()


def proved() -> list[str]:
    """The names in the marks ``limit`` of all tests, as their modules have them."""
    names = []
    for path in sorted(TESTS.rglob("test_*.py")):
        if "pytest.mark.limit(" not in path.read_text(encoding="utf-8") or path == Path(__file__):
            continue
        module = importlib.import_module(".".join(path.relative_to(TESTS.parent).with_suffix("").parts))
        marks = [m for test in vars(module).values() for m in getattr(test, "pytestmark", ()) if m.name == "limit"]
        names += [name for mark in marks for name in mark.args]
    return names


def test_every_row_has_a_test_of_its_edge_and_every_such_test_a_row():
    assert sorted(set(proved())) == sorted({name for name, _, _ in ROWS})
