"""What answers look like, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

JSON, CSV = "application/json", "text/csv"
PARQUET, ARROW = "application/vnd.apache.parquet", "application/vnd.apache.arrow.stream"
HTML, TEXT = "text/html", "text/plain"

_STATUS = {"enum": ["ok", "warning", "alert", "unknown"]}
_ENUMS: dict[str, dict[str, Any]] = {
    "status": _STATUS,
    "from": {"enum": ["ok", "warning", "alert", "unknown", None]},
    "version": {"enum": ["live", "shadow", "retired"]},
    "job": {"enum": ["queued", "running", "done", "failed"]},
    "alert": {"enum": ["firing", "resolved"]},
    "window": {"enum": ["open", "pending", "closed", "revised", "gap", "empty", "sealed"]},
}

# name → its fields, each "name type"; "*" behind a name: not in every answer, "?" behind a type: or null
_FIELDS: dict[str, str] = {
    "Job": "id string, state job, progress number",
    "Erasure": "id string, job string, state job, progress number, error string?, ids integer, records integer, "
    "labels integer, quarantined integer, reason string, by string?, asked string, finished string?",
    "Model": "name string, task string, description string, team string, window string, timezone string, "
    "lateness string, stale_after string, checks array?, baseline object?, segments array?, false_alarms string?, "
    "min_effect number?, tags object?, labels object?, business_value object?, positive string?, "
    "decision_threshold number?, on_new_version object?, created_at string, updated_at string, revision integer, "
    "legal_hold object?, status status, since string?, worst object?, last_window string?, rows integer?, "
    "versions array",
    "Version": "model string, version string, state version, positive string?, decision_threshold number?, "
    "inherited array, baseline object?, tags object?, schema object?, created_at string, updated_at string, "
    "revision integer, reference integer?, reference_digest string?, reference_source string?, status status, "
    "last_window string?",
    "Reference": "reference integer, active boolean, rows integer, digest string?, source string, media_type string, "
    "roles object, created_at string, warnings array",
    "ResultRow": "model string, version string, reference integer?, window_start string, window_end string, "
    "partial boolean, segment string, column string, metric string, check string, kind string, value number?, "
    "lower number?, upper number?, threshold number?, p_value number?, rows integer, reference_rows integer?, "
    "status status, reason string?, needs integer?, method object, computed_at string, revision integer",
    "ProfileSide": "rows integer, missing* integer, invalid* integer, min* number?, max* number?, mean* number?, "
    "edges* array, counts* array, quantiles* object, categories* object, unseen* object, columns* object",
    "Window": "start string, end string, state window, rows integer, watermark string?, revision integer, "
    "reference integer?, reason string?, mark object?",
    "Status": "status status, checks array, segments array, open object?, next object?, calibration object?, "
    "alarms object",
    "StoredRecord": "id string, timestamp string, features object",
    "Quarantined": "id integer, received_at string, index integer, code string, message string, record string",
    "Alert": "id string, model string, version string, check string, kind string, severity string, segment string, "
    "from_status from, status status, state alert, at string, window_start string, window_end string, value number?, "
    "threshold number?, rows integer, columns array, explanation string, notified object?, acknowledged object?, "
    "snoozed object?, held_back object?, verdict object?",
    "Silence": "id string, state string, reason string, start string, end string, versions array, checks array, "
    "columns array, segments array, created string, by string?, ended string?",
    "Token": "id string, name string, role string, models array, state string, expires string?, quota object?, "
    "created* string, revoked* string?, last_used* string?, token* string",
    "Ready": "ready boolean, reasons array, notes array",
}


def shapes() -> dict[str, Any]:
    """The JSON Schemas of answers by name."""
    return {name: _shape(fields) for name, fields in _FIELDS.items()}


def shape_of(name: str) -> dict[str, Any]:
    """The answer is one of these."""
    return {"$ref": f"#/components/schemas/{name}"}


def page_of(name: str) -> dict[str, Any]:
    """The answer is a page of these."""
    return {
        "type": "object",
        "required": ["results", "next"],
        "properties": {
            "results": {"type": "array", "items": shape_of(name)},
            "next": {"type": ["string", "null"], "description": "the cursor of the next page"},
        },
    }


def _shape(fields: str) -> dict[str, Any]:
    named = dict(field.split(" ") for field in fields.split(", "))
    return {
        "type": "object",
        "required": [name for name in named if not name.endswith("*")],
        "properties": {name.removesuffix("*"): _type(kind) for name, kind in named.items()},
    }


def _type(kind: str) -> dict[str, Any]:
    if kind in _ENUMS:
        return _ENUMS[kind]
    return {"type": [kind[:-1], "null"] if kind.endswith("?") else kind}
