"""From what a set of files says and what is stored to what is to be written: decided here, written elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from monitor.configuration.difference import Change, FieldChange, model_changes
from monitor.configuration.problems import Place, Problem
from monitor.configuration.reference_plan import Outstanding
from monitor.configuration.resolved import Configuration, FromVersion, Outcome, ResolvedModel
from monitor.configuration.stored import StoredModel
from monitor.configuration.version_plan import VersionWrite, plan_version
from monitor.model.defaults import following
from monitor.model.entities import Model
from monitor.model.names import nearest
from monitor.model.segments import MAX_SEGMENTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How to apply: ``prune`` removes what the set made and no longer names, ``adopt`` takes over what others made.

    ``within`` says of a model's name whether it may be removed at all: a token may be limited to some.
    """

    prune: bool = False
    adopt: bool = False
    max_columns: int = 2_000
    max_segments: int = MAX_SEGMENTS
    within: Callable[[str], bool] = lambda name: True


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelWrite:
    """A model as it is to be stored (id 0: a new one), and its versions that change."""

    before: StoredModel | None
    after: ResolvedModel
    changed: bool
    versions: tuple[VersionWrite, ...]

    @property
    def rewindowed(self) -> bool:
        """Whether its time is cut otherwise: not while it has windows."""
        return self.before is not None and self.before.model.window != self.after.model.window


@dataclass(slots=True, kw_only=True)
class Plan:
    """All that is to happen; ``removed`` are (model, version or None for the whole model)."""

    changes: list[Change] = field(default_factory=list)
    writes: list[ModelWrite] = field(default_factory=list)
    removed: list[tuple[str, str | None]] = field(default_factory=list)
    references: list[Outstanding] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def plan(configuration: Configuration, *, stored: Mapping[str, StoredModel], rules: Rules, now_us: int) -> Plan:
    """What applying the configuration does. ``stored`` holds the models it names and those the set once made."""
    made = Plan()
    for wanted in configuration.models:
        name = wanted.model.name
        _plan_model(made, wanted=wanted, before=stored.get(name), owner=configuration.name, rules=rules, now_us=now_us)
    if rules.prune and configuration.name is None:
        message = "pruning needs the set's name: write name: … at the top of a file, or say --set"
        made.problems.append(Problem(place=Place(file="the set", path="name"), message=message))
    elif rules.prune:
        _prune(made, configuration=configuration, stored=stored, within=rules.within)
    made.references.sort(key=lambda wanted: wanted.last)
    return made


def _plan_model(
    made: Plan, *, wanted: ResolvedModel, before: StoredModel | None, owner: str | None, rules: Rules, now_us: int
) -> None:
    after = replace(wanted, model=_owned(wanted.model, before=before, owner=owner, rules=rules, now_us=now_us))
    told_segments = len(after.model.settings.get("segments") or ())
    if told_segments > rules.max_segments:
        message = f"{told_segments} segments: expected at most {rules.max_segments} (DRIFTLINE_MAX_SEGMENTS)"
        made.problems.append(Problem(place=wanted.place.at("segments"), message=message))
    changes = model_changes(None if before is None else before.model, after.model)
    told = [*_adoption(before, after=after.model), *changes]
    known = len(made.changes)
    if before is None or told:
        action: Outcome = "create" if before is None else "update"
        made.changes.append(Change(model=after.model.name, action=action, fields=tuple(told)))
    versions = _plan_versions(made, wanted=after, before=before, owner=owner, rules=rules, now_us=now_us)
    if before is not None and len(made.changes) > known and not rules.adopt:
        made.problems += _foreign(wanted, origin=before.model.origin, owner=owner)
    versions += _followers(after, before=before, now_us=now_us)
    if before is None or told or versions:
        made.writes.append(
            ModelWrite(before=before, after=after, changed=before is None or bool(told), versions=tuple(versions))
        )


def _owned(model: Model, *, before: StoredModel | None, owner: str | None, rules: Rules, now_us: int) -> Model:
    """The model with what is not the file's to say: id, times, who made it."""
    if before is None:
        return replace(model, created_us=now_us, updated_us=now_us, origin=owner)
    stored = before.model
    return replace(
        model, id=stored.id, created_us=stored.created_us, updated_us=now_us, revision=stored.revision,
        origin=owner if rules.adopt and owner is not None else stored.origin,
    )  # fmt: skip


