"""Models: put, get, list, delete."""

from __future__ import annotations

from dataclasses import replace

from fastapi import Request
from sqlalchemy import Connection
from starlette.responses import Response

from monitor.api.access import API
from monitor.api.answer_shapes import page_of, shape_of
from monitor.api.body import JsonObject
from monitor.api.fixed_thresholds import rates_of
from monitor.api.params import ModelName, Page
from monitor.api.render import answer, page
from monitor.api.revision import check_if_match, etag_of
from monitor.api.routing import M, Operation, json_body
from monitor.api.seeing import seen_models
from monitor.api.services import Calling, Parts, Services
from monitor.api.summary import VersionState, fleet_states, model_states, model_summary
from monitor.configuration.bodies import fit_versions, merged_model
from monitor.model.entities import TASKS, Model
from monitor.model.errors import Conflict, InvalidInput, NotFound
from monitor.rollout.following import follow_model, follow_model_segments
from monitor.store import models, versions, windows

_ALL = 2**31  # versions
_FEW = 20


def put_model(model: ModelName, body: JsonObject, request: Request, services: Parts) -> Response:
    """Creates the model, or replaces the fields the body gives."""
    with services.store.write() as conn:
        try:
            stored = models.get_model(conn, name=model)
        except NotFound:
            stored = None
        now_us = services.now_us()
        check_if_match(request, revision=None if stored is None else stored.revision)
        before = stored or Model(name=model, created_us=now_us)
        after = replace(merged_model(before, body=body), updated_us=now_us)
        _refuse_too_many_segments(after, most=services.settings.max_segments)
        if stored is None:
            saved = models.insert_model(conn, after)
        else:
            if after.window != stored.window:
                _refuse_with_windows(conn, model=stored)
                fit_versions(versions.list_versions(conn, model_id=stored.id, limit=_ALL), spec=after.window)
            saved = models.update_model(conn, after, if_revision=stored.revision)
            follow_model(conn, model=saved)
            if "segments" in {**stored.settings, **saved.settings}:
                follow_model_segments(conn, model=saved, now_us=now_us)
        states = model_states(conn, model=saved)
    services.ingest.invalidate()
    shown = model_summary(saved, states=states)
    if body.get("checks"):
        shown["fixed_thresholds"] = rates_of(services, saved)
    return answer(shown, status=201 if stored is None else 200, etag=etag_of(saved.revision))


def _refuse_too_many_segments(model: Model, *, most: int) -> None:
    told = len(model.settings.get("segments") or ())
    if told > most:
        raise InvalidInput(f"segments: has {told} entries: expected at most {most} (DRIFTLINE_MAX_SEGMENTS)")


def _refuse_with_windows(conn: Connection, *, model: Model) -> None:
    """Windows of two lengths in one model could not be compared."""
    for version in versions.list_versions(conn, model_id=model.id, limit=_ALL):
        if windows.newest_window(conn, version_id=version.id) is not None:
            raise Conflict(
                f"model {model.name!r} has windows of {model.window.length} in {model.window.timezone}: window and "
                "timezone cannot change any more; log to a model of another name"
            )


def get_model(model: ModelName, services: Parts) -> Response:
    """The model with its status."""
    with services.store.read() as conn:
        found = models.get_model(conn, name=model)
        states = model_states(conn, model=found)
    return answer(model_summary(found, states=states), etag=etag_of(found.revision))


def list_models(asked: Page, services: Parts, caller: Calling) -> Response:
    """Every model that the caller may see with its status, by name."""
    (after,) = asked.after(str) or [""]
    with services.store.read() as conn:
        found = models.list_models(conn, after=after, limit=asked.limit + 1, ids=seen_models(conn, caller=caller))
    shown = found[: asked.limit]
    states = _states(services, shown)
    return page(
        [model_summary(model, states=states.get(model.id, [])) for model in shown],
        following=[shown[-1].name] if len(found) > asked.limit else None,
    )


def _states(services: Services, shown: list[Model]) -> dict[int, list[VersionState]]:
    """The states of the models' versions: of a few model by model, of many with the whole fleet's at once."""
    if len(shown) > _FEW:
        return fleet_states(services.store)
    with services.store.read() as conn:
        return {model.id: model_states(conn, model=model) for model in shown}


def delete_model(model: ModelName, request: Request, services: Parts) -> Response:
    """Frees the name at once; what is stored is purged in steps."""
    with services.store.write() as conn:
        found = models.get_model(conn, name=model)
        check_if_match(request, revision=found.revision)
        models.delete_model(conn, name=model)
    services.ingest.invalidate()
    return Response(status_code=204)


_FIELDS = {
    "type": "object",
    "properties": {
        "task": {"enum": list(TASKS)}, "description": {"type": "string"}, "team": {"type": "string"},
        "window": {"type": "string", "examples": ["1h"]}, "lateness": {"type": "string", "examples": ["5m"]},
        "stale_after": {"type": "string"}, "timezone": {"type": "string", "examples": ["UTC"]},
        "checks": {"type": "array", "items": {"type": "object"}}, "baseline": {"type": "object"},
        "segments": {
            "type": "array", "items": {"type": "object"}, "description": "the slices that are judged each by itself",
            "examples": [[{"by": "region", "top": 10}, {"name": "evening", "where": {"hour": {"gte": 18}}}]],
        },
        "false_alarms": {"type": "string", "examples": ["1 per month"]}, "min_effect": {"type": "number"},
        "labels": {
            "type": "object",
            "properties": {
                "delay": {"type": "string", "examples": ["30d"]},
                "min_coverage": {"type": "number", "minimum": 0, "maximum": 1},
                "default": {"type": "object", "required": ["value", "after"],
                            "properties": {"value": {}, "after": {"type": "string", "examples": ["60d"]}}},
            },
        },
        "business_value": {"type": "object", "description": "{label: {prediction: value of one record}}",
                           "additionalProperties": {"type": "object", "additionalProperties": {"type": "number"}}},
        "tags": {"type": "object", "additionalProperties": {"type": "string"}},
        "positive": {"type": "string"}, "decision_threshold": {"type": "number"},
        "on_new_version": {
            "type": "object",
            "properties": {"reference": {"enum": ["inherit", "require"]},
                           "retire_after": {"type": "string", "examples": ["7d"]}},
        },
    },
}  # fmt: skip

OPERATIONS = (
    Operation(method="PUT", path=M, endpoint=put_model, summary="Create or change a model", tag="models",
              answers={200: "changed", 201: "created"}, shape=shape_of("Model"), body=json_body(_FIELDS)),
    Operation(method="GET", path=f"{API}/models", endpoint=list_models, summary="Every model with its status",
              tag="models", answers={200: "a page"}, shape=page_of("Model")),
    Operation(method="GET", path=M, endpoint=get_model, summary="One model with its status", tag="models",
              shape=shape_of("Model")),
    Operation(method="DELETE", path=M, endpoint=delete_model, summary="Free the name, purge the rest in steps",
              tag="models", answers={204: "the name is free"}),
)  # fmt: skip
