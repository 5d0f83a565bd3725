"""What is different between two states of a model or a version, field by field, checks by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from monitor.configuration.bodies import model_shape
from monitor.configuration.resolved import Outcome
from monitor.model.defaults import DEFAULTS, inherited_fields
from monitor.model.entities import Model, Version

_NOT_SETTINGS = ("name", "created_at", "updated_at", "revision", "origin")


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """One field, such as ``checks.drift.threshold``; None on a side where it is not there (or at its default)."""

    field: str
    old: Any
    new: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What happens to one model, or to one ``version`` of it."""

    model: str
    version: str | None = None
    action: Outcome
    fields: tuple[FieldChange, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The change as ``POST /apply`` answers it."""
        fields = [{"field": f.field, "old": f.old, "new": f.new} for f in self.fields]
        return {"action": self.action, "model": self.model, "version": self.version, "fields": fields}


def model_changes(before: Model | None, after: Model) -> tuple[FieldChange, ...]:
    """The fields of a model that change; of a new one those that are not at their default.

    >>> changed = model_changes(Model(name="churn", team="a"), Model(name="churn", team="b"))
    >>> [(change.field, change.old, change.new) for change in changed]
    [('team', 'a', 'b')]
    """
    old = _shown(before or Model(name=after.name))
    new = _shown(after)
    if after.stale_after_us is None and (before is None or before.stale_after_us is None):
        del new["stale_after"]  # it follows from the window
    changes: list[FieldChange] = []
    for key, value in new.items():
        if key == "checks":
            changes += _check_changes(old[key], value)
        elif value != old[key]:
            changes.append(FieldChange(field=key, old=None if before is None else old[key], new=value))
    return tuple(changes)


def version_changes(before: Version | None, after: Version) -> list[FieldChange]:
    """The fields of a version that change; what it takes from its model is None."""
    old, new = _own(before), _own(after)
    return [FieldChange(field=key, old=old.get(key), new=value) for key, value in new.items() if value != old.get(key)]


def entry_changes(
    field: str, old: Mapping[str, Any], new: Mapping[str, Any]
) -> list[FieldChange]:  # fmt: skip
    """The entries that come, go or change, as ``field.name``."""
    names = dict.fromkeys([*new, *old])
    return [
        FieldChange(field=f"{field}.{name}", old=old.get(name), new=new.get(name))
        for name in names
        if old.get(name) != new.get(name)
    ]


def _shown(model: Model) -> dict[str, Any]:
    return {key: value for key, value in model_shape(model).items() if key not in _NOT_SETTINGS}


def _own(version: Version | None) -> dict[str, Any]:
    if version is None:
        return {}
    inherited = inherited_fields(version)
    own = {key: None if key in inherited else getattr(version, key) for key in DEFAULTS}
    return {"state": version.state, **own, **{key: version.settings.get(key) for key in ("baseline", "tags")}}


def _check_changes(old: list[dict[str, Any]] | None, new: list[dict[str, Any]] | None) -> Iterable[FieldChange]:
    if old == new:
        return
    if not new or (not old and old is not None):  # all go, or there were none: default checks are None
        yield FieldChange(field="checks", old=old, new=new)
        return
    before = {check["name"]: check for check in old or ()}
    after = {check["name"]: check for check in new}
    for name in dict.fromkeys([*after, *before]):
        if name in before and name in after:
            yield from entry_changes(f"checks.{name}", before[name], after[name])
        else:
            yield FieldChange(field=f"checks.{name}", old=before.get(name), new=after.get(name))
    order = [[name for name in one if name in other] for one, other in ((before, after), (after, before))]
    if order[0] != order[1]:
        yield FieldChange(field="order of checks", old=order[0], new=order[1])
