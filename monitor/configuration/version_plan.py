"""What applying a set does to one version: its fields, its columns, its reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from monitor.configuration.bodies import FILE_COLUMNS, merged_version
from monitor.configuration.difference import Change, FieldChange, entry_changes, version_changes
from monitor.configuration.problems import Problem
from monitor.configuration.reference_plan import Outstanding, plan_reference
from monitor.configuration.resolved import Outcome, ResolvedVersion
from monitor.configuration.stored import StoredModel, StoredVersion
from monitor.configuration.version_fields import columns_of, schema_of
from monitor.model.entities import Model, Version
from monitor.model.schema import Schema


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionWrite:
    """A version as it is to be stored, and its new schema if that changes."""

    before: Version | None
    after: Version
    schema: Schema | None


@dataclass(slots=True, kw_only=True)
class VersionPlan:
    """What happens to one version; all None: nothing."""

    change: Change | None = None
    write: VersionWrite | None = None
    reference: Outstanding | None = None
    problems: list[Problem] = field(default_factory=list)


def plan_version(
    wanted: ResolvedVersion, *, model: Model, before: StoredModel | None, owner: str | None, adopt: bool,
    max_columns: int, now_us: int,
) -> VersionPlan:  # fmt: skip
    """What is to be written of the version, and which reference is outstanding then."""
    made = VersionPlan()
    stored = None if before is None else before.versions.get(wanted.name)
    after = _merged(wanted, model=model, stored=stored, owner=owner, adopt=adopt, now_us=now_us)
    changes = version_changes(None if stored is None else stored.version, after)
    schema, columns = _schema(wanted, stored=stored)
    if schema is not None:
        after = replace(after, settings=_with_columns(after.settings, wanted.columns or {}))
        if len(schema.columns) > max_columns:
            message = f"{len(schema.columns)} columns: expected at most {max_columns} (DRIFTLINE_MAX_COLUMNS)"
            made.problems.append(Problem(place=wanted.place.at("columns"), message=message))
    unread = stored is not None and stored.schema is not None and stored.schema.open and stored.active is not None
    reference = plan_reference(
        wanted, model=model.name, before=before, reread=unread or schema is not None
    )  # fmt: skip
    made.reference = reference.outstanding
    made.problems += reference.problems
    changes += [*columns, *reference.changes]
    if unread and not columns and not reference.changes:
        changes.append(FieldChange(field="reference", old="read by other columns", new="read by those in force"))
    if stored is not None and after.origin != stored.version.origin:
        changes.append(FieldChange(field="origin", old=stored.version.origin, new=after.origin))
    if stored is None or changes:
        action: Outcome = "create" if stored is None else "update"
        made.change = Change(model=model.name, version=wanted.name, action=action, fields=tuple(changes))
    if stored is None or schema is not None or _differs(stored.version, after):
        made.write = VersionWrite(before=None if stored is None else stored.version, after=after, schema=schema)
    return made


def _merged(
    wanted: ResolvedVersion, *, model: Model, stored: StoredVersion | None, owner: str | None, adopt: bool, now_us: int
) -> Version:
    """The version with the files' fields; state and positive class stay as they are where the files are silent."""
    fields = wanted.fields
    body: dict[str, Any] = {"baseline": fields.get("baseline"), "tags": fields.get("tags")}
    body["decision_threshold"] = fields.get("decision_threshold")
    if "state" in fields:
        body["state"] = fields["state"]
    if fields.get("positive") is not None or model.settings.get("positive") is not None:
        body["positive"] = fields.get("positive")
    if stored is None:
        version = Version(model_id=model.id, name=wanted.name, created_us=now_us, origin=owner)
    else:
        version = stored.version
        version = replace(version, origin=owner if adopt and owner is not None else version.origin)
    return replace(merged_version(version, model=model, body=body)[0], updated_us=now_us)


def _differs(before: Version, after: Version) -> bool:
    return replace(after, updated_us=before.updated_us) != before


def _schema(wanted: ResolvedVersion, *, stored: StoredVersion | None) -> tuple[Schema | None, list[FieldChange]]:
    """The new schema where what the files say of columns is not what was said before; else None."""
    old = _said(stored)
    by_file = stored is not None and FILE_COLUMNS in stored.version.settings
    if wanted.columns is None and not by_file:
        return None, []
    new = wanted.columns or {}
    changes = entry_changes("columns", old, new)
    return (schema_of(new) if changes else None), changes


def _said(stored: StoredVersion | None) -> Mapping[str, Any]:
    if stored is None:
        return {}
    said = stored.version.settings.get(FILE_COLUMNS)
    if said is None and stored.schema is not None and not stored.schema.inferred:
        return columns_of(stored.schema)
    return said or {}


def _with_columns(settings: dict[str, Any], columns: Mapping[str, Any]) -> dict[str, Any]:
    rest = {key: value for key, value in settings.items() if key != FILE_COLUMNS}
    return rest | ({FILE_COLUMNS: dict(columns)} if columns else {})
