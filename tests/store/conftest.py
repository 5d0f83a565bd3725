from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from monitor.model.entities import Model, Version
from monitor.store import Store, models


@dataclass(frozen=True)
class Owner:
    model: Model
    version: Version


@pytest.fixture
def make_version(store: Store) -> Callable[..., Owner]:
    """A function that stores a model (unless it is there) and a version of it."""

    def make(model: str = "churn", version: str = "1", **fields) -> Owner:
        with store.write() as conn:
            known = [m for m in models.list_models(conn) if m.name == model]
            owner = known[0] if known else models.insert_model(conn, Model(name=model, created_us=1, updated_us=1))
            stored = models.insert_version(conn, Version(model_id=owner.id, name=version, **fields))
        return Owner(owner, stored)

    return make


@pytest.fixture
def version_id(make_version: Callable[..., Owner]) -> int:
    return make_version().version.id
