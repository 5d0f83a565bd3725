"""The OpenAPI document: FastAPI's, with the hot routes written by hand, and the schemas all routes share."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

import monitor
from monitor.api.answer_shapes import shapes
from monitor.api.routing import M, V
from monitor.model.names import NAME_PATTERN

_TABLES = ("text/csv", "application/vnd.apache.parquet", "application/vnd.apache.arrow.stream")
_ENCODINGS = ["gzip", "x-gzip", "zstd", "identity", "none", ""]  # of RFC 9110, an empty header names none
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
            "request_id": {"type": "string", "description": "as in X-Request-Id and in the server's log"},
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
    "LabelRecord": {
        "type": "object", "required": ["id", "label"],
        "description": "what was true of a record; null withdraws it; other fields are not looked at",
        "properties": {
            "id": {"type": ["string", "integer"], "description": "of the record that the label is for"},
            "label": {"description": "a class (text, number, boolean), a number for regression, or null"},
            "timestamp": {"type": ["string", "number"], "description": "the prediction's own time, a hint"},
        },
    },
    "LabelRecords": {
        "type": "object", "required": ["records"],
        "properties": {"records": {"type": "array", "items": {"$ref": "#/components/schemas/LabelRecord"}}},
    },
    "LabelAnswer": {
        "type": "object", "required": ["stored", "quarantined", "matched", "waiting"],
        "properties": {
            "stored": {"type": "integer"}, "quarantined": {"type": "integer"},
            "matched": {"type": "integer", "description": "their record is known already"},
            "waiting": {"type": "integer", "description": "stored, and not seen to match yet"},
            "naive_timestamps": {"type": "integer"},
            "errors": {"type": "array", "items": {"type": "object"}},
        },
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
    "400": "malformed", "401": "a token is needed", "403": "the token is not for this",
    "404": "unknown model or version",
    "408": "the body came too slowly", "409": "the key's first request is in flight",
    "413": "too large", "415": "unknown type or encoding", "422": "not acceptable; nothing was stored",
    "429": "the token's quota is used up: try again after Retry-After",
    "503": "not able to store now: try again after Retry-After",
}  # fmt: skip


def _header(name: str, *, description: str, **schema: Any) -> dict[str, Any]:
    return {
        "name": name, "in": "header", "required": False, "description": description,
        "schema": {"type": "string", **schema},
    }  # fmt: skip


def _schema(name: str) -> dict[str, Any]:
    return {"schema": {"$ref": f"#/components/schemas/{name}"}}


def _intake(
    operation: str, *, summary: str, names: tuple[str, ...], body: str, answer: str, query: dict[str, str] | None = None
) -> dict[str, Any]:
    """One ingest route; ``query`` are the text parameters it takes beside ``dry_run``, with what they say."""
    binary = {"schema": {"type": "string", "format": "binary"}}
    return {
        "operationId": operation,
        "tags": ["ingest"],
        "summary": summary,
        "description": "200 is sent only after the transaction has committed to disk.",
        "security": [{"bearer": ["ingest"]}],
        "parameters": _parameters(names, query=query or {}),
        "requestBody": {
            "required": True,
            "content": {
                "application/json": _schema(body),
                "application/x-ndjson": {"schema": {"type": "string"}},
                **dict.fromkeys(_TABLES, binary),
            },
        },
        "responses": {
            "200": {"description": "stored, on disk", "content": {"application/json": _schema(answer)}},
            **{
                status: {"description": text, "content": {"application/problem+json": _schema("Problem")}}
                for status, text in _PROBLEMS.items()
            },
        },
    }


def _parameters(names: tuple[str, ...], *, query: dict[str, str]) -> list[dict[str, Any]]:
    return [
        *({"name": name, "in": "path", "required": True, "schema": _NAME} for name in names),
        {"name": "dry_run", "in": "query", "schema": {"type": "boolean"}, "description": "answer, store nothing"},
        *(
            {"name": name, "in": "query", "schema": {"type": "string"}, "description": text}
            for name, text in query.items()
        ),
        _header("Idempotency-Key", description="the same key and body again gives the first answer"),
        _header("Content-Encoding", description="how the body is compressed; not at all by default", enum=_ENCODINGS),
        _header("Prefer", description="handling=strict: refuse all for one bad record", examples=["handling=strict"]),
    ]


_HOT = {
    f"{V}/predictions": _intake(
        "post_predictions", summary="Store records of a version", names=("model", "version"), body="Records",
        answer="IngestAnswer",
    ),
    f"{M}/predictions": _intake(
        "post_predictions_newest_live", summary="Store records of the newest live version", names=("model",),
        body="Records", answer="IngestAnswer",
    ),
    f"{M}/labels": _intake(
        "post_labels", summary="Store labels of records of any version", names=("model",), body="LabelRecords",
        answer="LabelAnswer",
        query={"id": "the field with the record's id", "label": "the field with the label",
               "timestamp": "the field with the prediction's time"},
    ),
}  # fmt: skip


def openapi_document(application: FastAPI) -> dict[str, Any]:
    """The document of ``GET /api/v1/openapi.json``, made once."""
    if application.openapi_schema is None:
        document = get_openapi(
            title="Driftline", version=monitor.__version__, openapi_version="3.1.0", routes=application.routes,
            description="Watches machine-learning models in production. Times are UTC; intervals are half-open.",
        )  # fmt: skip
        components = document.setdefault("components", {})
        components.setdefault("schemas", {}).update(SCHEMAS | shapes())
        components["securitySchemes"] = {"bearer": {
            "type": "http", "scheme": "bearer",
            "description": "a token of the role; a server that has no tokens needs none (`driftline tokens`)",
        }}  # fmt: skip
        paths = document["paths"]
        for path, operation in _HOT.items():
            paths.setdefault(path, {})["post"] = operation
        application.openapi_schema = document
    return application.openapi_schema
