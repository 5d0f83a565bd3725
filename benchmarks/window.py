"""Evaluating a stored window of 200 columns: the same for a profile of 10⁴ rows and of 10⁷.

    python -m benchmarks.window [--small 10000] [--large 10000000] [--columns 200]

Read, compare, judge and write, median of 15 runs each; healthy windows, their counts drawn from the reference's shares.
The baseline reads the window's rows as a Parquet table and does the same columns with scipy and numpy: it grows
with the rows, and is done for the small window only.
"""

from __future__ import annotations

import argparse
import io
import statistics
import tempfile
import time
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.stats import ks_2samp

from benchmarks.fleet import REFERENCE_ROWS, START_US, table
from monitor.columns.roles import Roles
from monitor.evaluate.activation import Published
from monitor.evaluate.context import Contexts
from monitor.evaluate.reference import set_reference
from monitor.evaluate.window import Evaluator
from monitor.model.entities import Model, Version
from monitor.model.time import HOUR_US
from monitor.profile import codec
from monitor.store import models
from monitor.store.engine import Store, open_store
from monitor.store.profiles import StoredProfile, put_profiles
from monitor.store.windows import WindowRow, upsert_window

RUNS = 15


def store_window(store: Store, *, version_id: int, made: Published, hour: int, rows: int) -> None:
    """A folded healthy window of so many rows: what was counted of the reference, drawn again as multinomials."""
    rng = np.random.default_rng(hour)
    start_us, usual, offsets = START_US + hour * HOUR_US, made.profile, made.layout.offsets
    counts = np.zeros_like(usual.counts)
    for begin, end in pairwise(offsets.tolist()):
        counts[begin:end] = rng.multinomial(rows, usual.counts[begin:end] / usual.counts[begin:end].sum())
    share = rows / usual.rows
    profile = replace(
        usual, rows=rows, counts=counts, missing=np.zeros_like(usual.missing), invalid=np.zeros_like(usual.invalid),
        total=usual.total * share, total_squares=usual.total_squares * share, unseen={},
    )  # fmt: skip
    with store.write() as conn:
        upsert_window(
            conn, WindowRow(version_id=version_id, start_us=start_us, end_us=start_us + HOUR_US, rows=profile.rows)
        )
        layout_id = made.reference.layout_id
        stored = StoredProfile(
            version_id=version_id, window_start_us=start_us, layout_id=layout_id, payload=codec.encode(profile)
        )
        put_profiles(conn, [stored])


def evaluate(store: Store, *, version_id: int, hour: int) -> tuple[float, float]:
    """Median seconds (wall, processor) of evaluating the window."""
    evaluator = Evaluator(store, contexts=Contexts())
    start_us = START_US + hour * HOUR_US
    walls, cpus = [], []
    for _ in range(RUNS):
        wall, cpu = time.perf_counter(), time.thread_time()
        done = evaluator.evaluate(version_id=version_id, start_us=start_us, now_us=start_us + 2 * HOUR_US)
        assert done is not None
        walls.append(time.perf_counter() - wall)
        cpus.append(time.thread_time() - cpu)
    return statistics.median(walls), statistics.median(cpus)


def baseline(reference: pa.RecordBatch, *, rows: int, columns: int) -> float:
    """Seconds of the raw way for so many rows."""
    rng = np.random.default_rng(0)
    sink = io.BytesIO()
    current = table(rng, rows=rows, columns=columns, start_us=START_US)
    pq.write_table(pa.Table.from_batches([current]), sink)
    began = time.perf_counter()
    read = pq.read_table(io.BytesIO(sink.getvalue())).to_pandas()
    then = reference.to_pandas()
    for name in [c for c in read.columns if c.startswith("x")]:
        if read[name].dtype.kind == "f":
            edges = np.quantile(then[name], np.linspace(0, 1, 11)[1:-1])
            p, q = (np.bincount(np.searchsorted(edges, side[name]), minlength=10) + 0.5 for side in (read, then))
            p, q = p / p.sum(), q / q.sum()
            ((p - q) * np.log(p / q)).sum()
            ks_2samp(then[name], read[name], method="asymp")
        else:
            read[name].value_counts(normalize=True)
    return time.perf_counter() - began


def main() -> None:
    """Prints milliseconds for both windows, their ratio, and the ratio to the baseline."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", type=int, default=10_000)
    parser.add_argument("--large", type=int, default=10_000_000)
    parser.add_argument("--columns", type=int, default=200)
    told = parser.parse_args()
    rng = np.random.default_rng(7)
    hours = [table(rng, rows=REFERENCE_ROWS // 4, columns=told.columns, start_us=START_US - (h + 1) * HOUR_US)
             for h in range(72)]  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        store = open_store("", data_dir=name, migrate=True)
        with store.write() as conn:
            model = models.insert_model(conn, Model(name="m"))
            version = models.insert_version(conn, Version(model_id=model.id, name="1"))
        made = set_reference(
            store, version_id=version.id, source=lambda: iter(hours), roles=Roles(), now_us=START_US
        )  # fmt: skip
        found = {}
        for hour, rows in enumerate((told.small, told.large)):
            store_window(store, version_id=version.id, made=made, hour=hour, rows=rows)
            found[rows] = evaluate(store, version_id=version.id, hour=hour)
        store.close()
    raw = baseline(pa.concat_batches(hours), rows=told.small, columns=told.columns)
    for rows, (wall, cpu) in found.items():
        times = f"{1e3 * wall:.1f} ms wall, {1e3 * cpu:.1f} ms of one core"
        print(f"a window of {rows:,} rows, {told.columns} columns: {times}")
    (small, _), (large, _) = found[told.small], found[told.large]
    print(f"{told.large:,} rows against {told.small:,}: {large / small:.2f} times the time")
    name = f"baseline (Parquet, pandas, scipy) for {told.small:,} rows"
    print(f"{name}: {1e3 * raw:.0f} ms, {raw / small:.1f} times as long")


if __name__ == "__main__":
    main()
