"""Whether a version's reference is the one that the files want, and how to set it otherwise."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from monitor.configuration.difference import FieldChange
from monitor.configuration.problems import Problem
from monitor.configuration.resolved import ByDigest, FromFile, FromVersion, FromWindows, ResolvedVersion
from monitor.configuration.stored import StoredModel, StoredVersion
from monitor.model.entities import Reference
from monitor.model.time import rfc3339


@dataclass(frozen=True, slots=True, kw_only=True)
class Outstanding:
    """A reference to set once the configuration is stored: by ``file``, ``from_version``, ``windows`` or ``number``.

    ``last``: it looks at another version's, which may be outstanding too.
    """

    model: str
    version: str
    file: str | None = None
    named_in: str | None = None
    digest: str | None = None
    from_version: str | None = None
    windows: tuple[str, str] | None = None
    number: int | None = None

    @property
    def last(self) -> bool:
        """Whether it waits for those of other versions."""
        return self.from_version is not None and self.from_version != self.version

    def to_json(self) -> dict[str, Any]:
        """The reference as ``POST /apply`` answers it: what is not said is left out."""
        fields = ("model", "version", "file", "named_in", "digest", "from_version", "number")
        shape = {name: getattr(self, name) for name in fields if getattr(self, name) is not None}
        if self.windows is not None:
            shape["windows"] = {"from": self.windows[0], "to": self.windows[1]}
        return shape


@dataclass(slots=True, kw_only=True)
class ReferencePlan:
    """The reference that is to be set (None: none), how that shows, and why it cannot be."""

    outstanding: Outstanding | None = None
    changes: list[FieldChange] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A version whose reference is planned; ``reread``: the same rows are to be read again, by other columns."""

    wanted: ResolvedVersion
    model: str
    before: StoredModel | None
    reread: bool

    @property
    def stored(self) -> StoredVersion | None:
        return None if self.before is None else self.before.versions.get(self.wanted.name)

    @property
    def active(self) -> Reference | None:
        return None if self.stored is None else self.stored.active

    def digest_of(self, version: str) -> str | None:
        """The digest of a stored version's active reference."""
        stored = None if self.before is None else self.before.versions.get(version)
        return None if stored is None or stored.active is None else stored.active.digest

    def planned(self, new: str, *, old: str | None, **how: Any) -> ReferencePlan:
        """Outstanding where it is another one than before, or to be read again."""
        changes = [] if old == new else [FieldChange(field="reference", old=old, new=new)]
        needed = bool(changes) or self.reread
        outstanding = Outstanding(model=self.model, version=self.wanted.name, **how) if needed else None
        return ReferencePlan(outstanding=outstanding, changes=changes)


def plan_reference(
    wanted: ResolvedVersion, *, model: str, before: StoredModel | None, reread: bool
) -> ReferencePlan:  # fmt: skip
    """What the files say of the version's reference, held against the one it has."""
    asked = _Asked(wanted=wanted, model=model, before=before, reread=reread)
    source = wanted.reference
    old = asked.digest_of(wanted.name)
    if isinstance(source, FromFile):
        return _from_file(asked, source=source, old=old)
    if isinstance(source, FromWindows):
        windows = (rfc3339(source.from_us), rfc3339(source.to_us))
        said = f"stored:{windows[0]}/{windows[1]}"
        same = asked.active is not None and asked.active.source == said
        return asked.planned(said, old=said if same else old, windows=windows)
    if isinstance(source, FromVersion):
        theirs = asked.digest_of(source.version) or f"that of version {source.version}"
        return asked.planned(theirs, old=old, from_version=source.version)
    if isinstance(source, ByDigest):
        return _by_digest(asked, source=source, old=old)
    if reread and old is not None:
        return asked.planned(old, old=old, from_version=wanted.name)
    return ReferencePlan()


def _from_file(asked: _Asked, *, source: FromFile, old: str | None) -> ReferencePlan:
    if not source.digest:
        message = "the server reads no files of its clients: apply with driftline apply, or give the file's digest"
        place = asked.wanted.place.at("reference").at("file")
        return ReferencePlan(problems=[Problem(place=place, message=message)])
    return asked.planned(
        source.digest, old=old, file=source.file, named_in=asked.wanted.place.file, digest=source.digest
    )


def _by_digest(asked: _Asked, *, source: ByDigest, old: str | None) -> ReferencePlan:
    references = () if asked.stored is None else asked.stored.references
    number = next((reference.number for reference in references if reference.digest == source.digest), None)
    if number is None:
        message = f"the version has no reference {source.digest}: give it the file, reference: {{file: …}}"
        place = asked.wanted.place.at("reference").at("digest")
        return ReferencePlan(problems=[Problem(place=place, message=message)])
    if old == source.digest:  # at most its rows are read again
        return asked.planned(source.digest, old=old, from_version=asked.wanted.name)
    return asked.planned(source.digest, old=old, number=number)
