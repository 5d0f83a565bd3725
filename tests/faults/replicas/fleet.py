"""A small fleet with hours of traffic that wait, and what jobs made of it: to hold several replicas against one."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from sqlalchemy import select

from monitor.columns.batch import encode_batch
from monitor.columns.roles import Roles
from monitor.columns.table import canonical_batch
from monitor.evaluate.reference import set_reference
from monitor.jobs.occurrences import FOLD
from monitor.jobs.runner import JobRunner
from monitor.jobs.settings import JobSettings
from monitor.model.entities import Model, Version
from monitor.model.time import HOUR_US, MINUTE_US
from monitor.model.window import WindowSpec
from monitor.store import Store, models, open_store, tables
from monitor.store.batches import NewBatch, insert_batches
from monitor.store.schemas import get_schema
from monitor.telemetry import Telemetry
from tests.evaluate.traffic import rows_of

BAD_HOURS = {4: 25.0, 5: 25.0, 9: -25.0}  # hour of twelve → how far its ages are off
HOURS = 12
REFERENCE_HOURS = 40
_LOADED_HOURS = 60 * 24  # rows that came so long after their hour are loaded history, whose end is no silence


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """Versions, and the start of their hour 0: the last of ``hours`` ended an hour ago."""

    versions: tuple[Version, ...]
    start_us: int
    hours: int


def make_fleet(store: Store, *, count: int, referenced: bool = True, hours: int = HOURS) -> Fleet:
    """Models of hourly windows, one version each; every hour moves their verdicts."""
    now_us = time.time_ns() // 1_000
    start_us = now_us - now_us % HOUR_US - (hours + 1) * HOUR_US
    versions = []
    for number in range(count):
        model = Model(name=f"m{number:04}", window=WindowSpec(length="1h"), lateness_us=5 * MINUTE_US,
                      settings={"false_alarms": "1 per day", "page_within": "30d"})  # fmt: skip
        with store.write() as conn:
            made = models.insert_model(conn, model)
            version = models.insert_version(conn, Version(model_id=made.id, name="1", created_us=start_us))
        if referenced:
            rows = [_hour(start_us, hour, seed=version.id, rows=60) for hour in range(-REFERENCE_HOURS, 0)]
            set_reference(store, version_id=version.id, source=lambda r=rows: iter(r), roles=Roles(), now_us=now_us)
        versions.append(version)
    return Fleet(versions=tuple(versions), start_us=start_us, hours=hours)


def post(store: Store, fleet: Fleet, *, hours: Iterable[int], rows: int = 60) -> None:
    """Those hours of every version, each one batch, as ingest would have stored it."""
    for hour in hours:
        new = []
        for version in fleet.versions:
            with store.read() as conn:
                _, now = models.get_version_by_id(conn, id=version.id)
                schema = None if now.schema_id is None else get_schema(conn, id=now.schema_id)
            received_us = fleet.start_us + (hour + 1 + _LOADED_HOURS) * HOUR_US
            table = _hour(fleet.start_us, hour, seed=version.id, rows=rows)
            batch = canonical_batch(table, schema=schema, roles=Roles(), received_us=received_us).batch
            instants = batch.column("timestamp").cast(pa.int64()).to_numpy()
            new.append(NewBatch(
                version_id=version.id, received_us=received_us, t_min_us=int(instants.min()),
                t_max_us=int(instants.max()), rows=batch.num_rows, schema_id=now.schema_id,
                payload=encode_batch(batch),
            ))  # fmt: skip
        with store.write() as conn:
            insert_batches(conn, new)


def _hour(start_us: int, hour: int, *, seed: int, rows: int) -> pa.RecordBatch:
    rng = np.random.default_rng([seed, hour + 1_000])
    begin_us = start_us + hour * HOUR_US
    instants = np.sort(rng.integers(begin_us, begin_us + HOUR_US, rows)).tolist()
    ids = [f"{seed}-{hour}-{n}" for n in range(rows)]
    return rows_of(
        ids, instants, seed=1_000 * seed + hour + 100, shift=BAD_HOURS.get(hour % 12, 0.0) if hour >= 0 else 0.0
    )


def by_one(url: str, *, fleet: Fleet, data_dir: Path) -> dict[str, Any]:
    """What one process alone makes of the fleet's traffic."""
    store = open_store(url, data_dir=data_dir)
    post(store, fleet, hours=range(fleet.hours))
    settings = JobSettings(fold_interval_us=0, gather_us=0)
    runner = JobRunner(store, Telemetry(), now_us=lambda: time.time_ns() // 1_000, settings=settings)
    runner.tick()
    made = effects(store)
    store.close()
    return made


def effects(store: Store) -> dict[str, Any]:
    """Everything jobs wrote that somebody sees, and how often each occurrence took effect; no instants of now."""
    w, r, t, v, j = (tables.metadata.tables[n].c for n in ("window", "result", "transition", "verdict", "job_run"))
    queries = {
        "windows": select(w.version_id, w.start_us, w.state, w.rows, w.deduplicated, w.revision, w.dirty, w.reason,
                          w.in_alert).where(w.revision > 0).order_by(w.version_id, w.start_us),
        "results": select(r.version_id, r.window_start_us, r.revision, r.status, r.rows, r.payload)
        .order_by(r.version_id, r.window_start_us),
        "transitions": select(t.version_id, t.check_name, t.from_status, t.status, t.firing, t.window_start_us)
        .order_by(t.version_id, t.id),
        "verdicts": select(v.version_id, v.check_name, v.status, v.window_start_us)
        .order_by(v.version_id, v.check_name),
        "runs": select(j.job, j.subject, j.scheduled_us, j.state)
        .where(j.job.in_(("evaluate", "silence"))).order_by(j.job, j.subject, j.scheduled_us),
    }  # fmt: skip
    with store.read() as conn:
        return {name: [tuple(map(_plain, row)) for row in conn.execute(query)] for name, query in queries.items()}


def folds(store: Store) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """(version id, number of the fold) of the runs that were done, and of the folds that took effect."""
    j, v = tables.job_run.c, tables.version.c
    with store.read() as conn:
        done = conn.execute(select(j.subject, j.scheduled_us % HOUR_US).where(j.job == FOLD, j.state == "done"))
        seen = conn.execute(select(v.id, v.fold_seq))
        return (
            sorted((int(subject), number) for subject, number in done),
            sorted((id, number) for id, folded in seen for number in range(folded)),
        )


def runs_of(store: Store, *, job: str) -> list[Any]:
    """The job's runs as stored."""
    with store.read() as conn:
        j = tables.job_run
        return list(conn.execute(select(j).where(j.c.job == job).order_by(j.c.id)))


def _plain(value: Any) -> Any:
    return hashlib.sha256(value).hexdigest() if isinstance(value, bytes | memoryview) else value
