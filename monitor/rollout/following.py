"""Versions that take a field from their model follow when it changes."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection

from monitor.model.defaults import following
from monitor.model.entities import Model
from monitor.store.versions import list_versions, update_version

_MOST = 10_000


def follow_model(conn: Connection, *, model: Model) -> None:
    """Gives every version of the model what it takes from it, as the model says it now."""
    for version in list_versions(conn, model_id=model.id, limit=_MOST):
        after = following(version, model=model)
        if (after.positive, after.decision_threshold) != (version.positive, version.decision_threshold):
            update_version(conn, replace(after, updated_us=model.updated_us))