def _adoption(before: StoredModel | None, *, after: Model) -> list[FieldChange]:
    if before is None or before.model.origin == after.origin:
        return []
    return [FieldChange(field="origin", old=before.model.origin, new=after.origin)]


def _foreign(wanted: ResolvedModel, *, origin: str | None, owner: str | None) -> list[Problem]:
    """Two sets that change one model would undo each other's work in turn."""
    if origin in (None, owner):
        return []
    message = (
        f"the model was made by the set {origin!r}, and this one is {repr(owner) if owner else 'without a name'}: "
        "change it there, or take it over with --adopt"
    )
    return [Problem(place=wanted.place, message=message, code="owned")]


def _plan_versions(
    made: Plan, *, wanted: ResolvedModel, before: StoredModel | None, owner: str | None, rules: Rules, now_us: int
) -> list[VersionWrite]:
    writes: list[VersionWrite] = []
    for version in wanted.versions:
        planned = plan_version(
            version, model=wanted.model, before=before, owner=owner, adopt=rules.adopt, max_columns=rules.max_columns,
            now_us=now_us,
        )  # fmt: skip
        made.problems += planned.problems
        made.changes += [] if planned.change is None else [planned.change]
        made.references += [] if planned.reference is None else [planned.reference]
        writes += [] if planned.write is None else [planned.write]
    made.problems += _strangers(wanted, before=before)
    _wait_for_each_other(made, wanted=wanted)
    return writes


def _strangers(wanted: ResolvedModel, *, before: StoredModel | None) -> Iterator[Problem]:
    """References of versions that are neither stored nor in the files."""
    known = {version.name for version in wanted.versions} | set(before.versions if before is not None else ())
    for version in wanted.versions:
        source = version.reference
        if isinstance(source, FromVersion) and source.version not in known:
            place = version.place.at("reference").at("from_version")
            hint = nearest(source.version, known) or f": the model has {', '.join(sorted(known)[:20])}"
            yield Problem(place=place, message=f"version {source.version[:80]!r} is not known{hint}")


def _wait_for_each_other(made: Plan, *, wanted: ResolvedModel) -> None:
    """A version that takes the reference of another one takes the one that is still to be set."""
    name = wanted.model.name
    waiting = {reference.version for reference in made.references if reference.model == name}
    for version in wanted.versions:
        source = version.reference
        if isinstance(source, FromVersion) and source.version in waiting and version.name not in waiting:
            made.references.append(Outstanding(model=name, version=version.name, from_version=source.version))


def _followers(wanted: ResolvedModel, *, before: StoredModel | None, now_us: int) -> Iterator[VersionWrite]:
    """Versions that the files do not name and that take something from the model."""
    named = {version.name for version in wanted.versions}
    for name, stored in {} if before is None else before.versions.items():
        after = following(stored.version, model=wanted.model)
        values = [(v.positive, v.decision_threshold) for v in (stored.version, after)]
        if name not in named and values[0] != values[1]:
            yield VersionWrite(before=stored.version, after=replace(after, updated_us=now_us), schema=None)


def _prune(
    made: Plan, *, configuration: Configuration, stored: Mapping[str, StoredModel], within: Callable[[str], bool]
) -> None:
    wanted = {model.model.name: {version.name for version in model.versions} for model in configuration.models}
    for name, before in sorted(stored.items()):
        if name not in wanted and before.model.origin == configuration.name:
            if not within(name):
                message = "the set no longer names it, and the token is limited to other models: prune with another one"
                made.problems.append(Problem(place=Place(file="the set", path=f"models.{name}"), message=message))
            made.removed.append((name, None))
            made.changes.append(Change(model=name, action="delete"))
        for version in sorted(before.versions) if name in wanted else ():
            if version not in wanted[name] and before.versions[version].version.origin == configuration.name:
                made.removed.append((name, version))
                made.changes.append(Change(model=name, version=version, action="delete"))
