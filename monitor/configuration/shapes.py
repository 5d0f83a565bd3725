"""The JSON Schema (2020-12) of the model file, for editors; unknown keys are found by the same table.

A null gives a field its default back. What a later release brings is in it as what it may be until then: empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from monitor.configuration.segment_shapes import segment_shape
from monitor.model.baseline import FIELDS as BASELINE_FIELDS
from monitor.model.baseline import MOST_WINDOWS, SKIPS
from monitor.model.checks import (
    KINDS,
    METRICS,
    MOST_SEGMENT_PATTERNS,
    PERFORMANCE_KINDS,
    QUALITY_METRICS,
    SEGMENT_KINDS,
)
from monitor.model.entities import TASKS, VERSION_STATES
from monitor.model.names import NAME_PATTERN
from monitor.model.schema import MAX_UNIT_CHARS, ROLES, TIME_UNITS, TYPES
from monitor.model.segments import MOST_SPECS
from monitor.model.window import KNOWN as WINDOWS
from monitor.model.worth import METRICS as WORTH
from monitor.model.worth import OF_ONE_CLASS

Shape = dict[str, Any]

_NULL: Shape = {"type": "null"}


def _or_null(shape: Shape) -> Shape:
    return {"anyOf": [shape, _NULL]}


def _object(properties: dict[str, Shape], *, required: tuple[str, ...] = (), **more: Any) -> Shape:
    needs = {"required": list(required)} if required else {}
    return {"type": "object", "properties": properties, "additionalProperties": False, **needs, **more}


def _map(shape: Shape, **more: Any) -> Shape:
    return {"type": "object", "additionalProperties": shape, **more}


def _ref(name: str) -> Shape:
    return {"$ref": f"#/$defs/{name}"}


def _later(what: str) -> Shape:
    return {"description": f"{what}: not available yet", "enum": [None, [], {}]}


_TEXT: Shape = {"type": "string"}
_NUMBER: Shape = {"type": "number"}
_NAME: Shape = {"type": "string", "pattern": f"^{NAME_PATTERN}$"}
_NAMES: Shape = {"type": "array", "items": _TEXT}
_DURATION: Shape = {"type": "string", "pattern": r"^\d+(us|ms|s|m|h|d|w)$", "maxLength": 12, "examples": ["5m", "30d"]}
_TIME: Shape = {"type": "string", "examples": ["2026-03-01T00:00:00Z"]}
_CLASS: Shape = {"type": ["string", "number", "boolean"]}
_BUDGET: Shape = {
    "type": "string", "examples": ["1 per month", "1 per 100 runs"],
    "pattern": r"^\s*\d{1,9}(\.\d{1,9})?\s+per\s+(\d{1,9}\s+)?(day|week|month|quarter|year|run)s?\s*$",
}  # fmt: skip
_TAGS: Shape = _map(_TEXT, maxProperties=64)
_COUNT: Shape = {"type": "integer", "minimum": 1, "maximum": MOST_WINDOWS}
_BASELINE_FIELDS: dict[str, Shape] = {
    "windows": _or_null(_COUNT), "gap": _or_null(_COUNT | {"minimum": 0}), "min_windows": _or_null(_COUNT),
    "skip": {"enum": [*SKIPS, None]}, "version": _NAME, "from": _TIME, "to": _TIME,
}  # fmt: skip
_BASELINE: Shape = {
    "description": "what windows are held against",
    "anyOf": [
        _object(
            {"kind": {"const": kind}} | {name: _BASELINE_FIELDS[name] for name in fields},
            required=("kind", *(name for name in fields if name in ("version", "from", "to"))),
        )
        for kind, fields in BASELINE_FIELDS.items()
    ],
    "examples": [{"kind": "same_hour", "windows": 28}],
}
_BOUND: Shape = {
    "anyOf": [
        _NUMBER,
        *(_object({side: _NUMBER}, required=(side,)) for side in ("above", "below")),
        *(_object({side: _NUMBER | {"minimum": 0}}, required=(side,)) for side in ("drop", "rise")),
    ]
}
_THRESHOLD: Shape = {
    "anyOf": [
        {"const": "auto"}, _NUMBER, _object({"warning": _ref("bound"), "alert": _ref("bound")}, minProperties=1),
    ]
}  # fmt: skip

CHECK: dict[str, Shape] = {
    "name": _NAME | {"description": "unique in a model; the check label everywhere"},
    "kind": {"enum": list(KINDS)},
    "metric": _or_null(_TEXT),
    "columns": _or_null(_NAMES | {"description": "names, globs, @feature, @prediction, @score, @label"}),
    "exclude": _or_null(_NAMES),
    "segments": _or_null(
        _NAMES
        | {
            "minItems": 1,
            "maxItems": MOST_SEGMENT_PATTERNS,
            "description": 'where it is judged: "" is all traffic, "*" that and every segment, names or globs',
        }
    ),
    "threshold": _or_null(_ref("threshold")),
    "false_alarms": _or_null(_BUDGET),
    "min_effect": _or_null(_NUMBER | {"minimum": 0}),
    "min_rows": _or_null({"type": "integer", "minimum": 1}),
    "hold": _or_null({"type": "integer", "minimum": 1}),
    "share": _or_null(_NUMBER | {"minimum": 0, "maximum": 1}),
    "count": _or_null({"type": "integer", "minimum": 1}),
    "severity": {"enum": ["critical", "warning", "none", None]},
    "rule": _later("rules") | {"enum": [None]},
    "baseline": _or_null(_ref("baseline")),
    "enabled": _or_null({"type": "boolean"}),
    "description": _or_null(_TEXT),
    "runbook_url": _or_null(_TEXT),
}
COLUMN: dict[str, Shape] = {
    "role": {"enum": list(ROLES)},
    "type": {"enum": list(TYPES)},
    "class": _or_null(_TEXT),
    "dimensions": _or_null({"type": "integer"}),
    "missing": {"type": "array"},
    "true": _NAMES,
    "false": _NAMES,
    "store": {"enum": ["value", "none"]},
    "sensitive": {"const": False, "description": "not available yet"},
    "segment": {"type": "boolean", "description": "a segment for each of its ten most frequent values"},
    "importance": _or_null(_NUMBER),
    "description": _TEXT,
    "unit": _TEXT | {"maxLength": MAX_UNIT_CHARS, "examples": ["°C", *TIME_UNITS]},
}
MODEL: dict[str, Shape] = {
    "task": {"enum": [*TASKS, None]},
    "description": _or_null(_TEXT),
    "team": _or_null(_TEXT),
    "window": {"enum": [*WINDOWS, None]},
    "lateness": _or_null(_DURATION),
    "stale_after": _or_null(_DURATION),
    "timezone": _or_null({"type": "string", "examples": ["UTC", "Europe/Berlin"]}),
    "checks": _or_null({"type": "array", "items": _ref("check")}),
    "baseline": _or_null(_ref("baseline")),
    "segments": _or_null({"type": "array", "items": _ref("segment"), "maxItems": MOST_SPECS}),
    "false_alarms": _or_null(_BUDGET),
    "min_effect": _or_null(_NUMBER | {"minimum": 0}),
    "labels": _or_null(_ref("labels")),
    "business_value": _or_null(_map(_map(_NUMBER, minProperties=1), minProperties=1)),
    "tags": _or_null(_TAGS),
    "positive": _or_null(_CLASS),
    "decision_threshold": _or_null(_NUMBER),
    "on_new_version": _or_null(_object({
        "reference": {"enum": ["inherit", "require", None]}, "retire_after": _or_null(_DURATION),
    })),
    "privacy": _or_null(_object({
        "rows": {"const": "keep", "description": "none: not available yet"},
        "retention": _or_null(_object(dict.fromkeys(("rows", "unlabelled", "results"), _DURATION))),
    })),
    "actions": _later("actions"),
}  # fmt: skip
VERSION: dict[str, Shape] = {
    "state": {"enum": list(VERSION_STATES)},
    "reference": _ref("reference"),
    "columns": _map(_ref("column")),
    "positive": _or_null(_CLASS),
    "decision_threshold": _or_null(_NUMBER),
    "baseline": _or_null(_ref("baseline")),
    "tags": _or_null(_TAGS),
}
_DIGEST: Shape = {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"}
REFERENCE: dict[str, Shape] = {
    "file": _TEXT | {"minLength": 1, "description": "relative to the file that names it"},
    "from_version": _NAME,
    "windows": _object({"from": _TIME, "to": _TIME}, required=("from", "to")),
    "digest": _DIGEST,
    "source": _TEXT,
}
_REFERENCES: Shape = {
    "type": "object", "properties": REFERENCE, "additionalProperties": False,
    "oneOf": [
        {"required": ["file"]},
        {"required": ["from_version"]},
        {"required": ["windows"]},
        {"required": ["digest"], "not": {"required": ["file"]}},
    ],
}  # fmt: skip
_EXTENDS: Shape = {"anyOf": [_NAME, {"type": "array", "items": _NAME}]}
_WHOLE_CHECKS: Shape = {"checks": _or_null({"type": "array", "items": {"required": ["name", "kind"]}})}
_LABELS = _object({
    "delay": _DURATION, "min_coverage": _NUMBER | {"minimum": 0, "maximum": 1},
    "default": _or_null(_object({"value": _CLASS, "after": _DURATION}, required=("value", "after"))),
})  # fmt: skip


def _check() -> Shape:
    """A check, its metric among those of its kind, segments if that takes them; ``kind`` may come from a template."""
    metrics: list[Shape] = [
        _of_kinds([kind], {"metric": {"enum": [None, *(["surprise"] if kind == "drift" else []), *known]}})
        for kind, known in METRICS.items()
    ]
    classes = {"type": "string", "pattern": f"^({'|'.join(OF_ONE_CLASS)})/.+$"}
    metrics.append(_of_kinds(PERFORMANCE_KINDS, {"metric": {"anyOf": [{"enum": [None, *WORTH]}, classes]}}))
    elsewhere = _of_kinds([kind for kind in KINDS if kind not in SEGMENT_KINDS], {"segments": {"enum": [None, [""]]}})
    return _object(CHECK, required=("name",), allOf=[*metrics, elsewhere], examples=[{
        "name": "null-age", "kind": "quality", "metric": QUALITY_METRICS[0], "columns": ["age"], "threshold": 0.05,
    }])  # fmt: skip


def _of_kinds(kinds: Sequence[str], properties: dict[str, Shape]) -> Shape:
    return {
        "if": {"properties": {"kind": {"enum": list(kinds)}}, "required": ["kind"]},
        "then": {"properties": properties},
    }


def json_schema() -> Shape:
    """The schema as it is served and printed."""
    model = _object(
        {"extends": _EXTENDS, **MODEL, "versions": _or_null(_map(_ref("version"), propertyNames=_NAME))}
    ) | {"if": {"required": ["extends"]}, "else": {"properties": _WHOLE_CHECKS}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:driftline:config",
        "title": "Driftline model file",
        **_object(
            {
                "driftline": {"const": 1},
                "name": _NAME | {"description": "the set's name: whose models --prune may remove"},
                "templates": _or_null(_map(_ref("template"), propertyNames=_NAME)),
                "models": _or_null(_map(_ref("model"), propertyNames=_NAME)),
            },
            required=("driftline",),
        ),
        "$defs": {
            "template": _object({"extends": _EXTENDS, **MODEL}), "model": model, "version": _object(VERSION),
            "check": _check(), "threshold": _THRESHOLD, "bound": _BOUND, "labels": _LABELS,
            "baseline": _BASELINE, "segment": segment_shape(),
            "column": _object(COLUMN), "reference": _REFERENCES,
        },
    }  # fmt: skip
