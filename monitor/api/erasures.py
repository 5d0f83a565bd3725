"""Records of people who want to be forgotten: erased by id, and what became of it."""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection
from starlette.responses import Response

from monitor.api.access import API
from monitor.api.answer_shapes import page_of, shape_of
from monitor.api.body import JsonObject
from monitor.api.params import ModelName, Page
from monitor.api.render import answer, page
from monitor.api.routing import M, Operation, json_body
from monitor.api.said import REASON, name_of, only, reason_of, shown_name
from monitor.api.services import Calling, Parts
from monitor.columns.identity import id_of
from monitor.columns.keyed_ids import hash_ids, hash_key
from monitor.model.errors import InvalidInput, NotFound
from monitor.model.time import rfc3339
from monitor.store import erasures, models, runs
from monitor.store.erased import references_of_erased
from monitor.store.erasures import Erasure
from monitor.store.holds import refuse_held

MOST_IDS = 10_000  # of one call
_ID = re.compile(r"(?:er_)?([1-9]\d{0,17})")


def post_erase(model: ModelName, body: JsonObject, services: Parts, caller: Calling) -> Response:
    """A job that erases what is stored under the ids."""
    only(body, fields=("ids", "reason"), of="an erasure")
    ids = _ids(body.get("ids"))
    reason = reason_of(body)
    hashes = hash_ids(pa.array(ids, pa.string()), key=hash_key(services.store.secret)).tolist()
    with services.store.write() as conn:
        owner = models.get_model(conn, name=model)
        refuse_held(conn, model_id=owner.id)
        asked = Erasure(
            model_id=owner.id, reason=reason, by_name=name_of(caller), asked_us=services.now_us(), ids=len(ids)
        )
        made = erasures.add_erasure(conn, asked, hashes=hashes)
        shape = erasure_shape(conn, made)
    if services.jobs is not None:
        services.jobs.wake()
    return answer(shape, status=202, headers={"Location": f"{API}/models/{model}/erasures/{shape['id']}"})


def list_erasures(model: ModelName, asked: Page, services: Parts) -> Response:
    """The model's erasures, the newest first."""
    key = asked.after(int)
    with services.store.read() as conn:
        owner = models.get_model(conn, name=model)
        found = erasures.list_erasures(
            conn, model_id=owner.id, before=None if key is None else key[0], limit=asked.limit + 1
        )
        shown = [erasure_shape(conn, one) for one in found[: asked.limit]]
    return page(shown, following=[found[asked.limit - 1].id] if len(found) > asked.limit else None)


def get_erasure(model: ModelName, erasure: str, services: Parts) -> Response:
    """One of them, and which references still hold rows of the windows that it erased from."""
    match = _ID.fullmatch(erasure)
    with services.store.read() as conn:
        owner = models.get_model(conn, name=model)
        if match is None:
            raise NotFound(f"erasure {erasure[:40]!r} does not exist: expected an id such as er_3")
        found = erasures.get_erasure(conn, model_id=owner.id, id=int(match[1]))
        shape = erasure_shape(conn, found)
        shape["references"] = [
            {"version": version, "reference": number}
            for version, number in references_of_erased(conn, model_id=owner.id)
        ]  # fmt: skip
    return answer(shape)


def erasure_shape(conn: Connection, erasure: Erasure) -> dict[str, Any]:
    """An erasure as the API shows it, with the state of its job."""
    state, progress, error = "done", 1.0, None
    if erasure.finished_us is None:
        try:
            job = runs.get_job(conn, id=erasure.job_id)
            state, progress, error = job.state, job.progress, job.error
        except NotFound:
            state = "failed"
    return {
        "id": f"er_{erasure.id}", "job": f"job_{erasure.job_id}", "state": state, "progress": progress, "error": error,
        "ids": erasure.ids, "records": erasure.records, "labels": erasure.labels, "quarantined": erasure.quarantined,
        "reason": erasure.reason, "by": shown_name(erasure.by_name), "asked": rfc3339(erasure.asked_us),
        "finished": None if erasure.finished_us is None else rfc3339(erasure.finished_us),
    }  # fmt: skip


def _ids(value: Any) -> list[str]:
    """The distinct ids as texts, in order; an integer is its decimal text, as ingest reads it."""
    expected = f"ids: expected a list of 1 to {MOST_IDS:,} ids, each a text or an integer as it was sent"
    if not isinstance(value, list) or not 0 < len(value) <= MOST_IDS:
        found = f"; found {len(value):,}" if isinstance(value, list) else ""
        raise InvalidInput(f"{expected}{found}; send more in several calls", code="ids")
    texts: dict[str, None] = {}
    for position, one in enumerate(value):
        text, code = id_of(one)
        if text is None or code is not None:
            raise InvalidInput(f"{expected}; ids[{position}] is none", code="ids")
        texts[text] = None
    return list(texts)


_BODY = {
    "type": "object", "required": ["ids"],
    "properties": {
        "ids": {"type": "array", "items": {"type": ["string", "integer"]}, "minItems": 1, "maxItems": MOST_IDS},
        "reason": REASON | {"examples": ["request 2026-114; name nobody here"]},
    },
}  # fmt: skip

OPERATIONS = (
    Operation(method="POST", path=f"{M}/erase", endpoint=post_erase, tag="models", body=json_body(_BODY),
              summary="Erase what is stored under some ids", answers={202: "a job"}, shape=shape_of("Erasure")),
    Operation(method="GET", path=f"{M}/erasures", endpoint=list_erasures, tag="models",
              summary="Who had records erased, when, and how many were found", answers={200: "a page, newest first"},
              shape=page_of("Erasure")),
    Operation(method="GET", path=f"{M}/erasures/{{erasure}}", endpoint=get_erasure, tag="models",
              summary="How far an erasure is, and what it found", shape=shape_of("Erasure")),
)  # fmt: skip
