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
from pathlib import Path

import numpy as np
import pyarrow as pa
from scipy.stats import ks_2samp

from monitor.columns.batch import encode_batch
from monitor.columns.roles import Roles
from monitor.columns.table import canonical_batch
from monitor.evaluate.reference import set_reference
from monitor.jobs.runner import JobRunner
from monitor.jobs.settings import JobSettings
from monitor.model.entities import Model, Version
from monitor.model.time import HOUR_US, MINUTE_US, parse_instant
from monitor.store import models, results
from monitor.store.batches import NewBatch, insert_batches
from monitor.store.engine import Store, open_store
from monitor.telemetry import Telemetry

START_US = parse_instant("2026-03-02T00:00:00Z")
REFERENCE_ROWS = 2_000
BASELINE_MODELS = 3


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
    """Models with a reference and one hour of waiting rows each, none of it timed."""
    rng = np.random.default_rng(7)
    reference = table(rng, rows=REFERENCE_ROWS, columns=columns, start_us=START_US - HOUR_US)
    reference = reference.drop_columns(["id", "timestamp"])
    window = table(rng, rows=rows, columns=columns, start_us=START_US)
    canonical: pa.RecordBatch | None = None
    for position in range(count):
        with store.write() as conn:
            model = models.insert_model(conn, Model(name=f"m{position}"))
            version = models.insert_version(conn, Version(model_id=model.id, name="1"))
        shifted = reference if position == 0 else reference.set_column(
            0, "x0", pa.array(reference.column(0).to_numpy() + position)
        )  # fmt: skip
        made = set_reference(
            store, version_id=version.id, source=lambda shifted=shifted: iter([shifted]), roles=Roles(),
            now_us=START_US,
        )  # fmt: skip
        if canonical is None:
            canonical = canonical_batch(window, schema=made.schema, roles=Roles(), received_us=START_US).batch
        with store.write() as conn:
            schema_id = made.reference.schema_id
            batch = stored(canonical, version_id=version.id, schema_id=schema_id, received_us=START_US + HOUR_US)
            insert_batches(conn, [batch])


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
        now_us = START_US + HOUR_US + 6 * MINUTE_US
        runner = JobRunner(store, Telemetry(), now_us=lambda: now_us, settings=JobSettings())
        began, busy = time.perf_counter(), time.process_time()
        done = runner.tick()
        seconds, cpu = time.perf_counter() - began, time.process_time() - busy
        with store.read() as conn:
            found = sum(results.latest_result(conn, version_id=v.id) is not None for _, v in models.all_versions(conn))
        store.close()
        each = baseline(columns=told.columns, rows=told.rows, directory=Path(name))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{told.models} models x {told.columns} columns, {told.rows} rows: {done.windows} windows, {found} results")
    print(f"fold, evaluate, store: {seconds:.1f} s wall, {cpu:.1f} s of one core, peak {peak:.0f} MiB")
    print(f"a model: {1e3 * seconds / told.models:.1f} ms   baseline (pandas, scipy, row by row): {1e3 * each:.0f} ms")
    print(f"ratio: {each * told.models / seconds:.1f} times faster")


if __name__ == "__main__":
    main()
