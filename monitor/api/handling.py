"""What people say of an alert: whose it is, and what it was."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection
from starlette.responses import Response

from monitor.api.access import API, Caller
from monitor.api.alerts import seen_alert, shown_alert
from monitor.api.body import JsonObject, JsonObjectOrNothing
from monitor.api.render import answer
from monitor.api.routing import Operation, json_body
from monitor.api.said import AHEAD, REASON, ahead_of, name_of, only, reason_of
from monitor.api.services import Calling, Parts, Services
from monitor.evaluate.learning import request_relearning
from monitor.model.errors import Conflict, InvalidInput
from monitor.model.handling import HEALTHY, Was, Word, WordKind
from monitor.model.names import nearest
from monitor.model.silences import MOST_SNOOZE_US
from monitor.model.time import DAY_US
from monitor.store import handling
from monitor.store.transitions import FAILING, StoredTransition

MOST_ACKNOWLEDGED_US = 30 * DAY_US


def acknowledge(alert: str, body: JsonObjectOrNothing, services: Parts, caller: Calling) -> Response:
    """The alert with whose it is now; 409 while it is somebody else's. What is sent of it stays as it is."""
    now_us = services.now_us()
    with services.store.write() as conn:
        found = seen_alert(conn, alert=alert, caller=caller)
        only(body, fields=("reason", "until"), of="an acknowledgement")
        until_us = None
        if body.get("until") is not None:
            until_us = ahead_of(body, name="until", now_us=now_us, most_us=MOST_ACKNOWLEDGED_US)
        firing(found, doing="acknowledge")
        word = Word(
            kind="acknowledge", reason=reason_of(body), by=name_of(caller), at_us=now_us, until_us=until_us
        )  # fmt: skip
        handling.claim(conn, word, of=found)
        return answer(shown_alert(conn, found, now_us=now_us))


def snooze(alert: str, body: JsonObject, services: Parts, caller: Calling) -> Response:
    """The alert, of which nobody is told until ``until``, or until it is resolved or gets worse."""
    now_us = services.now_us()
    with services.store.write() as conn:
        found = seen_alert(conn, alert=alert, caller=caller)
        only(body, fields=("reason", "until"), of="a snooze")
        until_us = ahead_of(body, name="until", now_us=now_us, most_us=MOST_SNOOZE_US)
        firing(found, doing="snooze")
        word = Word(kind="snooze", reason=reason_of(body), by=name_of(caller), at_us=now_us, until_us=until_us)
        handling.say(conn, word, of=found)
        return answer(shown_alert(conn, found, now_us=now_us))


def unsnooze(alert: str, services: Parts, caller: Calling) -> Response:
    """The alert is told again; again: nothing changes."""
    return _take_back("snooze", alert=alert, services=services, caller=caller)


def judge(alert: str, body: JsonObject, services: Parts, caller: Calling) -> Response:
    """The alert with what it was; its windows so far count as healthy, or not, unless they are marked themselves."""
    now_us = services.now_us()
    with services.store.write() as conn:
        found = seen_alert(conn, alert=alert, caller=caller)
        only(body, fields=("was", "reason"), of="a verdict")
        was = _was(body)
        _failed(conn, found)
        from_us, to_us = handling.windows_of(conn, found)
        word = Word(
            kind="verdict", reason=reason_of(body), by=name_of(caller), at_us=now_us, was=was, from_us=from_us,
            to_us=to_us,
        )  # fmt: skip
        handling.say(conn, word, of=found)
        request_relearning(conn, version_id=found.version_id, now_us=now_us)
        shown = shown_alert(conn, found, now_us=now_us)
    if services.jobs is not None:
        services.jobs.wake()
    return answer(shown)


def unacknowledge(alert: str, services: Parts, caller: Calling) -> Response:
    """The alert is nobody's; again: nothing changes."""
    return _take_back("acknowledge", alert=alert, services=services, caller=caller)


