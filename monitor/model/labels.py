"""What a model says of its labels: how long they take, how many are enough, and what no label comes to mean."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from monitor.model.entities import Model
from monitor.model.errors import InvalidInput
from monitor.model.names import known_fields
from monitor.model.time import format_duration, parse_duration

_FIELDS = ("delay", "min_coverage", "default")
_DEFAULT_FIELDS = ("value", "after")
_MAX_DURATION_CHARS = 12  # more digits of days would pass the range of an instant
MAX_CLASSES = 1_000  # of a matrix of business values


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRules:
    """Labels are due ``delay_us`` after their window; below ``min_coverage`` (0..1) of them nothing is decided.

    ``default_after_us`` after the window a record without a label is taken to have ``default_value``: a category's
    text, or a number for a model of regression. Both are None where nothing is assumed.
    """

    delay_us: int = 0
    min_coverage: float = 0.0
    default_value: str | float | None = None
    default_after_us: int | None = None

    def __post_init__(self) -> None:
        if not 0.0 <= self.min_coverage <= 1.0:
            raise InvalidInput(f"labels.min_coverage: expected 0 to 1, found {self.min_coverage:g}", code="labels")
        if self.default_after_us is not None and self.default_after_us < self.delay_us:
            raise InvalidInput(
                f"labels.default.after {format_duration(self.default_after_us)} comes before labels.delay "
                f"{format_duration(self.delay_us)}: expected the delay or more, or labels would be assumed that are "
                "not due yet",
                code="labels",
            )


def label_rules(model: Model) -> LabelRules:
    """The model's rules; without any: labels are due at once, any coverage will do, nothing is assumed.

    >>> label_rules(Model(name="churn", settings={"labels": {"delay": "1s"}}))
    LabelRules(delay_us=1000000, min_coverage=0.0, default_value=None, default_after_us=None)
    """
    return parse_label_rules(model.settings.get("labels") or {}, task=model.task)


def demanded_coverage(model: Model) -> float:
    """The share of labelled rows, 0..1, below which the model decides nothing by labels; 0 where any will do.

    Looks at nothing else of the rules: what shows a fleet must not fail for one model's sake.

    >>> demanded_coverage(Model(name="churn", settings={"labels": {"min_coverage": 0.5}}))
    0.5
    """
    return float((model.settings.get("labels") or {}).get("min_coverage", 0.0))


def parse_label_rules(shape: Any, *, task: str) -> LabelRules:
    """The rules of ``{"delay"?, "min_coverage"?, "default"?: {"value", "after"}}``.

    The default's value is a category's text, or a number where the task is regression. ``InvalidInput`` says what
    does not fit.
    """
    known_fields(shape, name="labels", known=_FIELDS, code="labels")
    default = shape.get("default")
    if default is not None:
        known_fields(default, name="labels.default", known=_DEFAULT_FIELDS, code="labels")
    return LabelRules(
        delay_us=_duration(shape.get("delay", "0s"), name="labels.delay"),
        min_coverage=_number(shape.get("min_coverage", 0), name="labels.min_coverage"),
        default_value=None if default is None else _value(default.get("value"), task=task),
        default_after_us=None if default is None else _duration(default.get("after"), name="labels.default.after"),
    )


def parse_business_value(shape: Any, *, task: str) -> dict[str, dict[str, float]]:
    """``{label: {prediction: value}}``: what one record is worth, by its label and its prediction.

    >>> parse_business_value({"yes": {"yes": 50, "no": -200}}, task="binary_classification")
    {'yes': {'yes': 50.0, 'no': -200.0}}
    """
    if task == "regression":
        raise InvalidInput("business_value: expected a task with classes, and this one is regression", code="labels")
    rows = shape.items() if isinstance(shape, dict) else ()
    classes = {*dict(rows), *(c for _, row in rows if isinstance(row, dict) for c in row)}
    if not rows or len(classes) > MAX_CLASSES or not all(isinstance(row, dict) and row for _, row in rows):
        raise InvalidInput(
            'business_value: expected an object of objects of numbers such as {"yes": {"yes": 50, "no": -200}}, '
            f"label outside and prediction inside, of at most {MAX_CLASSES} classes",
            code="labels",
        )
    return {
        label: {p: _number(value, name=f"business_value.{label[:40]}.{p[:40]}") for p, value in row.items()}
        for label, row in rows
    }


def _duration(value: Any, *, name: str) -> int:
    if not isinstance(value, str) or len(value) > _MAX_DURATION_CHARS:
        raise InvalidInput(f"{name} {value!r:.40} is not a duration: expected a text such as 6h or 30d", code="labels")
    return min(parse_duration(value, name=name), 2**62)


def _number(value: Any, *, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidInput(f"{name}: expected a number, found {value!r:.40}", code="labels")
    return float(value)


def _value(value: Any, *, task: str) -> str | float:
    if task == "regression":
        return _number(value, name="labels.default.value")
    if not isinstance(value, str):
        raise InvalidInput(
            f"labels.default.value: expected a class as text, number or boolean, found {value!r:.40}", code="labels"
        )
    return value
