"""The OpenAPI document: FastAPI's, with the hot routes written by hand, and the schemas all routes share."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

import monitor
from monitor.api.routing import M, V
from monitor.model.names import NAME_PATTERN

_TABLES = ("text/csv", "application/vnd.apache.parquet", "application/vnd.apache.arrow.stream")
_VALUE: dict[str, Any] = {"description": "number, text, boolean, null, list of numbers, or an object to flatten"}
_COUNTS: dict[str, Any] = {"type": "object", "additionalProperties": {"type": "integer"}}
_NAME = {"type": "string", "pattern": f"^{NAME_PATTERN}$"}

SCHEMAS: dict[str, Any] = {
    "Problem": {
        "type": "object",
        "description": "RFC 9457; `code` is stable for programs, `errors` (at most 100) say which records are at fault",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": {"type": "string"}, "title": {"type": "string"}, "status": {"type": "integer"},
            "detail": {"type": "string"}, "code": {"type": "string"},
            "errors": {"type": "array", "items": {"type": "object"}},
        },
    },
    "Record": {
        "type": "object",
        "description": "one logged inference; without `features` it is a flat row by schema names",
        "properties": {
            "id": {"type": ["string", "integer"], "description": "at most 256 characters; made if absent"},
            "timestamp": {"type": ["string", "number"], "description": "RFC 3339, or s, ms, µs, ns; now if absent"},
            "features": {"type": "object", "additionalProperties": _VALUE},
            "prediction": _VALUE, "score": _VALUE,
            "scores": {"type": "object", "additionalProperties": _VALUE}, "label": _VALUE,
        },
    },
    "Records": {
        "type": "object", "required": ["records"],
        "properties": {"records": {"type": "array", "items": {"$ref": "#/components/schemas/Record"}}},
    },
    "IngestAnswer": {
        "type": "object", "required": ["stored", "quarantined", "duplicate"],
        "properties": {
            "stored": {"type": "integer"}, "quarantined": {"type": "integer"}, "duplicate": {"type": "integer"},
            "ids": {"type": "array", "items": {"type": ["string", "null"]}},
            "columns": {
                "type": "object",
                "properties": {"unknown": _COUNTS, "invalid": _COUNTS,
                               "missing": {"type": "array", "items": {"type": "string"}}},
            },
            "errors": {"type": "array", "items": {"type": "object"}},
        },
    },
}  # fmt: skip

_PROBLEMS = {
    "400": "malformed", "404": "unknown model or version", "409": "the key's first request is in flight",
    "413": "too large", "415": "unknown type or encoding", "422": "not acceptable; nothing was stored",
    "503": "not able to store now: try again after Retry-After",
}  # fmt: skip


def _header(name: str, *, description: str, values: list[str] | None = None) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"} | ({"enum": values} if values else {})
    return {"name": name, "in": "header", "required": False, "description": description, "schema": schema}


def _predictions(*, summary: str, names: tuple[str, ...]) -> dict[str, Any]:
    binary = {"schema": {"type": "string", "format": "binary"}}
    return {
        "operationId": "post_predictions" + ("" if "version" in names else "_newest_live"),
        "tags": ["ingest"],
        "summary": summary,
        "description": "200 is sent only after the transaction has committed to disk.",
        "parameters": [
            *({"name": name, "in": "path", "required": True, "schema": _NAME} for name in names),
            {"name": "dry_run", "in": "query", "schema": {"type": "boolean"}, "description": "answer, store nothing"},
            _header("Idempotency-Key", description="the same key and body again gives the first answer"),
            _header("Content-Encoding", description="how the body is compressed", values=["gzip", "zstd", "identity"]),
            _header("Prefer", description="refuse all for one bad record", values=["handling=strict"]),
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/Records"}},
                "application/x-ndjson": {"schema": {"type": "string"}},
                **dict.fromkeys(_TABLES, binary),
            },
        },
        "responses": {
            "200": {
                "description": "stored, on disk",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/IngestAnswer"}}},
            },
            **{
                status: {
                    "description": text,
                    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
                }
                for status, text in _PROBLEMS.items()
            },
        },
    }


def openapi_document(application: FastAPI) -> dict[str, Any]:
    """The document of ``GET /api/v1/openapi.json``, made once."""
    if application.openapi_schema is None:
        document = get_openapi(
            title="Driftline", version=monitor.__version__, openapi_version="3.1.0", routes=application.routes,
            description="Watches machine-learning models in production. Times are UTC; intervals are half-open.",
        )  # fmt: skip
        document.setdefault("components", {}).setdefault("schemas", {}).update(SCHEMAS)
        paths = document["paths"]
        paths.setdefault(f"{V}/predictions", {})["post"] = _predictions(
            summary="Store records of a version", names=("model", "version")
        )
        paths.setdefault(f"{M}/predictions", {})["post"] = _predictions(
            summary="Store records of the newest live version", names=("model",)
        )
        application.openapi_schema = document
    return application.openapi_schema
