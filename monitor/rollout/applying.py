"""One set of files applied: everything it says of models and versions in one transaction, or nothing.

References are not part of it: they are files of any size. The answer says which ones are outstanding, and applying
again says it again until they are set.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from monitor.configuration.bodies import fit_versions
from monitor.configuration.difference import Change
from monitor.configuration.plan import ModelWrite, Plan, Rules, plan
from monitor.configuration.problems import InvalidConfiguration, Problem
from monitor.configuration.reference_plan import Outstanding
from monitor.configuration.resolved import Configuration
from monitor.configuration.stored import StoredModel, StoredVersion
from monitor.configuration.version_plan import VersionWrite
from monitor.model.entities import Model
from monitor.model.errors import InvalidInput
from monitor.rollout.following import follow_model_segments
from monitor.store import holds, models, schemas, versions
from monitor.store.declaration import (
    lock_applying,
    models_named,
    ready_references,
    schemas_by_id,
    versions_of,
    windowed_models,
)
from monitor.store.engine import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What changed (in a dry run: would change), and the references that are to be set now."""

    changes: tuple[Change, ...]
    references: tuple[Outstanding, ...]
    applied: bool


def apply(
    store: Store, *, configuration: Configuration, rules: Rules, dry_run: bool, now_us: int
) -> Applied:  # fmt: skip
    """Brings the store to what the configuration says; ``InvalidConfiguration`` where that cannot be.

    Without a change nothing is written, and no lock is taken. Two at once: one after the other, the second decides
    on what the first left.
    """
    with store.read() as conn:
        made = _planned(conn, configuration=configuration, rules=rules, now_us=now_us, lock=False)
    if not dry_run and made.changes:
        with store.write() as conn:
            lock_applying(conn)
            made = _planned(conn, configuration=configuration, rules=rules, now_us=now_us, lock=True)
            _write(conn, made, now_us=now_us)
    return Applied(changes=tuple(made.changes), references=tuple(made.references), applied=not dry_run)


def _planned(conn: Connection, *, configuration: Configuration, rules: Rules, now_us: int, lock: bool) -> Plan:
    stored = read_stored(
        conn, names=[model.model.name for model in configuration.models], origin=configuration.name, lock=lock
    )
    made = plan(configuration, stored=stored, rules=rules, now_us=now_us)
    made.problems += [*_rewindowed(conn, made.writes), *_unfit(made)]
    if made.problems:
        raise InvalidConfiguration(made.problems)
    for name, _ in made.removed:
        holds.refuse(stored[name].model)  # a dry run says it too
    return made


def read_stored(
    conn: Connection, *, names: list[str], origin: str | None, lock: bool = False
) -> dict[str, StoredModel]:  # fmt: skip
    """The models of those names, and those that the set ``origin`` made, with all their versions."""
    found = models_named(conn, names=names, origin=origin, lock=lock)
    rows = versions_of(conn, model_ids=[model.id for model in found], lock=lock)
    known = schemas_by_id(conn, ids=(version.schema_id for version in rows if version.schema_id is not None))
    references = ready_references(conn, version_ids=[version.id for version in rows])
    by_model: dict[int, dict[str, StoredVersion]] = {model.id: {} for model in found}
    for version in rows:
        by_model[version.model_id][version.name] = StoredVersion(
            version=version, schema=None if version.schema_id is None else known.get(version.schema_id),
            references=tuple(references.get(version.id, ())),
        )  # fmt: skip
    return {model.name: StoredModel(model=model, versions=by_model[model.id]) for model in found}


def _rewindowed(conn: Connection, writes: Iterable[ModelWrite]) -> list[Problem]:
    """Windows of two lengths in one model could not be compared."""
    changed = {write.after.model.id: write for write in writes if write.rewindowed}
    problems = []
    for id in sorted(windowed_models(conn, model_ids=sorted(changed))):
        write = changed[id]
        before = write.before.model.window if write.before is not None else write.after.model.window
        message = (
            f"the model has windows of {before.length} in {before.timezone}: window and timezone cannot change any "
            "more; log to a model of another name"
        )
        problems.append(Problem(place=write.after.place.at("window"), message=message, code="windows"))
    return problems


def _may_cut_otherwise(write: ModelWrite) -> bool:
    """Whether versions that are there may be to have other segments than before."""
    before = {} if write.before is None else write.before.model.settings
    return "segments" in {**before, **write.after.model.settings} or any(v.schema for v in write.versions)


def _unfit(made: Plan) -> Iterator[Problem]:
    """Versions that stay as they are, whose baseline makes no sense for the model's new windows."""
    for write in made.writes:
        if write.before is None or not write.rewindowed:
            continue
        written = {version.after.name for version in write.versions}
        gone = {version for name, version in made.removed if name == write.after.model.name}
        kept = [stored.version for name, stored in write.before.versions.items() if name not in written | gone]
        try:
            fit_versions(kept, spec=write.after.model.window)
        except InvalidInput as error:
            yield Problem(place=write.after.place.at("window"), message=error.detail, code="baseline")


def _write(conn: Connection, made: Plan, *, now_us: int) -> None:
    for write in made.writes:
        model = _write_model(conn, write)
        for version in write.versions:
            _write_version(conn, version, model_id=model.id)
        if write.before is not None and _may_cut_otherwise(write):
            follow_model_segments(conn, model=model, now_us=now_us)
    for name, version_name in made.removed:
        if version_name is None:
            models.delete_model(conn, name=name)
        else:
            versions.delete_version(conn, model=name, version=version_name)


def _write_model(conn: Connection, write: ModelWrite) -> Model:
    """The model as it is in the store from now on."""
    model = write.after.model
    if write.before is None:
        return models.insert_model(conn, model)
    return models.update_model(conn, model, if_revision=model.revision) if write.changed else model


def _write_version(conn: Connection, write: VersionWrite, *, model_id: int) -> None:
    after = replace(write.after, model_id=model_id)
    if write.before is None:
        after = versions.insert_version(conn, after)
    else:
        after = versions.update_version(conn, after, if_revision=write.before.revision)
    if write.schema is not None:
        schemas.save_schema(conn, version_id=after.id, schema=write.schema)
