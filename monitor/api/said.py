"""What the bodies have in common by which people say something: who says it, why, and until when it holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from monitor.api.access import Caller
from monitor.model.entities import LegalHold
from monitor.model.errors import InvalidInput
from monitor.model.handling import MOST_REASON
from monitor.model.names import nearest
from monitor.model.time import format_duration, parse_ahead, rfc3339

REASON: dict[str, Any] = {"type": "string", "maxLength": MOST_REASON, "examples": ["upstream sent cents for euros"]}
AHEAD: dict[str, Any] = {"type": "string", "examples": ["4h", "2026-03-02T18:00:00Z"]}


def only(body: dict[str, Any], *, fields: Sequence[str], of: str) -> None:
    """Nothing, or ``InvalidInput`` for a key that the body of ``of`` does not have."""
    for key in body:
        if key not in fields:
            raise InvalidInput(
                f"{key[:40]!r} is not a field of {of}{nearest(key, fields)}: expected {', '.join(fields)}",
                code="field",
            )


def name_of(caller: Caller) -> str:
    """The name of the caller's token; empty where none is needed."""
    return caller.grant.name if caller.grant is not None else ""


def shown_name(by: str) -> str | None:
    """The name as answers show it."""
    return by or None


def hold_shape(hold: LegalHold | None) -> dict[str, Any] | None:
    """A model's legal hold as answers show it."""
    if hold is None:
        return None
    return {"reason": hold.reason, "since": rfc3339(hold.since_us), "by": shown_name(hold.by)}


def reason_of(body: dict[str, Any], *, required: bool = False) -> str:
    """The body's ``reason``, without space around it; ``""`` where none is given and none is required."""
    reason = body.get("reason")
    text = "" if reason is None else reason.strip() if isinstance(reason, str) else None
    if text is None or len(text) > MOST_REASON or (required and not text):
        raise InvalidInput(
            f"reason: expected a text of {1 if required else 0} to {MOST_REASON:,} characters that says why",
            code="reason",
        )
    return text


def ahead_of(body: dict[str, Any], *, name: str, now_us: int, most_us: int, from_us: int | None = None) -> int:
    """The instant ahead that the field names: a time, or a duration from ``from_us`` (now unless told).

    ``InvalidInput`` where it is missing, not ahead of both, or more than ``most_us`` behind ``from_us``.
    """
    value = body.get(name)
    begin_us = now_us if from_us is None else from_us
    expected = f"expected a duration such as 4h, or a time ahead, within {format_duration(most_us)}"
    if not isinstance(value, str):
        raise InvalidInput(f"{name}: {expected}", code=name)
    instant_us = parse_ahead(value, name=name, now_us=begin_us)
    if not max(now_us, begin_us) < instant_us <= begin_us + most_us:
        raise InvalidInput(f"{name} {value[:40]!r} is not ahead, or too far: {expected}", code=name)
    return instant_us
