"""``labels`` and ``business_value`` of a model's body: checked against the task, kept as categories are written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor.columns.text import category_text
from monitor.model.labels import parse_business_value, parse_label_rules


def fitting_settings(settings: Mapping[str, Any], *, task: str) -> dict[str, Any]:
    """The model's settings with what they say of labels in the task's own form; ``InvalidInput`` where it does not fit.

    >>> fitting_settings({"labels": {"default": {"value": 0, "after": "60d"}}}, task="binary_classification")
    {'labels': {'default': {'value': '0', 'after': '60d'}}}
    """
    fitting = dict(settings)
    if "labels" in settings:
        labels = _with_text(settings["labels"], task=task)
        parse_label_rules(labels, task=task)
        fitting["labels"] = labels
    if "business_value" in settings:
        fitting["business_value"] = parse_business_value(settings["business_value"], task=task)
    return fitting


def _with_text(labels: Any, *, task: str) -> Any:
    """The rules with a default class as its category's text, by which labels are known."""
    default = labels.get("default") if isinstance(labels, dict) else None
    if task == "regression" or not isinstance(default, dict) or "value" not in default:
        return labels
    text = category_text(default["value"])
    return labels if text is None else labels | {"default": default | {"value": text}}
