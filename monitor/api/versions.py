"""Versions of models: put, get, list, delete."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fastapi import Request
from sqlalchemy import Connection
from starlette.responses import Response

from monitor.api.answer_shapes import page_of, shape_of
from monitor.api.body import JsonObject
from monitor.api.params import ModelName, Page, VersionName
from monitor.api.render import answer, page
from monitor.api.revision import check_if_match, etag_of
from monitor.api.routing import M, Operation, V, json_body
from monitor.api.services import Parts
from monitor.api.summary import version_state
from monitor.configuration.bodies import merged_version, version_shape
from monitor.model.entities import VERSION_STATES, Model, Version
from monitor.model.errors import NotFound, TooLarge
from monitor.model.time import rfc3339
from monitor.rollout.following import follow_segments
from monitor.rollout.succession import succeed
from monitor.store import models, references, schemas, versions


def put_version(
    model: ModelName, version: VersionName, body: JsonObject, request: Request, services: Parts
) -> Response:
    """Creates the version, or replaces the fields the body gives."""
    with services.store.write() as conn:
        owner = models.get_model(conn, name=model)
        stored = _stored(conn, model=model, version=version)
        check_if_match(request, revision=None if stored is None else stored.revision)
        now_us = services.now_us()
        before = stored or Version(model_id=owner.id, name=version, created_us=now_us)
        after, schema = merged_version(before, model=owner, body=body)
        if schema is not None and len(schema.columns) > services.settings.max_columns:
            raise TooLarge(
                f"the schema has {len(schema.columns)} columns: expected at most {services.settings.max_columns} "
                "(DRIFTLINE_MAX_COLUMNS)"
            )
        after = replace(after, updated_us=now_us)
        if stored is None:
            saved = versions.insert_version(conn, after)
        else:
            saved = versions.update_version(conn, after, if_revision=stored.revision)
        if schema is not None:
            schemas.save_schema(conn, version_id=saved.id, schema=schema)
            follow_segments(conn, [saved], now_us=now_us)
        _, saved = versions.get_version_by_id(conn, id=saved.id)
        shape = _shape(conn, model=owner, version=saved)
    if owner.settings.get("on_new_version") and succeed(
        services.store, now_us=now_us, model=model, max_segments=services.settings.max_segments
    ):
        with services.store.read() as conn:
            _, saved = versions.get_version_by_id(conn, id=saved.id)
            shape = _shape(conn, model=owner, version=saved)
    services.ingest.invalidate()
    return answer(shape, status=201 if stored is None else 200, etag=etag_of(saved.revision))


def get_version(model: ModelName, version: VersionName, services: Parts) -> Response:
    """The version with its schema, its active reference and its status."""
    with services.store.read() as conn:
        owner, found = versions.get_version(conn, model=model, version=version)
        shape = _shape(conn, model=owner, version=found)
    return answer(shape, etag=etag_of(found.revision))


def list_versions(model: ModelName, asked: Page, services: Parts) -> Response:
    """The model's versions, by name."""
    (after,) = asked.after(str) or [""]
    with services.store.read() as conn:
        owner = models.get_model(conn, name=model)
        found = versions.list_versions(conn, model_id=owner.id, after=after, limit=asked.limit + 1)
        shown = found[: asked.limit]
        results = [_shape(conn, model=owner, version=version) for version in shown]
    return page(results, following=[shown[-1].name] if len(found) > asked.limit else None)


def delete_version(model: ModelName, version: VersionName, request: Request, services: Parts) -> Response:
    """Frees the name at once; what is stored is purged in steps."""
    with services.store.write() as conn:
        _, found = versions.get_version(conn, model=model, version=version)
        check_if_match(request, revision=found.revision)
        versions.delete_version(conn, model=model, version=version)
    services.ingest.invalidate()
    return Response(status_code=204)


def _stored(conn: Connection, *, model: str, version: str) -> Version | None:
    try:
        return versions.get_version(conn, model=model, version=version)[1]
    except NotFound:
        return None


def _shape(conn: Connection, *, model: Model, version: Version) -> dict[str, Any]:
    schema = None if version.schema_id is None else schemas.get_schema(conn, id=version.schema_id)
    state = version_state(conn, version=version)
    active = None
    if version.reference_id is not None:
        active = references.get_reference_by_id(conn, id=version.reference_id)
    return {
        **version_shape(version, model=model, schema=schema),
        "reference": None if active is None else active.number,
        "reference_digest": None if active is None else active.digest,
        "reference_source": None if active is None else active.source,
        "status": state.status,
        "last_window": None if state.window is None else rfc3339(state.window.start_us),
    }


_FIELDS = {
    "type": "object",
    "properties": {
        "schema": {"type": "object", "properties": {"columns": {"type": "array", "items": {"type": "object"}}}},
        "positive": {"type": "string"}, "decision_threshold": {"type": "number"}, "baseline": {"type": "object"},
        "state": {"enum": list(VERSION_STATES)}, "tags": {"type": "object"},
    },
}  # fmt: skip

OPERATIONS = (
    Operation(method="PUT", path=V, endpoint=put_version, summary="Create or change a version", tag="versions",
              answers={200: "changed", 201: "created"}, shape=shape_of("Version"), body=json_body(_FIELDS)),
    Operation(method="GET", path=f"{M}/versions", endpoint=list_versions, summary="The model's versions",
              tag="versions", answers={200: "a page"}, shape=page_of("Version")),
    Operation(method="GET", path=V, endpoint=get_version, summary="One version with its schema", tag="versions",
              shape=shape_of("Version")),
    Operation(method="DELETE", path=V, endpoint=delete_version, summary="Free the name, purge the rest in steps",
              tag="versions", answers={204: "the name is free"}),
)  # fmt: skip
