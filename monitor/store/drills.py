"""Drills as rows: one at a time a model, seen to come back by what Alertmanager says."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, select, update

from monitor.model.drills import CHECK, Drill
from monitor.model.entities import Version
from monitor.model.errors import Conflict, NotFound
from monitor.model.notifications import Notification
from monitor.model.time import SECOND_US, rfc3339
from monitor.store import tables
from monitor.store.notifications import CLOCKS_APART_US

_d = tables.drill.c
_PLAIN = tuple(name for name in Drill.__slots__ if name != "version")


def begin_drill(conn: Connection, *, version: Version, severity: str, now_us: int, ends_us: int) -> Drill:
    """The drill as stored; ``Conflict`` while the model's last one may still fire."""
    m = tables.model.c
    conn.execute(select(m.id).where(m.id == version.model_id).with_for_update())  # two replicas: one after the other
    query = _select().where(_d.model_id == version.model_id).order_by(_d.id.desc()).limit(1)
    row = conn.execute(query).first()
    if row is not None:
        _refuse_while_it_fires(_drill(row), now_us=now_us)
    values = {"model_id": version.model_id, "version_id": version.id, "severity": severity, "started_us": now_us,
              "ends_us": ends_us}  # fmt: skip
    id = conn.execute(tables.drill.insert().values(values).returning(_d.id)).scalar_one()
    return _drill(conn.execute(_select().where(_d.id == id)).one())


def newest_drill(conn: Connection, *, version_id: int) -> Drill:
    """The version's newest drill, or ``NotFound``."""
    row = conn.execute(_select().where(_d.version_id == version_id).order_by(_d.id.desc()).limit(1)).first()
    if row is None:
        raise NotFound("the version has had no drill of its route yet: start one with POST …/drill")
    return _drill(row)


def unresolved_drills(conn: Connection) -> dict[int, Drill]:
    """Version id → its newest drill that Alertmanager has told no end of, also those past their own."""
    found = conn.execute(_select().where(_d.resolved_us.is_(None)).order_by(_d.id))
    return {row.version_id: _drill(row) for row in found}


def note_notified(conn: Connection, found: Iterable[Notification], *, now_us: int) -> int:
    """How many drills came back by these notifications; what they say of an end is noted too."""
    back = 0
    for one in found:
        if one.check != CHECK or not one.on_a_verdict:
            continue
        query = _select().where(tables.model.c.name == one.model, tables.version.c.name == one.version)
        row = conn.execute(query.order_by(_d.id.desc()).limit(1)).first()
        if row is None or one.starts_us < row.started_us - CLOCKS_APART_US:  # of an earlier one
            continue
        if one.status == "firing":
            change = update(tables.drill).where(_d.id == row.id, _d.seen_us.is_(None))
            back += conn.execute(change.values(seen_us=now_us, seen_by=one.receiver)).rowcount
        else:
            change = update(tables.drill).where(_d.id == row.id, _d.resolved_us.is_(None))
            conn.execute(change.values(resolved_us=now_us))
    return back


def purge_drills(conn: Connection, *, before_us: int) -> None:
    """Removes those begun before."""
    conn.execute(delete(tables.drill).where(_d.started_us < before_us))


def _refuse_while_it_fires(last: Drill, *, now_us: int) -> None:
    if last.fires(now_us=now_us):
        raise Conflict(
            f"a drill of version {last.version!r} runs until {rfc3339(last.fires_until_us)} at the latest: "
            "wait for its end",
            retry_after_seconds=_seconds(last.fires_until_us - now_us),
        )
    left_us = last.settled_us() - now_us
    if left_us > 0:
        raise Conflict(
            f"the alert of the last drill, of version {last.version!r}, may still fire, and a new one could not be "
            f"told from it: wait until it has resolved, {rfc3339(last.settled_us())} at the latest",
            retry_after_seconds=_seconds(left_us),
        )


def _seconds(us: int) -> int:
    return max(-(-us // SECOND_US), 1)


def _select() -> Select[Any]:
    m, v = tables.model.c, tables.version.c
    joined = tables.drill.join(tables.version, v.id == _d.version_id).join(tables.model, m.id == v.model_id)
    query = select(*(_d[name] for name in _PLAIN), v.name.label("version")).select_from(joined)
    return query.where(v.deleted_us.is_(None), m.deleted_us.is_(None))


def _drill(row: Row[Any]) -> Drill:
    return Drill(**row._mapping)
