"""Erasures as they were asked for: who, when, why, how many found; never the ids."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlalchemy import Connection, Row, func, select, update

from monitor.model.errors import NotFound
from monitor.store import dialect, jsontext, runs, tables
from monitor.store.engine import Store

ERASE = "erase"
Found = Literal["records", "labels", "quarantined"]
Erasing = Callable[[Connection, Found, int], None]  # told, in the transaction that erases them, how many of what
_e = tables.erasure.c
_r = tables.job_run.c
_m = tables.model.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """One call: how many ids were named, and how many records, labels and quarantined rows were found so far."""

    id: int = 0
    model_id: int
    reason: str
    by_name: str
    asked_us: int
    ids: int
    records: int = 0
    labels: int = 0
    quarantined: int = 0
    job_id: int = 0
    finished_us: int | None = None


@contextmanager
def erasing(store: Store) -> Iterator[Connection]:
    """A write transaction in which SQLite overwrites what it deletes; elsewhere a page keeps it until it is reused."""
    with store.write() as conn:
        overwrites = conn.dialect.name == "sqlite"
        if overwrites:
            conn.exec_driver_sql("PRAGMA secure_delete=ON")
        try:
            yield conn
        finally:
            if overwrites:
                conn.exec_driver_sql("PRAGMA secure_delete=OFF")


def add_erasure(conn: Connection, erasure: Erasure, *, hashes: Sequence[int]) -> Erasure:
    """The erasure as stored, with the job that does it; the job knows the ids as keyed hashes, until it is done."""
    subject = runs.model_subject(erasure.model_id)
    last_us = conn.execute(select(func.max(_r.scheduled_us)).where(_r.job == ERASE, _r.subject == subject)).scalar()
    at_us = erasure.asked_us if last_us is None else max(erasure.asked_us, last_us + 1)
    values = {name: getattr(erasure, name) for name in Erasure.__slots__ if name not in ("id", "job_id")}
    put = tables.erasure.insert().values(values | {"job_id": 0}).returning(_e.id)
    id = int(conn.execute(put).scalar_one())
    params = {"erasure": id, "hashes": [f"{hash:016x}" for hash in hashes]}
    job_id = runs.enqueue(conn, job=ERASE, subject=subject, scheduled_us=at_us, params=params)
    conn.execute(update(tables.erasure).where(_e.id == id).values(job_id=job_id))
    return replace(erasure, id=id, job_id=job_id)


def get_erasure(conn: Connection, *, model_id: int, id: int) -> Erasure:
    """The model's erasure of that id, or ``NotFound``."""
    row = None
    if dialect.is_id(id):
        row = conn.execute(select(tables.erasure).where(_e.id == id, _e.model_id == model_id)).first()
    if row is None:
        raise NotFound(f"erasure er_{id} does not exist: GET …/erasures lists those of the model")
    return _erasure(row)


def list_erasures(conn: Connection, *, model_id: int, before: int | None = None, limit: int = 1000) -> list[Erasure]:
    """The model's erasures, the newest first, from the one before id ``before`` on."""
    query = select(tables.erasure).where(_e.model_id == model_id)
    if before is not None:
        query = query.where(_e.id < before)
    return [_erasure(row) for row in conn.execute(query.order_by(_e.id.desc()).limit(limit))]


def count_found(conn: Connection, *, id: int, what: Found, found: int) -> None:
    """Adds to what the erasure has found."""
    conn.execute(update(tables.erasure).where(_e.id == id).values({what: _e[what] + found}))


def finish_erasure(conn: Connection, *, id: int, job_id: int, now_us: int) -> None:
    """The erasure is done, and its job forgets the hashes."""
    conn.execute(update(tables.erasure).where(_e.id == id).values(finished_us=now_us))
    conn.execute(update(tables.job_run).where(_r.id == job_id).values(params=jsontext.dump({"erasure": id})))


def disturb(conn: Connection, *, model_id: int) -> None:
    """Makes joins of the model that have read what is erased roll back."""
    conn.execute(update(tables.model).where(_m.id == model_id).values(joins=func.coalesce(_m.joins, 0) + 1))


def _erasure(row: Row[Any]) -> Erasure:
    return Erasure(**row._mapping)
