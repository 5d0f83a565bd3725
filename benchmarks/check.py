"""``monitor.check`` of 1,000,000 × 60 in memory against a straightforward scipy and pandas loop in the same run.

50 number columns and 10 categories, reference and current. The loop computes the same default metrics from raw values:
psi on reference deciles, the two-sample KS test, psi and the largest change of categories. Run:

    python -m benchmarks.check [rows]
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy import stats

import monitor
from monitor.columns.conform import conform
from monitor.drift.bins import decile_groups
from monitor.drift.compare import compare
from monitor.model.schema import Column, Schema
from monitor.profile.build import LayoutBuilder
from monitor.profile.profile import profile_batch

ROWS = 1_000_000
NUMBERS, CATEGORIES = 50, 10


def make_side(rows: int, *, seed: int, shift: float = 0.0) -> pd.DataFrame:
    """Normal, log-normal, integer and zero-inflated columns and categories; every fifth number has missing values."""
    rng = np.random.default_rng(seed)
    columns: dict[str, Any] = {}
    for i in range(NUMBERS):
        values = rng.standard_normal(rows)
        if i % 5 == 1:
            values = np.exp(values)
        elif i % 5 == 2:
            values = np.floor(20 * np.abs(values))
        elif i % 5 == 3:
            values[rng.random(rows) < 0.6] = 0.0
        elif i % 5 == 4:
            values[rng.random(rows) < 0.05] = np.nan
        columns[f"n{i}"] = values + (shift if i == 0 else 0.0)
    for i in range(CATEGORIES):
        names = np.array([f"category {k}" for k in range(5 * (i + 1))])
        columns[f"c{i}"] = pd.Series(names[rng.integers(0, len(names), rows)], dtype="str")
    return pd.DataFrame(columns)


def scipy_loop(reference: pd.DataFrame, current: pd.DataFrame) -> dict[tuple[str, str], float]:
    """The default metrics, a column at a time, as one would write them in a notebook."""
    found: dict[tuple[str, str], float] = {}
    for name in reference:
        if pd.api.types.is_numeric_dtype(reference[name]):
            then, now = reference[name].dropna().to_numpy(), current[name].dropna().to_numpy()
            cuts = np.unique(np.quantile(then, np.arange(1, 10) / 10))
            edges = np.concatenate(([-np.inf], cuts, [np.inf]))
            r, c = (pd.cut(v, edges).value_counts().to_numpy() for v in (then, now))
            test = stats.ks_2samp(now, then, method="asymp")
            found[name, "ks"] = float(test.statistic)
        else:
            counts = pd.concat([reference[name].value_counts(), current[name].value_counts()], axis=1).fillna(0)
            r, c = counts.to_numpy().T
            found[name, "l_infinity"] = float(np.abs(c / c.sum() - r / r.sum()).max())
        p, q = (c + 0.5) / (c + 0.5).sum(), (r + 0.5) / (r + 0.5).sum()
        found[name, "psi"] = float(((p - q) * np.log(p / q)).sum())
    return found


def comparison_milliseconds(columns: int = 200, *, rows: int = 20_000) -> float:
    """The default metrics of stored profiles: 200 columns, 30 of them categories, about 1,000 cells each."""
    rng = np.random.default_rng(3)
    numbers = [Column(name=f"n{i}") for i in range(columns - 30)]
    categories = [Column(name=f"c{i}", type="categorical") for i in range(30)]
    schema = Schema(columns=(*numbers, *categories))

    def batch() -> pa.RecordBatch:
        made: dict[str, Any] = {
            "id": pa.array([""] * rows),
            "timestamp": pa.array([0] * rows, pa.timestamp("us", "UTC")),
        }
        made |= {c.stored_name: rng.standard_normal(rows) for c in numbers}
        made |= {c.stored_name: rng.integers(0, 20, rows).astype(str) for c in categories}
        return conform(pa.RecordBatch.from_pydict(made), schema)

    builder, reference, current = LayoutBuilder(schema), batch(), batch()
    builder.add(reference)
    layout = builder.finish()
    then, now = profile_batch(layout, reference), profile_batch(layout, current)
    bins = decile_groups(layout, then)
    seconds = []
    for _ in range(50):
        start = time.perf_counter()
        compare(layout, then, now, bins=bins)
        seconds.append(time.perf_counter() - start)
    return 1_000 * min(seconds)


class PeakMemory:
    """The most resident memory seen while the block ran, bytes; sampled every 5 ms."""

    def __enter__(self) -> PeakMemory:
        self.bytes = _resident()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.005):
            self.bytes = max(self.bytes, _resident())


def _resident() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no VmRSS in /proc/self/status: this benchmark needs Linux")


def main(rows: int = ROWS) -> None:
    monitor.check(reference=make_side(1_000, seed=1), current=make_side(1_000, seed=2))  # imports are not the subject
    reference, current = make_side(rows, seed=1), make_side(rows, seed=2, shift=0.5)
    tables = sum(int(side.memory_usage(deep=True).sum()) for side in (reference, current))
    seconds, processor = [], []
    with PeakMemory() as peak:
        for _ in range(3):
            start, start_processor = time.perf_counter(), time.process_time()
            report = monitor.check(reference=reference, current=current)
            seconds.append(time.perf_counter() - start)
            processor.append(time.process_time() - start_processor)
    start = time.perf_counter()
    by_hand = scipy_loop(reference, current)
    loop_seconds = time.perf_counter() - start
    best = min(seconds)
    found = {(r["column"], r["metric"]): r["value"] for r in report.to_rows()}
    off = max(abs(found[key] - value) for key, value in by_hand.items() if key[1] != "psi")
    runs = ", ".join(f"{s:.2f}" for s in seconds)
    in_alert = [name for name in report.columns if report[name][0]["status"] == "alert"]
    print(f"check of {rows:,} x {NUMBERS + CATEGORIES}, both sides: {best:.2f} s (runs: {runs}; budget 2.0 s)")
    print(f"scipy and pandas loop: {loop_seconds:.2f} s, ratio {loop_seconds / best:.1f}")
    print(f"processor time of check: {min(processor):.2f} s; ks and l_infinity are off the loop's by {off:.5f} at most")
    print(f"peak memory {peak.bytes / 2**20:,.0f} MiB, tables {tables / 2**20:,.0f} MiB, ratio", end=" ")
    print(f"{peak.bytes / tables:.2f} (budget 2.00)")
    print(f"psi, ks, l_infinity of 200 columns from stored profiles: {comparison_milliseconds():.1f} ms (budget 5.0)")
    print(f"status {report.status}, in alert: {', '.join(in_alert)}")


if __name__ == "__main__":
    main(*(int(n) for n in sys.argv[1:]))
