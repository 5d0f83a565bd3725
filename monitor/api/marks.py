"""Marks on windows: "that was an incident", "that was a false alarm"; thresholds are learned from what is healthy."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection
from starlette.responses import Response

from monitor.api.body import JsonObject
from monitor.api.params import ModelName, VersionName, instant
from monitor.api.render import answer
from monitor.api.routing import Operation, V, json_body
from monitor.api.said import REASON, name_of, only, reason_of, shown_name
from monitor.api.services import Calling, Parts, Services
from monitor.evaluate.learning import request_relearning
from monitor.model.entities import Model, Version
from monitor.model.errors import Conflict, InvalidInput, NotFound
from monitor.model.handling import Mark
from monitor.model.time import rfc3339
from monitor.store import marks, versions, windows

_FIELDS = ("healthy", "reason")


def put_mark(
    model: ModelName, version: VersionName, start: str, body: JsonObject, services: Parts, caller: Calling
) -> Response:
    """Whether the window counts as healthy, whatever its verdicts were; the calibration is made again in a minute."""
    now_us = services.now_us()
    with services.store.write() as conn:
        start_us, found = _window(conn, model=model, version=version, start=start)
        only(body, fields=_FIELDS, of="a mark")
        healthy = body.get("healthy")
        if not isinstance(healthy, bool):
            raise InvalidInput("healthy: expected true or false; to withdraw a mark, DELETE it", code="healthy")
        mark = Mark(healthy=healthy, reason=reason_of(body, required=True), by=name_of(caller), at_us=now_us)
        marks.put_mark(
            conn, version_id=found.id, start_us=start_us, healthy=healthy, reason=mark.reason, by=mark.by, at_us=now_us
        )
        request_relearning(conn, version_id=found.id, now_us=now_us)
    _wake(services)
    return answer({"start": rfc3339(start_us), "mark": mark_shape(mark)})


def delete_mark(model: ModelName, version: VersionName, start: str, services: Parts, caller: Calling) -> Response:
    """The window counts as its verdicts were, or as a verdict on its alert says."""
    now_us = services.now_us()
    with services.store.write() as conn:
        start_us, found = _window(conn, model=model, version=version, start=start)
        standing = marks.marks_of(conn, version_id=found.id, starts=[start_us]).get(start_us)
        if standing is not None and standing.alert is not None:
            raise Conflict(
                f"window {rfc3339(start_us)} has no mark of its own: the verdict on al_{standing.alert} says so; "
                f"withdraw that with DELETE /api/v1/alerts/al_{standing.alert}/verdict, or mark the window otherwise"
            )
        if standing is not None:
            marks.put_mark(
                conn, version_id=found.id, start_us=start_us, healthy=None, reason=standing.reason,
                by=name_of(caller), at_us=now_us,
            )  # fmt: skip
            request_relearning(conn, version_id=found.id, now_us=now_us)
    _wake(services)
    return Response(status_code=204)


def mark_shape(mark: Mark | None) -> dict[str, Any] | None:
    """What holds of a window, as the API shows it; ``alert`` where a verdict on an alert says so."""
    if mark is None:
        return None
    return {
        "healthy": mark.healthy, "reason": mark.reason, "by": shown_name(mark.by), "at": rfc3339(mark.at_us),
        "alert": None if mark.alert is None else f"al_{mark.alert}",
    }  # fmt: skip


def _window(conn: Connection, *, model: str, version: str, start: str) -> tuple[int, Version]:
    """The start of the window that the path names, and its version; ``NotFound`` where there is none with records."""
    owner, found = versions.get_version(conn, model=model, version=version)
    start_us = instant(start, name="start")
    if windows.get_window(conn, version_id=found.id, start_us=start_us) is None:
        raise NotFound(_missing(owner, start_us=start_us))
    return start_us, found


def _missing(owner: Model, *, start_us: int) -> str:
    begins_us = owner.window.start_of(start_us)
    said = f"no window with records starts at {rfc3339(start_us)}: GET …/windows lists them"
    return said if begins_us == start_us else f"{said}; the one that holds this time starts at {rfc3339(begins_us)}"


def _wake(services: Services) -> None:
    if services.jobs is not None:
        services.jobs.wake()


_BODY = {
    "type": "object", "required": list(_FIELDS),
    "properties": {
        "healthy": {"type": "boolean", "description": "true: it joins the healthy history, in alarm or not"},
        "reason": REASON,
    },
    "examples": [{"healthy": False, "reason": "upstream sent cents for euros until noon"}],
}  # fmt: skip

OPERATIONS = (
    Operation(method="PUT", path=f"{V}/windows/{{start}}/mark", endpoint=put_mark, tag="results",
              summary="Say whether a window was healthy", body=json_body(_BODY)),
    Operation(method="DELETE", path=f"{V}/windows/{{start}}/mark", endpoint=delete_mark, tag="results",
              summary="Withdraw what was said of a window", answers={204: "it counts as its verdicts were"}),
)  # fmt: skip
