"""What a set of files says, resolved: models with their templates taken in, and their versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from monitor.configuration.problems import Place
from monitor.model.entities import Model


@dataclass(frozen=True, slots=True, kw_only=True)
class FromFile:
    """A file beside the one that names it; ``digest`` (``sha256:…``) once somebody has read it."""

    file: str
    digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FromVersion:
    """The reference of another version of the model."""

    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FromWindows:
    """The version's own stored rows with timestamps in ``[from_us, to_us)``."""

    from_us: int
    to_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ByDigest:
    """A reference that the server has already: what an export writes."""

    digest: str


ReferenceSource = FromFile | FromVersion | FromWindows | ByDigest


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedVersion:
    """One version. ``fields`` are those of a ``PUT``; ``columns`` None: nothing is said of them."""

    name: str
    place: Place
    fields: Mapping[str, Any] = field(default_factory=dict)
    columns: Mapping[str, Mapping[str, Any]] | None = None
    reference: ReferenceSource | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedModel:
    """One model as it is to be: ``model`` with every field that is not given at its default."""

    place: Place
    model: Model
    versions: tuple[ResolvedVersion, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """One set of files; ``name`` is None where nobody named it. Models by name."""

    name: str | None
    models: tuple[ResolvedModel, ...]


Outcome = Literal["create", "update", "delete"]
