"""The legal hold of a model: set, ended; ``GET`` of the model shows it."""

from __future__ import annotations

import logging

from starlette.responses import Response

from monitor.api.body import JsonObject
from monitor.api.params import ModelName
from monitor.api.render import answer
from monitor.api.routing import M, Operation, json_body
from monitor.api.said import REASON, hold_shape, name_of, only, reason_of
from monitor.api.services import Calling, Parts
from monitor.evaluate.resegment import request_forgetting
from monitor.model.entities import LegalHold
from monitor.store import holds, models

_log = logging.getLogger(__name__)


def put_hold(model: ModelName, body: JsonObject, services: Parts, caller: Calling) -> Response:
    """Nothing of the model is removed from now on, until the hold is ended; again: with another reason."""
    only(body, fields=("reason",), of="a legal hold")
    hold = LegalHold(
        reason=reason_of(body, required=True), by=name_of(caller), since_us=services.now_us()
    )  # fmt: skip
    with services.store.write() as conn:
        owner = models.get_model(conn, name=model)
        held = holds.put_hold(conn, model_id=owner.id, hold=hold)
    _log.warning("model %s is under a legal hold, by %s", model, hold.by or "a caller without a token")
    return answer(hold_shape(held.legal_hold), status=201 if owner.legal_hold is None else 200)


def end_hold(model: ModelName, services: Parts, caller: Calling) -> Response:
    """The model may be deleted again; without a hold nothing changes."""
    with services.store.write() as conn:
        owner = models.get_model(conn, name=model)
        holds.end_hold(conn, model_id=owner.id)
        if owner.legal_hold is not None:
            request_forgetting(conn, model_id=owner.id, now_us=services.now_us())
    if owner.legal_hold is not None:
        _log.warning("the legal hold of model %s ended, by %s", model, name_of(caller) or "a caller without a token")
    return Response(status_code=204)


_BODY = {
    "type": "object", "required": ["reason"],
    "properties": {"reason": REASON | {"examples": ["case 24-117: keep everything"]}},
}  # fmt: skip

OPERATIONS = (
    Operation(method="PUT", path=f"{M}/legal-hold", endpoint=put_hold, tag="models", body=json_body(_BODY),
              summary="Let nothing of the model be removed",
              answers={200: "held already: the reason is changed", 201: "held from now on"}),
    Operation(method="DELETE", path=f"{M}/legal-hold", endpoint=end_hold, tag="models",
              summary="End the model's legal hold", answers={204: "it may be deleted again"}),
)  # fmt: skip
