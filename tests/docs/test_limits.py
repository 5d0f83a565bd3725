"""``docs/limits.md`` says of every bound what the code says, and leaves none out."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from monitor.ingest.limits import Limits
from monitor.settings import DEFAULTS

PAGE = Path(__file__).parents[2] / "docs" / "limits.md"
ROWS = re.findall(r"^\| [^|]+ \| `([\w.]+)` \| ([^|]+) \| ([^|]+) \|$", PAGE.read_text(encoding="utf-8"), flags=re.M)
UNITS = {"": 1, "s": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
# Modules that hold what clients meet; a bound that is added to one must come into the page.
LOOKED_AT = (
    "monitor.api.body", "monitor.api.params", "monitor.api.protocol", "monitor.api.references", "monitor.api.upload",
    "monitor.columns.flatten", "monitor.columns.quarantine", "monitor.configuration.bodies",
    "monitor.configuration.reading", "monitor.configuration.resolve", "monitor.ingest.limits", "monitor.model.checks",
    "monitor.model.conditions", "monitor.model.grants", "monitor.model.handling", "monitor.model.labels",
    "monitor.model.schema", "monitor.model.silences", "monitor.store.silences", "monitor.store.tokens",
    "monitor.profile.dlp", "monitor.tokens_file",
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
