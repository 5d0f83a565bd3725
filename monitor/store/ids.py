"""Runs of hashed ids: sorted 64-bit keys of the records folded into a window, merged like a log-structured tree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, delete, insert, select

from monitor.model.errors import FenceLost, NotFound
from monitor.store import dialect, tables

_i = tables.id_run.c


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRun:
    """A run to store: ``keys`` sorted keys whose upper bits are ``prefix``, encoded in ``payload``."""

    level: int
    keys: int
    payload: bytes
    prefix: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class IdRun:
    """A stored run without its keys."""

    id: int
    version_id: int
    window_start_us: int
    level: int
    prefix: int
    keys: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHead:
    """What a join asks of a run before it reads it; ``fold`` is the number of the fold that wrote it, if known."""

    id: int
    version_id: int
    window_start_us: int
    keys: int
    fold: int | None


# Needed for every slice: built once.
_RUNS = (
    select(*(_i[name] for name in IdRun.__slots__))
    .where(_i.version_id == bindparam("version_id"), _i.window_start_us == bindparam("window_start_us"))
    .order_by(_i.id)
)
_ADD = insert(tables.id_run).returning(_i.id, sort_by_parameter_order=True)


def id_runs(conn: Connection, *, version_id: int, window_start_us: int) -> list[IdRun]:
    """The window's runs, oldest first."""
    asked = {"version_id": version_id, "window_start_us": window_start_us}
    return [IdRun(**row._mapping) for row in conn.execute(_RUNS, asked)]


def runs_of_windows(conn: Connection, *, version_ids: Sequence[int], starts_us: Sequence[int]) -> list[IdRun]:
    """The runs of those versions' windows that start at one of so many instants, by id."""
    query = select(*(_i[name] for name in IdRun.__slots__))
    query = query.where(_i.version_id.in_(version_ids), _i.window_start_us.in_(starts_us)).order_by(_i.id)
    return [IdRun(**row._mapping) for row in conn.execute(query)]


def run_payload(conn: Connection, *, id: int) -> bytes:
    """The keys of a run as they were given, or ``NotFound``."""
    payload = conn.execute(select(_i.payload).where(_i.id == id)).scalar()
    if payload is None:
        raise NotFound(f"id run {id} does not exist any more")
    return bytes(payload)


def run_fold(conn: Connection, *, id: int) -> int | None:
    """The number of the fold that wrote the run, if known."""
    return conn.execute(select(_i.fold).where(_i.id == id)).scalar()


def run_heads(conn: Connection, *, version_id: int) -> list[RunHead]:
    """All runs of the version, the newest windows first; out of an index alone, however large the runs are."""
    query = select(*(_i[name] for name in RunHead.__slots__)).where(_i.version_id == version_id)
    return [RunHead(**row._mapping) for row in conn.execute(query.order_by(_i.window_start_us.desc(), _i.id))]


def add_run(conn: Connection, *, version_id: int, window_start_us: int, run: NewRun, fold: int | None = None) -> int:
    """The id of the new run."""
    return add_runs(conn, version_id=version_id, window_start_us=window_start_us, runs=[run], fold=fold)[0]


def add_runs(
    conn: Connection, *, version_id: int, window_start_us: int, runs: Sequence[NewRun], fold: int | None = None
) -> list[int]:
    """The ids of the new runs, in their order; ``fold`` is the number of the fold that writes them."""
    values = [
        {"version_id": version_id, "window_start_us": window_start_us, "level": run.level, "prefix": run.prefix,
         "keys": run.keys, "bytes": len(run.payload), "payload": run.payload, "fold": fold}
        for run in runs
    ]  # fmt: skip
    if not values:
        return []
    return list(conn.execute(_ADD, values).scalars())


def replace_runs(
    conn: Connection,
    *,
    version_id: int,
    window_start_us: int,
    remove_ids: Sequence[int],
    runs: Sequence[NewRun],
    fold: int | None = None,
) -> list[int]:
    """The ids of the runs that take the place of the removed ones; ``FenceLost`` where one of those is gone already."""
    removed = 0
    for some in dialect.slices(remove_ids):
        here = (_i.id.in_(some), _i.version_id == version_id, _i.window_start_us == window_start_us)
        removed += conn.execute(delete(tables.id_run).where(*here)).rowcount
    if removed != len(remove_ids):
        raise FenceLost(f"version {version_id}: {len(remove_ids)} id runs to replace, but only {removed} are there")
    return add_runs(conn, version_id=version_id, window_start_us=window_start_us, runs=runs, fold=fold)
