"""Models and versions as the API shows them, from the store."""

from __future__ import annotations

from monitor.configuration.bodies import model_shape, version_shape
from monitor.rollout.applying import read_stored
from monitor.store import models


def shown_models(store):
    """(model's shape, its versions' shapes) of every model."""
    with store.read() as conn:
        names = [model.name for model in models.list_models(conn)]
        found = read_stored(conn, names=names, origin=None)
    shown = []
    for model in found.values():
        shapes = [
            version_shape(version.version, model=model.model, schema=version.schema)
            | {
                "reference_digest": None if version.active is None else version.active.digest,
                "reference_source": None if version.active is None else version.active.source,
            }
            for version in model.versions.values()
        ]
        shown.append((model_shape(model.model), shapes))
    return shown
