"""What is stored of the models that a set of files is about, as one snapshot saw it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from monitor.model.entities import Model, Reference, Version
from monitor.model.schema import Schema


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVersion:
    """A version with its schema and every ready reference, the newest first."""

    version: Version
    schema: Schema | None = None
    references: tuple[Reference, ...] = ()

    @property
    def active(self) -> Reference | None:
        """The reference it is held against."""
        return next((r for r in self.references if r.id == self.version.reference_id), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredModel:
    """A model with its versions by name."""

    model: Model
    versions: Mapping[str, StoredVersion] = field(default_factory=dict)
