"""1,000 models of 200 columns, one closed window each: folded, judged, results in the database, by one thread.

    python -m benchmarks.fleet [--models 1000] [--columns 200] [--rows 500] [--url sqlite:///…]

The baseline is what one writes first: per model read the rows with pandas, then per column scipy's two-sample KS
and a PSI on deciles, and one INSERT a number; done for a few models in the same run and multiplied.
"""

from __future__ import annotations

import argparse
import resource
import sqlite3
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from scipy.stats import ks_2samp
from sqlalchemy import Connection

from monitor.columns.batch import encode_batch
from monitor.columns.roles import Roles
from monitor.columns.table import canonical_batch
from monitor.evaluate.activation import Published
from monitor.evaluate.reference import set_reference
from monitor.jobs.runner import JobRunner
from monitor.jobs.settings import JobSettings
from monitor.model.entities import Model, Version
from monitor.model.time import HOUR_US, MINUTE_US, parse_instant
from monitor.store import calibrations, layouts, models, references, results
from monitor.store.batches import NewBatch, insert_batches
from monitor.store.engine import Store, open_store
from monitor.store.schemas import get_schema, save_schema
from monitor.telemetry import Telemetry

START_US = parse_instant("2026-03-02T00:00:00Z")
REFERENCE_ROWS = 2_000
BASELINE_MODELS = 3
HOURS = 2


def table(rng: np.random.Generator, *, rows: int, columns: int, start_us: int) -> pa.RecordBatch:
    """Rows of one hour: nine in ten columns normal, one in ten of five categories."""
    instants = np.sort(rng.integers(start_us, start_us + HOUR_US, rows))
    named: dict[str, pa.Array] = {
        "id": pa.array([f"{start_us}-{i}" for i in range(rows)]),
        "timestamp": pa.array(instants, pa.timestamp("us", tz="UTC")),
    }
    for position in range(columns):
        category = position % 10 == 9
        values = rng.choice(list("abcde"), rows) if category else rng.normal(size=rows)
        named[f"x{position}"] = pa.array(values)
    return pa.record_batch(named)


def stored(batch: pa.RecordBatch, *, version_id: int, schema_id: int | None, received_us: int) -> NewBatch:
    """The batch as ingest commits it."""
    instants = batch.column("timestamp").cast(pa.int64()).to_numpy()
    return NewBatch(
        version_id=version_id, received_us=received_us, t_min_us=int(instants.min()), t_max_us=int(instants.max()),
        rows=batch.num_rows, schema_id=schema_id, payload=encode_batch(batch),
    )  # fmt: skip


def prepare(store: Store, *, count: int, columns: int, rows: int) -> None:
    """Models with a reference and one hour of waiting rows each: one made, the others copied from it row by row."""
    rng = np.random.default_rng(7)
    reference = table(rng, rows=REFERENCE_ROWS, columns=columns, start_us=START_US - HOUR_US)
    reference = reference.drop_columns(["id", "timestamp"])
    window = table(rng, rows=rows, columns=columns, start_us=START_US)
    first = _version(store, name="m0")
    made = set_reference(
        store, version_id=first.id, source=lambda: iter([reference]), roles=Roles(), now_us=START_US
    )  # fmt: skip
    canonical = canonical_batch(window, schema=made.schema, roles=Roles(), received_us=START_US).batch
    with store.read() as conn:
        copied = (
            layouts.get_layout(conn, id=made.reference.layout_id or 0),
            references.reference_profile(conn, reference_id=made.reference.id),
            calibrations.get_calibration(conn, version_id=first.id, reference_id=made.reference.id),
        )
    for position in range(count):
        version = first if position == 0 else _version(store, name=f"m{position}")
        with store.write() as conn:
            schema_id = save_schema(conn, version_id=version.id, schema=made.schema)
            if position:
                _copy_reference(conn, version=version, made=made, schema_id=schema_id, copied=copied)
            insert_batches(
                conn,
                [stored(canonical, version_id=version.id, schema_id=schema_id, received_us=START_US + HOUR_US)],
            )


@dataclass(slots=True)
class Clock:
    """The time the jobs believe it is."""

    now_us: int

    def __call__(self) -> int:
        """Microseconds since the epoch."""
        return self.now_us


def post_again(store: Store, *, hour: int, columns: int, rows: int) -> None:
    """An hour of rows for every version, as the first one had, not timed."""
    rng = np.random.default_rng(7 + hour)
    start_us = START_US + hour * HOUR_US
    window = table(rng, rows=rows, columns=columns, start_us=start_us)
    with store.read() as conn:
        every = [version for _, version in models.all_versions(conn)]
        schema = get_schema(conn, id=every[0].schema_id or 0)
    canonical = canonical_batch(window, schema=schema, roles=Roles(), received_us=start_us).batch
    for version in every:
        batch = stored(canonical, version_id=version.id, schema_id=version.schema_id, received_us=start_us + HOUR_US)
        with store.write() as conn:
            insert_batches(conn, [batch])


def _version(store: Store, *, name: str) -> Version:
    with store.write() as conn:
        model = models.insert_model(conn, Model(name=name))
        return models.insert_version(conn, Version(model_id=model.id, name="1"))


