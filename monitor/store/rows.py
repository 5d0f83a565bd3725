"""Rows of ``model`` and ``version`` as nouns, and back."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import Row, Select, select

from monitor.model.entities import LegalHold, Model, Version
from monitor.model.window import WindowSpec
from monitor.store import jsontext, tables

_VERSION_FIELDS = (
    "id", "model_id", "name", "state", "positive", "decision_threshold", "schema_id", "layout_id", "reference_id",
    "fold_seq", "created_us", "updated_us", "revision", "origin", "live_us",
)  # fmt: skip
_MODEL_FIELDS = (
    "id", "name", "task", "description", "team", "lateness_us", "stale_after_us", "created_us", "updated_us",
    "revision", "origin",
)  # fmt: skip


def model_values(model: Model) -> dict[str, Any]:
    """The columns of a model that its owner may change."""
    return {
        "name": model.name,
        "task": model.task,
        "description": model.description,
        "team": model.team,
        "window_length": model.window.length,
        "timezone": model.window.timezone,
        "lateness_us": model.lateness_us,
        "stale_after_us": model.stale_after_us,
        "settings": jsontext.dump(model.settings),
        "updated_us": model.updated_us,
        "origin": model.origin,
    }


def version_values(version: Version) -> dict[str, Any]:
    """The columns of a version that its owner may change (not its schema, layout, reference and folds)."""
    return {
        "name": version.name,
        "state": version.state,
        "positive": version.positive,
        "decision_threshold": version.decision_threshold,
        "settings": jsontext.dump(version.settings),
        "updated_us": version.updated_us,
        "origin": version.origin,
    }


def model_from_row(row: Row[Any]) -> Model:
    """The model of a row that holds the columns of ``model``."""
    return _model(row._mapping, prefix="")


def version_from_row(row: Row[Any]) -> Version:
    """The version of a row that holds the columns of ``version``."""
    return _version(row._mapping, prefix="")


def both_from_row(row: Row[Any]) -> tuple[Model, Version]:
    """The model and the version of a row of ``select_both``."""
    return _model(row._mapping, prefix="m_"), _version(row._mapping, prefix="v_")


@cache  # built once: the labels cost more than the query
def select_both() -> Select[Any]:
    """A SELECT of every live version with its live model, for ``both_from_row``."""
    m, v = tables.model.c, tables.version.c
    columns = [c.label(f"m_{c.name}") for c in m] + [c.label(f"v_{c.name}") for c in v]
    joined = tables.version.join(tables.model, v.model_id == m.id)
    return select(*columns).select_from(joined).where(v.deleted_us.is_(None), m.deleted_us.is_(None))


def _model(row: Any, *, prefix: str) -> Model:
    return Model(
        **{name: row[prefix + name] for name in _MODEL_FIELDS},
        window=WindowSpec(length=row[prefix + "window_length"], timezone=row[prefix + "timezone"]),
        settings=jsontext.load(row[prefix + "settings"]),
        legal_hold=None if row[prefix + "held_us"] is None else LegalHold(
            reason=row[prefix + "held_reason"], by=row[prefix + "held_by"], since_us=row[prefix + "held_us"]
        ),
    )  # fmt: skip


def _version(row: Any, *, prefix: str) -> Version:
    return Version(
        **{name: row[prefix + name] for name in _VERSION_FIELDS}, settings=jsontext.load(row[prefix + "settings"])
    )
