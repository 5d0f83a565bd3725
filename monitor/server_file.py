"""The administrator's server file (``DRIFTLINE_CONFIG``): YAML, read strictly, wrong means no start."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from monitor.model.errors import ConfigurationError
from monitor.model.names import nearest

MAX_BYTES = 1024**2
_LATER = ("defaults", "targets")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFile:
    """What the server file says: where tokens are listed, and whether ``/metrics`` needs one."""

    tokens_file: Path | None = None
    open_metrics: bool = False


def read_server_file(path: Path | None) -> ServerFile:
    """What the file says; without a file what holds without. Raises ``ConfigurationError``.

    >>> read_server_file(None)
    ServerFile(tokens_file=None, open_metrics=False)
    """
    if path is None:
        return ServerFile()
    shape = checked_mapping(read_yaml(path), known=("driftline", "auth", *_LATER), where=f"server file {path}")
    if shape.get("driftline") != 1 or shape.get("driftline") is True:
        raise ConfigurationError(
            f"server file {path}: driftline is {shape.get('driftline')!r}: expected 1, the version of the format"
        )
    for name in _LATER:
        if name in shape:
            raise ConfigurationError(
                f"server file {path}: {name} is not available yet: it comes with a later release; remove it"
            )
    auth = checked_mapping(shape.get("auth", {}), known=("tokens_file", "metrics"), where=f"server file {path}: auth")
    tokens, metrics = auth.get("tokens_file"), auth.get("metrics", "token")
    if "tokens_file" in auth and (not isinstance(tokens, str) or not tokens):
        raise ConfigurationError(f"server file {path}: auth.tokens_file is {tokens!r}: expected a path")
    if metrics not in ("none", "token"):
        raise ConfigurationError(
            f"server file {path}: auth.metrics is {metrics!r}: expected none (no token) or token (the default)"
        )
    return ServerFile(
        tokens_file=path.parent / tokens if isinstance(tokens, str) else None, open_metrics=metrics == "none"
    )


def read_yaml(path: Path) -> Any:
    """What a YAML file of the administrator holds; a key given twice is an error. Raises ``ConfigurationError``."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigurationError(f"{path} has {path.stat().st_size} bytes: expected at most {MAX_BYTES}")
        loader = _StrictLoader(path.read_text(encoding="utf-8"))
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except (OSError, UnicodeError) as error:
        raise ConfigurationError(f"{path}: expected a readable UTF-8 file ({error})") from None
    except yaml.MarkedYAMLError as error:  # its own text quotes the line, which may hold a secret
        mark = error.problem_mark
        place = f" (line {mark.line + 1})" if mark is not None else ""
        raise ConfigurationError(f"{path}{place} is not YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path} is not YAML that can be read ({type(error).__name__})") from None


def checked_mapping(shape: Any, *, known: Iterable[str], where: str) -> dict[str, Any]:
    """The shape itself, a mapping of known keys; ``ConfigurationError`` names the stranger and the nearest key."""
    if not isinstance(shape, dict):
        raise ConfigurationError(f"{where}: expected a mapping, found {type(shape).__name__}")
    known = tuple(known)
    for key in shape:
        if key not in known:
            raise ConfigurationError(
                f"{where}: {str(key)[:40]!r} is not known{nearest(str(key), known)}: expected {', '.join(known)}"
            )
    return shape


class _StrictLoader(yaml.SafeLoader):
    """YAML's safe loader that refuses a key given twice instead of forgetting the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """The mapping of a node."""
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.MarkedYAMLError(None, None, f"the key {key.value[:40]!r} is there twice", key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)
