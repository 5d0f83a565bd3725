"""Traffic in two regions of one age each, so that all traffic stays as it is when the regions change places."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from monitor.columns.roles import Roles
from monitor.evaluate.reference import set_reference
from monitor.model.entities import Version
from monitor.model.time import HOUR_US
from monitor.store import results
from monitor.store.models import insert_version
from monitor.store.results import StoredResult, unpack_rows
from tests.evaluate.traffic import START_US, World, make_world

BY_REGION = [{"by": "region", "top": 2}]
EU, US = "region=EU", "region=US"
DRIFT = {"name": "drift", "kind": "drift", "segments": ["*"]}
LONG_AGO = -400  # hours: before any reference, and out of reach of sums of windows
MISSING = {"name": "missing", "kind": "quality", "metric": "missing", "segments": ["*"]}


def hour_of_regions(hour: int, *, rows: int = 200, swapped: bool = False, name: str = "r") -> pa.RecordBatch:
    """Records of one hour, half of them from each region; ``swapped``: each with the other's ages."""
    rng = np.random.default_rng(7_000 + hour)
    start = START_US + hour * HOUR_US
    region = np.where(np.arange(rows) % 2 == 0, "EU", "US")
    age = rng.normal(np.where((region == "EU") != swapped, 40.0, 60.0), 10.0)
    spend = np.where(rng.random(rows) < 0.1, np.nan, rng.exponential(10.0, rows))
    return pa.record_batch(
        {
            "id": pa.array([f"{name}-{hour}-{i}" for i in range(rows)]),
            "timestamp": pa.array(np.sort(rng.integers(start, start + HOUR_US, rows))).cast(
                pa.timestamp("us", tz="UTC")
            ),
            "region": pa.array(region.tolist()),
            "age": pa.array(age),
            "spend": pa.array(spend, from_pandas=True),
            "prediction": pa.array(rng.choice(["yes", "no"], rows).tolist()),
        }
    )


def of_region(table: pa.RecordBatch, region: str) -> pa.RecordBatch:
    """The records of one region."""
    return table.filter(pa.array([one == region for one in table.column("region").to_pylist()]))


def sliced_world(
    store, *, checks=(DRIFT, MISSING), hours: int = 40, name: str = "churn", timed: bool = True, **settings
) -> World:
    """A model cut by region, with a reference of so many hours."""
    told = {"false_alarms": "1 per day", "segments": BY_REGION, "checks": list(checks)} | settings
    world = make_world(store, model={"settings": told}, name=name)
    refer(world, hours=hours, timed=timed)
    return world


def slice_world(world: World, region: str, *, hours: int = 40) -> World:
    """Another version of that world's model, which is sent the records of one region only and counts in its cells."""
    world.post(hour_of_regions(LONG_AGO))
    world.runner.tick()  # with counted rows the model's versions share their cells
    with world.store.write() as conn:
        version = insert_version(conn, Version(model_id=world.model.id, name=region, created_us=START_US))
    other = World(
        store=world.store, model=world.model, version=version, clock=world.clock, runner=world.runner,
        telemetry=world.telemetry,
    )  # fmt: skip
    refer(other, hours=hours, region=region)
    return other


def refer(world: World, *, hours: int, region: str | None = None, timed: bool = True) -> None:
    """Sets a reference of the hours before the start, of all records or of those of a region."""
    tables = [hour_of_regions(hour, name="ref") for hour in range(-hours, 0)]
    tables = tables if region is None else [of_region(table, region) for table in tables]
    if not timed:
        tables = [table.drop_columns(["timestamp", "id"]) for table in tables]
    made = set_reference(
        world.store, version_id=world.version.id, source=lambda: iter(tables), roles=Roles(), now_us=world.clock()
    )
    world.schema, world.schema_id = made.schema, made.reference.schema_id


def result_of(world: World, hour: int, *, segment: str) -> StoredResult | None:
    """The hour's result in that segment."""
    with world.store.read() as conn:
        return results.get_result(
            conn, version_id=world.version.id, window_start_us=START_US + hour * HOUR_US, segment=segment
        )


def numbers_of(world: World, hour: int, *, segment: str) -> dict[tuple[str, str, str], tuple[object, ...]]:
    """(check, column, metric) → all that is measured: value, bounds, rows of both sides, reason where it is unknown."""
    found = result_of(world, hour, segment=segment)
    assert found is not None
    return {
        (r.check, r.column, r.metric): (r.value, r.lower, r.upper, r.p_value, r.rows, r.reference_rows, r.reason)
        for r in unpack_rows(found.payload)
    }
