"""Silences of models and snoozes of alerts, as rows; an ended one stays, with who ended it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from monitor.model.errors import Conflict, NotFound
from monitor.model.silences import MATCHERS, Silence, Snooze
from monitor.store import dialect, jsontext, tables
from monitor.store.transitions import FAILING

MOST_SILENCES = 1_000  # of one model, that have not ended
_s = tables.silence.c
_h = tables.handling.c
_t = tables.transition.c
_v = tables.version.c
_PLAIN = ("model_id", "reason", "start_us", "end_us", "created_us", "created_by", "ended_us", "ended_by")
_UNTIL = func.coalesce(_s.ended_us, _s.end_us)


def add_silence(conn: Connection, silence: Silence) -> Silence:
    """The silence as stored; ``Conflict`` where the model has too many that have not ended."""
    here = (_s.model_id == silence.model_id, silence.created_us < _UNTIL)
    if len(conn.execute(select(_s.id).where(*here).limit(MOST_SILENCES)).all()) >= MOST_SILENCES:
        raise Conflict(f"the model has {MOST_SILENCES:,} silences that have not ended: end some, or use patterns")
    values = {name: getattr(silence, name) for name in _PLAIN}
    values |= {name: jsontext.dump(list(getattr(silence, name))) for name in MATCHERS}
    id = conn.execute(tables.silence.insert().values(values).returning(_s.id)).scalar_one()
    return replace(silence, id=id)


def list_silences(conn: Connection, *, model_id: int, before: int | None = None, limit: int = 1000) -> list[Silence]:
    """The model's silences, the newest first, from the one made before id ``before`` on."""
    query = select(tables.silence).where(_s.model_id == model_id)
    if before is not None:
        query = query.where(_s.id < before)
    return [_silence(row) for row in conn.execute(query.order_by(_s.id.desc()).limit(limit))]


def end_silence(conn: Connection, *, model_id: int, id: int, by: str, now_us: int) -> bool:
    """Ends the silence now; whether it had not ended. ``NotFound`` where the model has none of that id."""
    here = (_s.id == id, _s.model_id == model_id)
    if not dialect.is_id(id) or conn.execute(select(_s.id).where(*here)).first() is None:
        raise NotFound(f"silence sil_{id} does not exist: GET …/silences lists those of the model")
    ending = update(tables.silence).where(*here, now_us < _UNTIL).values(ended_us=now_us, ended_by=by)
    return conn.execute(ending).rowcount > 0


def silences_since(
    conn: Connection, *, since_us: int, model_ids: Sequence[int] | None = None
) -> dict[int, list[Silence]]:
    """Model → its silences that had not ended at that instant, by id; of all models, or of those."""
    query = select(tables.silence).where(_s.end_us > since_us, since_us < _UNTIL)
    if model_ids is not None:
        query = query.where(dialect.among(_s.model_id, model_ids))
    found: dict[int, list[Silence]] = {}
    for row in conn.execute(query.order_by(_s.id)):
        found.setdefault(row.model_id, []).append(_silence(row))
    return found


def snoozes_since(conn: Connection, *, since_us: int) -> dict[int, list[Snooze]]:
    """Version → its snoozes that had not ended at that instant: by their time, taken back, or the alert resolved."""
    later = tables.transition.alias()
    resolved = select(func.min(later.c.at_us)).where(
        later.c.version_id == _t.version_id, later.c.check_name == _t.check_name, later.c.segment == _t.segment,
        later.c.id > _t.id, later.c.status.not_in(FAILING),
    )  # fmt: skip
    query = (
        select(tables.handling, _t.check_name, _t.segment, _t.status,
               resolved.correlate(tables.transition).scalar_subquery().label("resolved_us"))
        .join_from(tables.handling, tables.transition, _t.id == _h.transition_id)
        .join(tables.version, _v.id == _h.version_id)
        .where(_h.kind == "snooze", _h.until_us > since_us, _v.deleted_us.is_(None))
        .order_by(_h.transition_id)
    )  # fmt: skip
    found: dict[int, list[Snooze]] = {}
    for row in conn.execute(query):
        ends = [end for end in (row.until_us, row.withdrawn_us, row.resolved_us) if end is not None]
        if min(ends) > since_us:
            found.setdefault(row.version_id, []).append(
                Snooze(
                    transition_id=row.transition_id, check=row.check_name, segment=row.segment, status=row.status,
                    reason=row.reason, until_us=min(ends),
                )
            )  # fmt: skip
    return found


def _silence(row: Row[Any]) -> Silence:
    values = {name: row._mapping[name] for name in _PLAIN}
    values |= {name: tuple(jsontext.load(row._mapping[name])) for name in MATCHERS}
    return Silence(id=row.id, **values)