def unjudge(alert: str, services: Parts, caller: Calling) -> Response:
    """Nobody said what the alert was; its windows count as their verdicts were. Again: nothing changes."""
    return _take_back("verdict", alert=alert, services=services, caller=caller)


def _take_back(kind: WordKind, *, alert: str, services: Services, caller: Caller) -> Response:
    now_us = services.now_us()
    with services.store.write() as conn:
        found = seen_alert(conn, alert=alert, caller=caller)
        there = handling.withdraw(conn, transition_id=found.id, kind=kind, by=name_of(caller), at_us=now_us)
        if there and kind == "verdict":
            request_relearning(conn, version_id=found.version_id, now_us=now_us)
    return Response(status_code=204)


def firing(found: StoredTransition, *, doing: str) -> None:
    """Nothing, or ``Conflict`` where the alert does not fire any more."""
    if found.state != "firing":
        raise Conflict(
            f"al_{found.id} is {found.state}: nothing to {doing}; GET /api/v1/alerts?state=firing lists more"
        )


def _failed(conn: Connection, found: StoredTransition) -> None:
    """Nothing, or ``Conflict`` where the alert is the end of one: it names that one."""
    if found.transition.status in FAILING:
        return
    before = handling.failing_before(conn, found)
    one = "the one before it" if before is None else f"al_{before}"
    raise Conflict(f"al_{found.id} says that an alert ended: judge {one}, which is the alert that ended")


def _was(body: dict[str, Any]) -> Was:
    was = body.get("was")
    if not isinstance(was, str) or was not in HEALTHY:
        raise InvalidInput(
            f"was {str(was)[:40]!r} is not known{nearest(str(was), HEALTHY)}: expected one of {', '.join(HEALTHY)}",
            code="was",
        )
    return was  # type: ignore[return-value]  # one of the literals


_ACKNOWLEDGE = {
    "type": "object",
    "properties": {"reason": REASON, "until": AHEAD | {"description": "when it lapses; not of itself unless told"}},
    "examples": [{"reason": "looking into it", "until": "4h"}],
}  # fmt: skip
_SNOOZE = {
    "type": "object", "required": ["until"],
    "properties": {"reason": REASON, "until": AHEAD | {"description": "at most 30 days ahead"}},
    "examples": [{"reason": "known, the fix is deployed on Monday", "until": "3d"}],
}  # fmt: skip
_VERDICT = {
    "type": "object", "required": ["was"],
    "properties": {"was": {"enum": list(HEALTHY)}, "reason": REASON},
    "examples": [{"was": "false_alarm", "reason": "the spring sale"}],
}  # fmt: skip
_A = f"{API}/alerts/{{alert}}"
_GONE = {204: "it is as if nobody had said so"}

OPERATIONS = (
    Operation(method="POST", path=f"{_A}/acknowledge", endpoint=acknowledge, tag="alerts",
              summary="Say that the alert is yours", body=json_body(_ACKNOWLEDGE), bodyless=True,
              answers={200: "yours now", 409: "somebody else's, or over"}),
    Operation(method="DELETE", path=f"{_A}/acknowledge", endpoint=unacknowledge, tag="alerts",
              summary="Say that the alert is nobody's", answers=_GONE),
    Operation(method="POST", path=f"{_A}/snooze", endpoint=snooze, tag="alerts", body=json_body(_SNOOZE),
              summary="Have nobody told of the alert for a while", answers={200: "snoozed", 409: "it is over"}),
    Operation(method="DELETE", path=f"{_A}/snooze", endpoint=unsnooze, tag="alerts",
              summary="Have the alert told again", answers=_GONE),
    Operation(method="POST", path=f"{_A}/verdict", endpoint=judge, tag="alerts", summary="Say what the alert was",
              body=json_body(_VERDICT), answers={200: "judged", 409: "not an alert, but the end of one"}),
    Operation(method="DELETE", path=f"{_A}/verdict", endpoint=unjudge, tag="alerts",
              summary="Take back what the alert was said to be", answers=_GONE),
)  # fmt: skip
