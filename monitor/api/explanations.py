"""``POST …/explain``: why a check came out as it did in a judged window; the same of the window behind an alert."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from monitor.api.body import JsonObject
from monitor.api.params import ModelName, VersionName, instant
from monitor.api.render import answer
from monitor.api.routing import Operation, V, json_body
from monitor.api.services import Parts, Services
from monitor.evaluate.explaining import Explained, Explainer, words_of
from monitor.model.errors import InvalidInput, NotFound
from monitor.model.names import nearest
from monitor.model.time import rfc3339
from monitor.store import versions
from monitor.store.transitions import StoredTransition

_TEXT = {"type": "string", "minLength": 1}
_FIELDS = {"start": {"type": "string", "format": "date-time"}, "check": _TEXT, "column": _TEXT, "segment": _TEXT}
_BODY = {"type": "object", "properties": _FIELDS, "required": ["start"], "additionalProperties": False}


def post_explain(model: ModelName, version: VersionName, body: JsonObject, services: Parts) -> Response:
    """Why a check of a judged window came out as it did: the worst one unless told; all its failing columns, or one."""
    with services.store.read() as conn:
        owner, found = versions.get_version(conn, model=model, version=version)
    asked = _asked(body)
    explained = Explainer(services.store, contexts=services.contexts).explain(
        version_id=found.id, start_us=owner.window.start_of(instant(asked["start"], name="start")),
        check=asked.get("check"), column=asked.get("column"), segment=asked.get("segment", ""),
    )  # fmt: skip
    result, why = explained.result, explained.explanation
    return answer({
        "model": owner.name, "version": found.name, "check": why.check, "kind": why.kind, "segment": result.segment,
        "status": why.status, "window_start": rfc3339(result.window_start_us),
        "window_end": rfc3339(result.window_end_us), "explanation": why.sentence, "why": _why(explained),
    })  # fmt: skip


def explanation_of(services: Services, alert: StoredTransition) -> dict[str, Any]:
    """``explanation`` and ``why`` of an alert, by its window as it is judged now; as it was told where that is gone."""
    change = alert.transition
    told: dict[str, Any] = {"explanation": change.explanation, "why": None}
    try:
        explained = Explainer(services.store, contexts=services.contexts).explain(
            version_id=alert.version_id, start_us=change.window_start_us, check=change.check, segment=change.segment
        )
    except NotFound:
        return told
    words = words_of(change, explained=explained)
    return told if words is None else {"explanation": words, "why": _why(explained)}


def _why(explained: Explained) -> dict[str, Any]:
    result = explained.result
    judged = {
        "revision": result.revision, "reference": result.reference_number, "computed_at": rfc3339(result.computed_us)
    }  # fmt: skip
    return explained.explanation.to_json() | judged


def _asked(body: dict[str, Any]) -> dict[str, str]:
    for key, value in body.items():
        if key not in _FIELDS:
            raise InvalidInput(f"explain: unknown key {key[:40]!r}{nearest(key, tuple(_FIELDS))}")
        if not isinstance(value, str) or not value:
            raise InvalidInput(f"explain.{key}: expected a text, found {str(value)[:40]!r}")
    if "start" not in body:
        raise InvalidInput("explain.start: expected a time in a judged window, such as 2026-03-02T14:00:00Z")
    return body


OPERATIONS = (
    Operation(method="POST", path=f"{V}/explain", endpoint=post_explain, tag="results",
              summary="Why a check came out as it did in a window", body=json_body(_BODY)),
)  # fmt: skip
