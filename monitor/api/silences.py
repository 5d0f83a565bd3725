"""Silences of a model: maintenance, during which its checks go on and nobody is told of them."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import Connection
from starlette.responses import Response

from monitor.api.answer_shapes import page_of, shape_of
from monitor.api.body import JsonObject
from monitor.api.params import ModelName, Page
from monitor.api.render import answer, page
from monitor.api.routing import M, Operation, json_body
from monitor.api.said import AHEAD, REASON, ahead_of, name_of, only, reason_of, shown_name
from monitor.api.services import Calling, Parts
from monitor.evaluate.context import checks_of
from monitor.model.entities import Model
from monitor.model.errors import InvalidInput, NotFound
from monitor.model.names import nearest
from monitor.model.silences import MATCHERS, MOST_SILENCE_US, Silence
from monitor.model.time import DAY_US, parse_ahead, rfc3339
from monitor.store import models, silences, versions

MOST_AHEAD_US = 366 * DAY_US
_ID = re.compile(r"(?:sil_)?([1-9]\d{0,17})")
_FIELDS = ("reason", "start", "end", *MATCHERS)
_PATTERN = re.compile(r"[*?\[]")


def post_silence(model: ModelName, body: JsonObject, services: Parts, caller: Calling) -> Response:
    """A silence from ``start`` (now unless told) to ``end``, of what the matchers name: everything unless told."""
    now_us = services.now_us()
    with services.store.write() as conn:
        owner = models.get_model(conn, name=model)
        only(body, fields=_FIELDS, of="a silence")
        start_us = _start(body, now_us=now_us)
        patterns: dict[str, Any] = {name: _patterns(body, name) for name in MATCHERS}
        silence = Silence(
            model_id=owner.id, reason=reason_of(body, required=True), start_us=start_us,
            end_us=ahead_of(body, name="end", now_us=now_us, from_us=start_us, most_us=MOST_SILENCE_US),
            created_us=now_us, created_by=name_of(caller), **patterns,
        )  # fmt: skip
        _refuse_unknown(conn, owner, silence)
        stored = silences.add_silence(conn, silence)
    return answer(silence_shape(stored, now_us=now_us), status=201)


def list_silences(model: ModelName, asked: Page, services: Parts) -> Response:
    """Silences of the model, the newest first, also those that ended."""
    now_us = services.now_us()
    key = asked.after(int)
    with services.store.read() as conn:
        owner = models.get_model(conn, name=model)
        found = silences.list_silences(
            conn, model_id=owner.id, before=None if key is None else key[0], limit=asked.limit + 1
        )
    shown = found[: asked.limit]
    following = [shown[-1].id] if len(found) > asked.limit else None
    return page([silence_shape(silence, now_us=now_us) for silence in shown], following=following)


def end_silence(model: ModelName, silence: str, services: Parts, caller: Calling) -> Response:
    """The silence ends now, or never begins; again: nothing changes."""
    match = _ID.fullmatch(silence)
    with services.store.write() as conn:
        owner = models.get_model(conn, name=model)
        if match is None:
            raise NotFound(f"silence {silence[:40]!r} does not exist: expected an id such as sil_3")
        silences.end_silence(
            conn, model_id=owner.id, id=int(match[1]), by=name_of(caller), now_us=services.now_us()
        )  # fmt: skip
    return Response(status_code=204)


def silence_shape(silence: Silence, *, now_us: int) -> dict[str, Any]:
    """A silence as the API shows it."""
    return {
        "id": f"sil_{silence.id}", "state": silence.state(now_us), "reason": silence.reason,
        "start": rfc3339(silence.start_us), "end": rfc3339(silence.end_us),
        **{name: list(getattr(silence, name)) for name in MATCHERS},
        "created": rfc3339(silence.created_us), "by": shown_name(silence.created_by),
        "ended": None if silence.ended_us is None else rfc3339(silence.ended_us),
        "ended_by": shown_name(silence.ended_by or ""),
    }  # fmt: skip


def _start(body: dict[str, Any], *, now_us: int) -> int:
    start = body.get("start")
    if start is None:
        return now_us
    if not isinstance(start, str):
        raise InvalidInput("start: expected a time, or a duration from now such as 2h", code="start")
    start_us = parse_ahead(start, name="start", now_us=now_us)
    if start_us > now_us + MOST_AHEAD_US:
        raise InvalidInput(f"start {start[:40]!r} is too far ahead: expected a time within a year", code="start")
    return start_us


def _patterns(body: dict[str, Any], name: str) -> tuple[str, ...]:
    value = body.get(name)
    if value is None:
        return ()
    if not isinstance(value, list):
        raise InvalidInput(f'{name}: expected a list of names or patterns, such as ["price_*"]', code=name)
    return tuple(value)


def _refuse_unknown(conn: Connection, owner: Model, silence: Silence) -> None:
    """Refuses a name, which is no pattern, that the model has not: such a silence would hold back nothing."""
    known = {
        "versions": [version.name for version in versions.list_versions(conn, model_id=owner.id, limit=10_000)],
        "checks": [check.name for check in checks_of(owner)],
    }  # fmt: skip
    for field, names in known.items():
        for pattern in getattr(silence, field):
            if not _PATTERN.search(pattern) and pattern not in names:
                raise InvalidInput(
                    f"{field} has {pattern[:40]!r}, which the model has not{nearest(pattern, names)}: expected one of "
                    f"{', '.join(names[:20]) or 'none'}, or a pattern", code=field,
                )  # fmt: skip


_NAMES = {"type": "array", "items": {"type": "string"}}
_BODY = {
    "type": "object", "required": ["reason", "end"],
    "properties": {
        "reason": REASON, "start": AHEAD | {"description": "now unless told"},
        "end": AHEAD | {"description": "a time, or how long after the start"},
        "versions": _NAMES, "checks": _NAMES, "columns": _NAMES, "segments": _NAMES,
    },
    "examples": [{"reason": "the warehouse moves", "end": "2h", "checks": ["volume", "missing"]},
                 {"reason": "new price list", "start": "2026-12-01T00:00:00Z", "end": "1d", "columns": ["price_*"]}],
}  # fmt: skip

OPERATIONS = (
    Operation(method="GET", path=f"{M}/silences", endpoint=list_silences, tag="alerts",
              summary="When nobody is told of the model's checks", answers={200: "a page, newest first"},
              shape=page_of("Silence")),
    Operation(method="POST", path=f"{M}/silences", endpoint=post_silence, tag="alerts", body=json_body(_BODY),
              summary="Have nobody told of the model's checks for a while", answers={201: "made"},
              shape=shape_of("Silence")),
    Operation(method="DELETE", path=f"{M}/silences/{{silence}}", endpoint=end_silence, tag="alerts",
              summary="End a silence now", answers={204: "ended"}),
)  # fmt: skip
