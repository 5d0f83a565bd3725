"""What versions take from their model unless they say it themselves: ``positive`` and ``decision_threshold``.

A version holds the values in force. Which of them it took from its model stands in its settings, under
``inherited``; a version without the entry took what is at the service's own default.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from monitor.model.entities import Model, Version

DEFAULTS: dict[str, Any] = {"positive": None, "decision_threshold": 0.5}
INHERITED = "inherited"


def inherited_fields(version: Version) -> tuple[str, ...]:
    """The fields that follow the model.

    >>> inherited_fields(Version(model_id=1, name="42", positive="yes"))
    ('decision_threshold',)
    """
    noted = version.settings.get(INHERITED)
    if noted is not None:
        return tuple(field for field in DEFAULTS if field in noted)
    return tuple(field for field, default in DEFAULTS.items() if getattr(version, field) == default)


def default_of(model: Model, *, field: str) -> Any:
    """What the model gives versions that do not say the field themselves.

    >>> default_of(Model(name="churn", settings={"positive": "yes"}), field="positive")
    'yes'
    """
    return model.settings.get(field, DEFAULTS[field])


def following(version: Version, *, model: Model) -> Version:
    """The version with what it takes from the model as the model says it now.

    >>> following(Version(model_id=1, name="42"), model=Model(name="churn", settings={"positive": "yes"})).positive
    'yes'
    """
    return with_own(version, model=model, own={})


def with_own(version: Version, *, model: Model, own: dict[str, Any]) -> Version:
    """The version with ``own`` values of its own (None: the model's again), the other inherited ones followed."""
    inherited = [f for f in DEFAULTS if (own[f] is None if f in own else f in inherited_fields(version))]
    values = {f: v for f, v in own.items() if v is not None}
    values |= {f: default_of(model, field=f) for f in inherited}
    return replace(version, **values, settings=version.settings | {INHERITED: inherited})
