"""The receiver that Alertmanager calls: what it notified of comes back and is kept beside the transitions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends
from starlette.requests import Request
from starlette.responses import Response

from monitor.api.access import API
from monitor.api.body import held_body, media_type_is_json, refuse_too_many_values
from monitor.api.render import answer
from monitor.api.routing import Operation, json_body
from monitor.api.services import Parts
from monitor.api.webhook_body import read_webhook
from monitor.model.errors import TooSlow, Unavailable
from monitor.store import drills, notifications


async def body_in_time(request: Request, services: Parts) -> AsyncIterator[bytes]:
    """The body; one that came too slowly is a 503, for Alertmanager gives up what it gets a 4xx for."""
    media_type_is_json(request)
    try:
        async with held_body(request, services=services) as body:
            refuse_too_many_values(body)
            yield body
    except TooSlow as late:
        raise Unavailable(late.detail) from None


def receive_alerts(body: Annotated[bytes, Depends(body_in_time)], services: Parts) -> Response:
    """Stores what was notified; 200 once it is on disk. The same again changes nothing."""
    found, truncated = read_webhook(body)
    with services.store.write() as conn:
        taken = notifications.add_notifications(conn, found, now_us=services.now_us())
        drills.note_notified(conn, found, now_us=services.now_us())
    services.telemetry.notifications.labels("stored").inc(taken.stored)
    services.telemetry.notifications.labels("known").inc(len(found) - taken.stored)
    services.telemetry.notifications.labels("truncated").inc(truncated)
    return answer({
        "stored": taken.stored, "known": len(found) - taken.stored, "matched": taken.matched, "truncated": truncated,
    })  # fmt: skip


_WEBHOOK = {
    "type": "object", "description": "Alertmanager's webhook, version 4",
    "required": ["version", "groupKey", "receiver", "alerts"],
    "properties": {
        "version": {"const": "4"}, "groupKey": {"type": "string"}, "receiver": {"type": "string"},
        "alerts": {"type": "array", "items": {"type": "object"}},
    },
}  # fmt: skip

OPERATIONS = (
    Operation(method="POST", path=f"{API}/alertmanager", endpoint=receive_alerts, body=json_body(_WEBHOOK),
              summary="Take what Alertmanager notified of", tag="alerts",
              answers={200: "on disk", 503: "not now: Alertmanager tries again"}),
)  # fmt: skip
