"""Versions that take something from their model follow when it changes: fields, and segments."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sqlalchemy import Connection

from monitor.evaluate.resegment import is_outdated, request_resegment
from monitor.model.defaults import following
from monitor.model.entities import Model, Version
from monitor.store.versions import list_versions, update_version

_MOST = 10_000


def follow_model(conn: Connection, *, model: Model) -> None:
    """Gives every version of the model what it takes from it, as the model says it now."""
    for version in list_versions(conn, model_id=model.id, limit=_MOST):
        after = following(version, model=model)
        if (after.positive, after.decision_threshold) != (version.positive, version.decision_threshold):
            update_version(conn, replace(after, updated_us=model.updated_us))


def follow_segments(conn: Connection, versions: Iterable[Version], *, now_us: int) -> None:
    """Has the references of the versions cut anew where they are to have other segments by now."""
    for version in versions:
        if version.reference_id is not None and is_outdated(conn, version_id=version.id):
            request_resegment(conn, version_id=version.id, now_us=now_us)


def follow_model_segments(conn: Connection, *, model: Model, now_us: int) -> None:
    """The same for all versions of the model."""
    follow_segments(conn, list_versions(conn, model_id=model.id, limit=_MOST), now_us=now_us)