def _copy_reference(conn: Connection, *, version: Version, made: Published, schema_id: int, copied: tuple) -> None:
    body, profile, calibration = copied
    layout_id = layouts.save_layout(conn, model_id=version.model_id, body=body, digest=made.layout.digest)
    begun = references.begin_reference(conn, replace(made.reference, version_id=version.id))
    references.finish_reference(
        conn, reference_id=begun.id, rows=made.reference.rows, layout_id=layout_id, schema_id=schema_id,
        profile=profile, warnings=made.reference.warnings,
    )  # fmt: skip
    layouts.set_version_layout(conn, version_id=version.id, layout_id=layout_id)
    references.activate_reference(conn, version_id=version.id, reference_id=begun.id)
    calibrations.save_calibration(
        conn, version_id=version.id, reference_id=begun.id, made_us=START_US, payload=calibration.payload
    )


def baseline(*, columns: int, rows: int, directory: Path) -> float:
    """Seconds a model of the row-by-row way."""
    rng = np.random.default_rng(8)
    reference = table(rng, rows=REFERENCE_ROWS, columns=columns, start_us=START_US - HOUR_US).to_pandas()
    database = sqlite3.connect(directory / "baseline.db")
    database.execute("CREATE TABLE record (model INTEGER, body TEXT)")
    database.execute("CREATE TABLE result (model INTEGER, name TEXT, metric TEXT, value REAL)")
    frame = table(rng, rows=rows, columns=columns, start_us=START_US).drop_columns(["timestamp"]).to_pandas()
    for model in range(BASELINE_MODELS):
        lines = frame.to_json(orient="records", lines=True).splitlines()
        database.executemany("INSERT INTO record VALUES (?, ?)", [(model, line) for line in lines])
    database.commit()
    began = time.perf_counter()
    for model in range(BASELINE_MODELS):
        _baseline_model(database, model=model, reference=reference)
    return (time.perf_counter() - began) / BASELINE_MODELS


def _baseline_model(database: sqlite3.Connection, *, model: int, reference: object) -> None:
    import json

    import pandas as pd

    rows = database.execute("SELECT body FROM record WHERE model = ?", (model,)).fetchall()
    current = pd.DataFrame([json.loads(body) for (body,) in rows])
    for name in [c for c in current.columns if c.startswith("x")]:
        then, now = reference[name], current[name]
        if now.dtype == object or str(now.dtype) in ("str", "string"):
            shares = pd.concat([then.value_counts(), now.value_counts()], axis=1).fillna(0)
            p, q = ((shares.iloc[:, i] + 0.5) / (shares.iloc[:, i] + 0.5).sum() for i in (1, 0))
        else:
            edges = np.quantile(then, np.linspace(0, 1, 11)[1:-1])
            counts = [np.bincount(np.searchsorted(edges, side), minlength=10) + 0.5 for side in (now, then)]
            p, q = (side / side.sum() for side in counts)
            ks = ks_2samp(then, now).statistic
            database.execute("INSERT INTO result VALUES (?, ?, 'ks', ?)", (model, name, float(ks)))
        psi = float(((p - q) * np.log(p / q)).sum())
        database.execute("INSERT INTO result VALUES (?, ?, 'psi', ?)", (model, name, psi))
    database.commit()


def main() -> None:
    """Prints seconds, milliseconds a model, and the ratio to the baseline."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=1_000)
    parser.add_argument("--columns", type=int, default=200)
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--url", default="")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        store = open_store(told.url, data_dir=name, migrate=True)
        began = time.perf_counter()
        prepare(store, count=told.models, columns=told.columns, rows=told.rows)
        print(f"set up in {time.perf_counter() - began:.1f} s")
        clock = Clock(now_us=START_US + HOUR_US + 6 * MINUTE_US)
        runner = JobRunner(store, Telemetry(), now_us=clock, settings=JobSettings())
        hours = []
        for hour in range(HOURS):
            if hour:
                post_again(store, hour=hour, columns=told.columns, rows=told.rows)
                clock.now_us += HOUR_US
            began, busy = time.perf_counter(), time.process_time()
            done = runner.tick()
            hours.append((time.perf_counter() - began, time.process_time() - busy, done.windows))
        with store.read() as conn:
            found = sum(results.latest_result(conn, version_id=v.id).revision for _, v in models.all_versions(conn))
        store.close()
        each = baseline(columns=told.columns, rows=told.rows, directory=Path(name))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{told.models} models x {told.columns} columns, {told.rows} rows each; {found} results in the database")
    for hour, (seconds, cpu, windows) in enumerate(hours):
        when = "first hour of the process" if hour == 0 else "an hour later"
        print(
            f"{when}: {windows} windows folded, judged and stored in {seconds:.1f} s wall, {cpu:.1f} s of one core, "
            f"{1e3 * cpu / told.models:.1f} ms a model"
        )
    seconds = hours[-1][0]
    print(f"peak memory {peak:.0f} MiB; baseline (pandas, scipy, a row a number): {1e3 * each:.0f} ms a model")
    print(f"ratio: {each * told.models / seconds:.1f} times faster")


if __name__ == "__main__":
    main()
