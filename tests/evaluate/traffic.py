"""A small world for tests: one model, its reference, and records posted as ingest would store them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from monitor.columns.batch import encode_batch
from monitor.columns.roles import Roles
from monitor.columns.table import canonical_batch
from monitor.evaluate.reference import set_reference
from monitor.jobs.runner import JobRunner
from monitor.jobs.settings import JobSettings
from monitor.model.entities import Model, Version
from monitor.model.schema import Schema
from monitor.model.time import HOUR_US, MINUTE_US, parse_instant
from monitor.model.window import WindowSpec
from monitor.store import Store, models, results, schemas
from monitor.store.batches import NewBatch, insert_batches
from monitor.store.results import StoredResult, unpack_rows
from monitor.store.windows import WindowRow, list_windows
from monitor.telemetry import Telemetry

START_US = parse_instant("2026-03-02T00:00:00Z")
LATENESS_US = 5 * MINUTE_US
EAGER = JobSettings(fold_interval_us=0, gather_us=0, fold_rows=1)
PATIENT = JobSettings(fold_interval_us=0, gather_us=0)


@dataclass(slots=True)
class Clock:
    """The time the jobs believe it is."""

    now_us: int = START_US

    def __call__(self) -> int:
        return self.now_us


@dataclass(slots=True)
class World:
    """One version on one store, with a runner whose clock stands still until told."""

    store: Store
    model: Model
    version: Version
    clock: Clock
    runner: JobRunner
    telemetry: Telemetry
    schema: Schema | None = None
    schema_id: int | None = None

    def post(self, table: pa.RecordBatch, *, received_us: int | None = None) -> int:
        """Stores the table as one committed batch and says how many rows it had."""
        when = self.clock.now_us if received_us is None else received_us
        batch = canonical_batch(table, schema=self.schema, roles=Roles(), received_us=when).batch
        instants = batch.column("timestamp").cast(pa.int64()).to_numpy()
        new = NewBatch(
            version_id=self.version.id, received_us=when, t_min_us=int(instants.min()), t_max_us=int(instants.max()),
            rows=batch.num_rows, schema_id=self.schema_id, payload=encode_batch(batch),
        )  # fmt: skip
        with self.store.write() as conn:
            insert_batches(conn, [new])
        return batch.num_rows

    def close_of(self, hour: int) -> int:
        """When the window of that hour closes."""
        return START_US + (hour + 1) * HOUR_US + LATENESS_US

    def tick_after(self, hour: int):
        """Lets the hour's window close and does all that is due."""
        self.clock.now_us = max(self.clock.now_us, self.close_of(hour))
        return self.runner.tick()

    def windows(self) -> list[WindowRow]:
        """Every stored window, oldest first."""
        with self.store.read() as conn:
            return list_windows(conn, version_id=self.version.id)

    def result(self, hour: int) -> StoredResult | None:
        """The result of the hour's window."""
        with self.store.read() as conn:
            return results.get_result(conn, version_id=self.version.id, window_start_us=START_US + hour * HOUR_US)

    def numbers(self, hour: int) -> dict[tuple[str, str, str], tuple[object, ...]]:
        """(check, column, metric) → value, status, reason, rows of the hour's result."""
        found = self.result(hour)
        assert found is not None
        rows = unpack_rows(found.payload)
        return {(r.check, r.column, r.metric): (r.value, r.status, r.reason, r.rows) for r in rows}


def rows_of(ids: Sequence[str], instants_us: Sequence[int], *, seed: int = 0, shift: float = 0.0) -> pa.RecordBatch:
    """Records with a number, a zero-inflated number, a category and a prediction."""
    rng = np.random.default_rng(seed)
    n = len(ids)
    spend = np.where(rng.random(n) < 0.6, 0.0, rng.exponential(10.0, n))
    return pa.record_batch(
        {
            "id": pa.array(list(ids), pa.string()),
            "timestamp": pa.array(np.asarray(instants_us, dtype=np.int64)).cast(pa.timestamp("us", tz="UTC")),
            "age": pa.array(rng.normal(40.0 + shift, 10.0, n)),
            "spend": pa.array(spend),
            "region": pa.array(rng.choice(["north", "south", "east"], n).tolist()),
            "prediction": pa.array(rng.choice(["yes", "no"], n).tolist()),
        }
    )


def hour_of_rows(
    hour: int, *, rows: int = 200, seed: int | None = None, shift: float = 0.0, name: str = "r"
) -> pa.RecordBatch:
    """Records spread over one hour."""
    rng = np.random.default_rng(1_000 + hour if seed is None else seed)
    start = START_US + hour * HOUR_US
    instants = np.sort(rng.integers(start, start + HOUR_US, rows))
    ids = [f"{name}-{hour}-{i}" for i in range(rows)]
    return rows_of(ids, instants.tolist(), seed=hour if seed is None else seed, shift=shift)


def make_world(
    store: Store, *, settings: JobSettings = PATIENT, model: dict[str, object] | None = None, name: str = "churn"
) -> World:
    """A model of hourly windows with one version and no reference yet."""
    # one false alarm a day: 30 healthy windows are enough to judge by
    usual = {"name": name, "window": WindowSpec(length="1h"), "lateness_us": LATENESS_US,
             "settings": {"false_alarms": "1 per day"}}  # fmt: skip
    shape = usual | (model or {})
    with store.write() as conn:
        made = models.insert_model(conn, Model(**shape))
        version = models.insert_version(conn, Version(model_id=made.id, name="1", created_us=START_US))
    clock, telemetry = Clock(), Telemetry()
    runner = JobRunner(store, telemetry, now_us=clock, settings=settings)
    return World(store=store, model=made, version=version, clock=clock, runner=runner, telemetry=telemetry)


def set_usual_reference(world: World, *, hours: int = 40, timed: bool = True, rows: int = 100) -> None:
    """A reference of so many hours before the start."""
    tables = [hour_of_rows(hour, rows=rows, seed=500 + hour, name="ref") for hour in range(-hours, 0)]
    if not timed:
        tables = [table.drop_columns(["timestamp", "id"]) for table in tables]
    made = set_reference(
        world.store, version_id=world.version.id, source=lambda: iter(tables), roles=Roles(), now_us=world.clock()
    )
    world.schema, world.schema_id = made.schema, made.reference.schema_id


def schema_of(world: World) -> Schema | None:
    """The version's schema as stored."""
    with world.store.read() as conn:
        _, version = models.get_version_by_id(conn, id=world.version.id)
        return None if version.schema_id is None else schemas.get_schema(conn, id=version.schema_id)
