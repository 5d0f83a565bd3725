"""What is to be checked, from files: the checks of a JSON file, or checks and segments of a model file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitor.cli.options import Items
from monitor.model.errors import InvalidInput
from monitor.model.names import nearest


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Shapes of checks (None: the usual ones) and of segments; ``everywhere`` as in ``compare_sides``."""

    checks: list[Any] | None = None
    segments: Sequence[Any] = ()
    everywhere: bool = False


def asked_of(*, checks: Path | None, config: str | None, model: str | None, items: Items) -> Asked:
    """What the options ask for.

    A model file says itself where its checks are judged; ``--segment`` means everywhere where nothing is said.
    """
    everywhere = any(name == "segment" for name, _ in items)
    if config is None:
        if model is not None:
            raise InvalidInput(f"--model {model} names a model of --config, which is not given")
        return Asked(checks=None if checks is None else read_checks(checks), everywhere=everywhere)
    if checks is not None:
        raise InvalidInput("--checks and --config exclude each other: the model file has checks")
    settings = _settings(config, model=model)
    return Asked(checks=settings.get("checks"), segments=settings.get("segments") or (), everywhere=everywhere)


def read_checks(path: Path) -> list[Any]:
    """The check shapes of a JSON file: a list, or an object with ``checks``."""
    try:
        shape = json.loads(path.read_bytes())
    except OSError as error:
        raise InvalidInput(f"--checks {path}: {error.strerror}") from None
    except ValueError as error:
        raise InvalidInput(f"--checks {path} is not JSON: {error}") from None
    if isinstance(shape, dict):
        shape = shape.get("checks")
    if not isinstance(shape, list):
        raise InvalidInput(f'--checks {path}: expected a list of checks, or {{"checks": [...]}}')
    return shape


def _settings(config: str, *, model: str | None) -> dict[str, Any]:
    """The settings of the one model that is meant."""
    from monitor.cli.model_files import documents_of
    from monitor.configuration.problems import MOST, InvalidConfiguration
    from monitor.configuration.resolve import resolve

    try:
        models = {one.model.name: one.model for one in resolve(documents_of(config)).models}
    except InvalidConfiguration as error:
        raise InvalidInput("; ".join(str(problem) for problem in error.problems[:MOST])) from None
    if model is None and len(models) != 1:
        raise InvalidInput(f"--config {config} has {len(models)} models: say which with --model")
    name = next(iter(models)) if model is None else model
    if name not in models:
        raise InvalidInput(f"--config {config} has no model {name!r}{nearest(name, models)}")
    return models[name].settings
