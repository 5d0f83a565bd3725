"""The JSON Schema of segments, as the model file has them."""

from __future__ import annotations

from typing import Any

from monitor.model.conditions import ANY, LISTED, MOST_CHARS, MOST_VALUES, OPERATORS, ORDERED
from monitor.model.names import NAME_PATTERN
from monitor.model.segments import MOST_SPECS

Shape = dict[str, Any]


def segment_shape() -> Shape:
    """One segment by name, or one for each value of a column."""
    return {
        "description": "a slice of traffic that is judged by itself",
        "anyOf": [_by(), _named()],
        "examples": [{"by": "region", "top": 10}, {"name": "evening", "where": {"hour": {"gte": 18}}}],
    }


def _by() -> Shape:
    return _object(
        {
            "by": {"type": "string", "minLength": 1, "maxLength": MOST_CHARS},
            "top": {"type": ["integer", "null"], "minimum": 1, "maximum": MOST_SPECS},
            "min_share": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
        },
        required=["by"],
    )


def _named() -> Shape:
    return _object(
        {
            "name": {"type": "string", "pattern": f"^{NAME_PATTERN}$"},
            "where": _where(),
            "protected": {"type": ["boolean", "null"]},
            "compare_to": {"type": ["string", "null"], "minLength": 1},
        },
        required=["name", "where"],
    )


def _where() -> Shape:
    """Conditions by column; a list under ``any`` is of alternatives, anything else a condition on such a column."""
    condition = {"anyOf": [_SCALAR, _operators()]}
    several = {"type": "object", "minProperties": 1, "additionalProperties": condition}
    either = {"anyOf": [{"type": "array", "items": several, "minItems": 1}, *condition["anyOf"]]}
    return {"type": "object", "minProperties": 1, "properties": {ANY: either}, "additionalProperties": condition}


def _operators() -> Shape:
    listed = {"type": "array", "items": _SCALAR, "minItems": 1, "maxItems": MOST_VALUES}
    kinds: dict[str, Shape] = dict.fromkeys(OPERATORS, _SCALAR)
    kinds |= dict.fromkeys(LISTED, listed) | {op: {"type": "number"} for op in ORDERED}
    return _object(kinds | {"is_null": {"type": "boolean"}}, minProperties=1)


def _object(properties: dict[str, Shape], **more: Any) -> Shape:
    return {"type": "object", "properties": properties, "additionalProperties": False, **more}


_SCALAR: Shape = {"type": ["string", "number", "boolean"]}
