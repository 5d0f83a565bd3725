"""Alerts: the transitions of verdicts, as rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import Query
from sqlalchemy import Connection
from starlette.responses import Response

from monitor.api.access import API, Caller, decide
from monitor.api.answer_shapes import page_of, shape_of
from monitor.api.explanations import explanation_of
from monitor.api.handled import Handled
from monitor.api.params import Page
from monitor.api.render import answer, page
from monitor.api.routing import Operation
from monitor.api.seeing import seen_models
from monitor.api.services import Calling, Parts
from monitor.model.errors import NotFound
from monitor.model.names import valid_name
from monitor.model.time import rfc3339
from monitor.store import notifications, transitions
from monitor.store.notifications import Notified
from monitor.store.transitions import StoredTransition

_ID = re.compile(r"(?:al_)?([1-9]\d{0,17})")


def list_alerts(
    asked: Page,
    services: Parts,
    caller: Calling,
    state: Annotated[Literal["firing", "resolved"] | None, Query(description="only those")] = None,
    model: Annotated[str | None, Query(description="only this model's")] = None,
    segment: Annotated[str | None, Query(description="only this segment's; empty: those of all traffic")] = None,
) -> Response:
    """Transitions of the models that the caller may see, newest first."""
    if model is not None:
        decide("read", caller=caller, model=valid_name(model, kind="model"))
    key = asked.after(int)
    with services.store.read() as conn:
        found = transitions.list_transitions(
            conn, after=None if key is None else key[0], limit=asked.limit + 1, state=state, model=model,
            model_ids=seen_models(conn, caller=caller), segment=segment,
        )  # fmt: skip
        told, handled = Told.read(conn, found), Handled.read(conn, found, now_us=services.now_us())
    shown = found[: asked.limit]
    return page(
        [alert_shape(row) | told.shape(row) | handled.shape(row) for row in shown],
        following=[shown[-1].id] if len(found) > asked.limit else None,
    )


def get_alert(alert: str, services: Parts, caller: Calling) -> Response:
    """One transition, with why: which columns, which way, since when, how unusual."""
    with services.store.read() as conn:
        found = seen_alert(conn, alert=alert, caller=caller)
        shown = shown_alert(conn, found, now_us=services.now_us())
    return answer(shown | explanation_of(services, found))


def seen_alert(conn: Connection, *, alert: str, caller: Caller) -> StoredTransition:
    """The alert of that id that the caller may see, or ``NotFound``."""
    match = _ID.fullmatch(alert)
    if match is None:
        raise NotFound(f"alert {alert[:40]!r} does not exist: expected an id such as al_12")
    found = transitions.get_transition(conn, id=int(match[1]))
    if not caller.sees(found.model):  # the answer is that of an alert that is not there
        raise NotFound(f"alert {match[1]} does not exist")
    return found


def shown_alert(conn: Connection, found: StoredTransition, *, now_us: int) -> dict[str, Any]:
    """The alert with who was told of it and what was said of it."""
    told, handled = Told.read(conn, [found]), Handled.read(conn, [found], now_us=now_us)
    return alert_shape(found) | told.shape(found) | handled.shape(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What was notified of transitions; ``ever``: Alertmanager has called at all."""

    ever: bool
    of: dict[int, list[Notified]]

    @classmethod
    def read(cls, conn: Connection, found: Sequence[StoredTransition]) -> Told:
        """That of the transitions."""
        of = notifications.notified_of(conn, transition_ids=[row.id for row in found])
        return cls(ever=bool(of) or notifications.any_notification(conn), of=of)

    def shape(self, row: StoredTransition) -> dict[str, Any]:
        """``notified``: a list, empty where nobody was told; null where nothing ever comes back."""
        return {"notified": [_notified_shape(n) for n in self.of.get(row.id, ())] if self.ever else None}


def _notified_shape(one: Notified) -> dict[str, Any]:
    return {
        "receiver": one.receiver, "status": one.status, "at": rfc3339(one.at_us), "starts_at": rfc3339(one.starts_us),
        "ends_at": None if one.ends_us is None else rfc3339(one.ends_us),
    }  # fmt: skip


def alert_shape(stored: StoredTransition) -> dict[str, Any]:
    """A transition as the API shows it."""
    change = stored.transition
    return {
        "id": f"al_{stored.id}", "model": stored.model, "version": stored.version, "check": change.check,
        "kind": change.kind, "severity": change.severity, "segment": change.segment,
        "from_status": change.from_status, "status": change.status, "state": stored.state,
        "at": rfc3339(change.at_us), "window_start": rfc3339(change.window_start_us),
        "window_end": rfc3339(change.window_end_us), "value": change.value, "threshold": change.threshold,
        "rows": change.rows, "columns": [
            {"column": c.column, "metric": c.metric, "value": c.value, "threshold": c.threshold}
            for c in change.columns
        ],
        "explanation": change.explanation,
    }  # fmt: skip


OPERATIONS = (
    Operation(method="GET", path=f"{API}/alerts", endpoint=list_alerts, summary="Verdicts that changed, newest first",
              tag="alerts", answers={200: "a page"}, shape=page_of("Alert")),
    Operation(method="GET", path=f"{API}/alerts/{{alert}}", endpoint=get_alert, tag="alerts",
              summary="One of them, and why", shape=shape_of("Alert")),
)  # fmt: skip
