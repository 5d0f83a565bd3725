"""The shortest way: a few records that the schema's structs decode, as rows for the next group commit."""

from __future__ import annotations

import msgspec

from monitor.columns.identity import id_of
from monitor.columns.instants import MISSING, READABLE, instant_of
from monitor.columns.quarantine import FUTURE_US
from monitor.ingest.decode_json import body_structs, line_structs
from monitor.ingest.limits import Limits
from monitor.ingest.plan import RecordPlan
from monitor.ingest.structure import may_be_deep
from monitor.ingest.typed import identity
from monitor.ingest.uuid7 import make_id

MAX_ROWS = 32
MAX_BYTES = 64 << 10
_COUNTS = b'"columns":{"unknown":{},"missing":[],"invalid":{}},"errors":[]}'
_WHOLE = b'{"stored":1,"quarantined":0,"duplicate":0,' + _COUNTS
_WHOLE_MADE = b'{"stored":1,"quarantined":0,"duplicate":0,"ids":["%s"],' + _COUNTS


class Rows:
    """Usable rows of one request: ids, instants and values, and the answer to give once they are stored."""

    __slots__ = ("answer", "ids", "instants_us", "rows")

    def __init__(self, ids: list[str], instants_us: list[int], rows: list[tuple[object, ...]], answer: bytes) -> None:
        self.ids = ids
        self.instants_us = instants_us
        self.rows = rows
        self.answer = answer


def quick_rows(body: bytes, *, media_type: str, plan: RecordPlan, received_us: int, limits: Limits) -> Rows | None:
    """The rows of a small body in which nothing is odd; None sends the body the general way.

    Odd is: not the schema's shape, over ``MAX_ROWS`` records, an id or timestamp that is no plain one, a repeat, many
    brackets where a value may be of any kind.
    """
    if not plan.closed and may_be_deep(body):
        return None
    records = body_structs(body, plan) if media_type == "application/json" else line_structs(body, plan)
    if not records or len(records) > min(MAX_ROWS, limits.max_records):
        return None
    ids: list[str] = []
    instants_us: list[int] = []
    rows: list[tuple[object, ...]] = []
    made: list[str | None] = []
    for record in records:
        sent_id, sent_time = identity(record, plan)
        us, state, naive = instant_of(sent_time)
        if state == MISSING:
            us = received_us
        elif state != READABLE or naive or us > received_us + FUTURE_US:
            return None
        own, fault = id_of(sent_id)
        if fault is not None:
            return None
        fresh = None if own is not None else make_id(now_us=received_us)
        made.append(fresh)
        ids.append(own or fresh or "")
        instants_us.append(us)
        rows.append(plan.row(record))
    if len(rows) > 1 and len(set(ids)) < len(ids):
        return None
    return Rows(ids, instants_us, rows, _answer(rows, made, plan))


def _answer(rows: list[tuple[object, ...]], made: list[str | None], plan: RecordPlan) -> bytes:
    if len(rows) == 1 and None not in rows[0]:
        return _WHOLE if made[0] is None else _WHOLE_MADE % made[0].encode()
    gaps = [i for i, value in enumerate(rows[0]) if value is None and i in plan.expected]
    absent = {plan.columns[i].name for i in gaps if all(row[i] is None for row in rows)}
    shape: dict[str, object] = {"stored": len(rows), "quarantined": 0, "duplicate": 0}
    if any(m is not None for m in made):
        shape["ids"] = made
    # In the schema's order, as on the general way.
    missing = [c.name for c in plan.schema.columns if c.name in absent] if absent else []
    shape["columns"] = {"unknown": {}, "missing": missing, "invalid": {}}
    shape["errors"] = []
    return msgspec.json.encode(shape)
