"""What ``on_new_version`` says, done: references handed on, and versions retired once others have followed."""

from __future__ import annotations

import logging
from dataclasses import replace

from monitor.evaluate.copied_reference import copy_reference
from monitor.model.entities import Model, Version
from monitor.model.errors import DriftlineError
from monitor.model.segments import MAX_SEGMENTS
from monitor.model.succession import retiring, succession, went_live_us
from monitor.store.engine import Store
from monitor.store.models import all_versions, get_model, list_versions
from monitor.store.versions import lock_version, update_version

_log = logging.getLogger(__name__)
_MOST = 10_000


def succeed(store: Store, *, now_us: int, model: str | None = None, max_segments: int = MAX_SEGMENTS) -> int:
    """How many versions were given a reference or retired now, of one model or of all.

    Safe to run anywhere, at once and again: each change looks at the version once more, under its lock.
    """
    return sum(
        _hand_on(store, owner=owner, versions=versions, now_us=now_us, max_segments=max_segments)
        + _retire(store, owner=owner, versions=versions, now_us=now_us)
        for owner, versions in _fleet(store, model=model)
    )


def _fleet(store: Store, *, model: str | None) -> list[tuple[Model, list[Version]]]:
    """The models that say anything of new versions, with their versions."""
    with store.read() as conn:
        if model is not None:
            owner = get_model(conn, name=model)
            return [(owner, list_versions(conn, model_id=owner.id, limit=_MOST))]
        found = [(owner, version) for owner, version in all_versions(conn) if owner.settings.get("on_new_version")]
    fleet: dict[int, tuple[Model, list[Version]]] = {}
    for owner, version in found:
        fleet.setdefault(owner.id, (owner, []))[1].append(version)
    return list(fleet.values())


def _hand_on(store: Store, *, owner: Model, versions: list[Version], now_us: int, max_segments: int) -> int:
    """References of the newest live version that has one, for those that have none and are not retired."""
    if succession(owner).reference != "inherit":
        return 0
    givers = [version for version in versions if version.state == "live" and version.reference_id is not None]
    if not givers:
        return 0
    giver = max(givers, key=lambda version: (went_live_us(version), version.id))
    given = 0
    for version in versions:
        if version.reference_id is not None or version.state == "retired":
            continue
        try:
            copy_reference(
                store, from_version_id=giver.id, to_version_id=version.id, now_us=now_us, max_segments=max_segments
            )
        except DriftlineError as error:  # deleted meanwhile, or its columns do not fit: it goes on without
            _log.warning("version %s of %s gets no reference of %s: %s", version.name, owner.name, giver.name, error)
        else:
            _log.info("version %s of %s took over the reference of %s", version.name, owner.name, giver.name)
            given += 1
    return given


def _retire(store: Store, *, owner: Model, versions: list[Version], now_us: int) -> int:
    after_us = succession(owner).retire_after_us
    if after_us is None:
        return 0
    due = retiring(versions, after_us=after_us, now_us=now_us)
    for version in due:
        with store.write() as conn:
            current = lock_version(conn, id=version.id)
            if current.state == "live":
                update_version(conn, replace(current, state="retired", updated_us=now_us))
        _log.info("version %s of %s is retired: another one has followed it", version.name, owner.name)
    return len(due)
