"""Configuration as code: a set of model files applied, and the JSON Schema of such a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from starlette.responses import Response

from monitor.api.access import API, decide
from monitor.api.body import JsonObject
from monitor.api.fixed_thresholds import rates_of_set
from monitor.api.render import answer, encode_json
from monitor.api.routing import Operation, json_body
from monitor.api.services import Calling, Parts
from monitor.configuration.plan import Rules
from monitor.configuration.reading import Document
from monitor.configuration.resolve import resolve
from monitor.configuration.resolved import Configuration
from monitor.configuration.shapes import json_schema
from monitor.model.entities import Model
from monitor.model.errors import InvalidInput
from monitor.model.names import nearest, valid_name
from monitor.rollout.applying import Applied, apply
from monitor.rollout.succession import succeed

_FIELDS = ("set", "documents", "dry_run", "prune", "adopt")
MAX_DOCUMENTS = 10_000
_MAX_PATH = 1_000
_AT_ONCE = 20


def post_apply(body: JsonObject, services: Parts, caller: Calling) -> Response:
    """Brings models and versions to what the documents say, in one transaction, or changes nothing."""
    configuration = configuration_of(body)
    for wanted in configuration.models:
        decide("write", caller=caller, model=wanted.model.name)
    rules = Rules(
        prune=_flag(body, "prune"), adopt=_flag(body, "adopt"), max_columns=services.settings.max_columns,
        max_segments=services.settings.max_segments,
        within=caller.sees,
    )  # fmt: skip
    done = apply(
        services.store, configuration=configuration, rules=rules, dry_run=_flag(body, "dry_run"),
        now_us=services.now_us(),
    )  # fmt: skip
    if done.applied and done.changes:
        for name in _followed(done):
            succeed(services.store, now_us=services.now_us(), model=name, max_segments=services.settings.max_segments)
        services.ingest.invalidate()
    return answer({
        "set": configuration.name,
        "changes": [change.to_json() for change in done.changes],
        "references": [reference.to_json() for reference in done.references],
        "fixed_thresholds": rates_of_set(services, _rechecked(configuration, done)),
        "applied": done.applied,
    })  # fmt: skip


def configuration_of(body: Mapping[str, Any]) -> Configuration:
    """The configuration that the body holds: its models are all that applying it may change or make."""
    for key in body:
        if key not in _FIELDS:
            raise InvalidInput(f"field {key[:40]!r} is not known{nearest(key, _FIELDS)}: expected {', '.join(_FIELDS)}")
    found = resolve(_documents(body.get("documents")))
    name = body.get("set")
    if name is None:
        return found
    if not isinstance(name, str):
        raise InvalidInput(f"set: expected the set's name as a text, found {str(name)[:40]!r}")
    return replace(found, name=valid_name(name, kind="set"))


def _rechecked(configuration: Configuration, done: Applied) -> list[Model]:
    """The models whose checks change, as they are to be."""
    changed = {change.model for change in done.changes for field in change.fields if "checks" in field.field}
    return [wanted.model for wanted in configuration.models if wanted.model.name in changed]


def _followed(done: Applied) -> list[str]:
    """A few models with a new version that brings no reference of its own; the jobs look after all the others."""
    created = {change.model for change in done.changes if change.version is not None and change.action == "create"}
    return sorted(created - {reference.model for reference in done.references})[:_AT_ONCE]


def get_schema() -> Response:
    """The JSON Schema of a model file, for editors."""
    return Response(encode_json(json_schema()), media_type="application/schema+json")


def _documents(shape: Any) -> list[Document]:
    if not isinstance(shape, list) or not 1 <= len(shape) <= MAX_DOCUMENTS:
        raise InvalidInput(
            f'documents: expected a list of 1 to {MAX_DOCUMENTS:,} objects {{"path": text, "content": {{…}}}}'
        )
    return [_document(entry, position=position) for position, entry in enumerate(shape)]


def _document(shape: Any, *, position: int) -> Document:
    path = shape.get("path") if isinstance(shape, dict) else None
    if not isinstance(shape, dict) or set(shape) != {"path", "content"} or not isinstance(path, str):
        raise InvalidInput(f'documents[{position}]: expected an object {{"path": text, "content": {{…}}}}')
    if not 1 <= len(path) <= _MAX_PATH or not path.isprintable():
        raise InvalidInput(f"documents[{position}].path: expected 1 to {_MAX_PATH} printable characters")
    return Document(path=path, content=shape["content"])


def _flag(body: Mapping[str, Any], name: str) -> bool:
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise InvalidInput(f"{name}: expected true or false, found {str(value)[:40]!r}")
    return value


_BODY = {
    "type": "object",
    "required": ["documents"],
    "properties": {
        "set": {"type": "string", "description": "the set's name, else the one in the documents"},
        "documents": {
            "type": "array", "minItems": 1, "maxItems": MAX_DOCUMENTS,
            "items": {"type": "object", "required": ["path", "content"],
                      "properties": {"path": {"type": "string"}, "content": {"type": "object"}}},
        },
        "dry_run": {"type": "boolean", "default": False},
        "prune": {"type": "boolean", "default": False},
        "adopt": {"type": "boolean", "default": False},
    },
}  # fmt: skip

OPERATIONS = (
    Operation(method="POST", path=f"{API}/apply", endpoint=post_apply, summary="Apply a set of model files",
              tag="configuration", answers={200: "what changed, and the references still to be set"},
              body=json_body(_BODY)),
    Operation(method="GET", path=f"{API}/schema/config.json", endpoint=get_schema, tag="configuration",
              summary="The JSON Schema of a model file", gives=("application/schema+json",)),
)  # fmt: skip
