"""Legal holds: while one is in force nothing of its model is removed, by nobody and by no job."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, exists, func, select, update

from monitor.model.entities import LegalHold, Model
from monitor.model.errors import Held, NotFound
from monitor.model.time import rfc3339
from monitor.store import rows, tables

_SHOWN = 200  # characters of the reason in an error
_m = tables.model.c


def put_hold(conn: Connection, *, model_id: int, hold: LegalHold) -> Model:
    """The model under the hold; one that is held already keeps its ``since``, and has the new reason."""
    change = update(tables.model).where(_m.id == model_id, _m.deleted_us.is_(None))
    change = change.values(
        held_us=func.coalesce(_m.held_us, hold.since_us), held_by=hold.by, held_reason=hold.reason
    )  # fmt: skip
    row = conn.execute(change.returning(tables.model)).first()
    if row is None:
        raise NotFound(f"model {model_id} does not exist any more")
    return rows.model_from_row(row)


def end_hold(conn: Connection, *, model_id: int) -> None:
    """The model may be deleted again; without a hold nothing changes."""
    change = update(tables.model).where(_m.id == model_id, _m.deleted_us.is_(None))
    conn.execute(change.values(held_us=None, held_by=None, held_reason=None))


def refuse_held(conn: Connection, *, model_id: int) -> None:
    """Nothing, or ``Held``; the model's row is locked from here on: no hold begins before this commits.

    Rows that point at the model may be inserted meanwhile. Call it behind the rows of its versions: whoever takes
    both takes the versions first.
    """
    row = conn.execute(select(tables.model).where(_m.id == model_id).with_for_update(key_share=True)).first()
    if row is not None:
        refuse(rows.model_from_row(row))


def refuse(model: Model) -> None:
    """Nothing, or ``Held`` where the model, as it was read, is under a legal hold."""
    hold = model.legal_hold
    if hold is None:
        return
    reason = hold.reason if len(hold.reason) <= _SHOWN else hold.reason[:_SHOWN] + "…"
    raise Held(
        f"model {model.name!r} is under a legal hold since {rfc3339(hold.since_us)} ({reason}): nothing of it may be "
        f"removed; an admin ends the hold with DELETE /api/v1/models/{model.name}/legal-hold"
    )


def under_hold(model_id: ColumnElement[int]) -> ColumnElement[bool]:
    """The condition that the model of that id is under a hold."""
    held = tables.model.alias("held")
    return exists().where(held.c.id == model_id, held.c.held_us.is_not(None))
