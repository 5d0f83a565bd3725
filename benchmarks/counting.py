"""Counting values into a layout's cells, against a search for each value and against sorting first.

1,000,000 values of one column (the bucket table), then 1,000 rows of 200 columns (one search over all of them).
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pyarrow as pa

from monitor.model.schema import Column, Schema
from monitor.profile.build import MAX_DISTINCT, LayoutBuilder, numeric_cells
from monitor.profile.counting import count_cells
from monitor.profile.layout import Layout
from monitor.profile.profile import profile_batch

ROWS = 1_000_000
COLUMNS, SMALL_ROWS = 200, 1_000


def fastest_ms(work: Callable[[], object], *, times: int = 5) -> float:
    """The fastest of several runs, ms: the one least disturbed."""
    best = np.inf
    for _ in range(times):
        began = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - began)
    return best * 1_000


def columns_of(rows: int, *, seed: int) -> dict[str, np.ndarray]:
    """Columns of the kinds that production has."""
    rng = np.random.default_rng(seed)
    return {
        "normal": rng.normal(size=rows),
        "Cauchy": rng.standard_cauchy(rows),
        "Cauchy, cubed": rng.standard_cauchy(rows) ** 3,
        "log-normal, sd 3": rng.lognormal(0, 3, rows),
        "50 integers": rng.integers(0, 50, rows).astype(float),
        "rounded to 0.01": rng.normal(size=rows).round(2),
        "nine tenths zero": np.where(rng.uniform(size=rows) < 0.9, 0.0, rng.exponential(size=rows)),
    }


def large() -> None:
    """Prints the table of one column of 1,000,000 values."""
    print("| column | edges | buckets ms | search ms | sort ms | search ÷ buckets | sort ÷ buckets |")
    print("|---|---|---|---|---|---|---|")
    for name, values in columns_of(ROWS, seed=0).items():
        unique = np.unique(values)
        distinct = unique if len(unique) <= MAX_DISTINCT else None
        edges, _ = numeric_cells(values[:200_000], distinct=distinct, low=values.min(), high=values.max())
        ours = fastest_ms(lambda v=values, e=edges: count_cells(v, edges=e))
        search = fastest_ms(lambda v=values, e=edges: np.bincount(np.searchsorted(e, v), minlength=len(e) + 1))
        ordered = fastest_ms(lambda v=values, e=edges: np.diff(np.searchsorted(np.sort(v), e, side="right")))
        ratios = f"{search / ours:.1f} | {ordered / ours:.1f}"
        print(f"| {name} | {len(edges)} | {ours:.1f} | {search:.1f} | {ordered:.1f} | {ratios} |")


def small() -> None:
    """Prints what a small batch of many columns costs: whole profiles, against counting alone column by column."""
    schema = Schema(columns=tuple(Column(name=f"c{i}") for i in range(COLUMNS)))
    builder = LayoutBuilder(schema)
    builder.add(_wide(20_000, seed=1))
    layout = builder.finish()
    batches = [_wide(SMALL_ROWS, seed=seed) for seed in range(2, 6)]  # several: one would train the branches
    ours = fastest_ms(lambda: [profile_batch(layout, b) for b in batches]) / len(batches)
    search = fastest_ms(lambda: [_search(layout, b) for b in batches]) / len(batches)
    print(f"\n{SMALL_ROWS} rows of {COLUMNS} columns: profile {ours:.1f} ms, a search for each column {search:.1f} ms, "
          f"search ÷ profile {search / ours:.1f}")  # fmt: skip


def _wide(rows: int, *, seed: int) -> pa.RecordBatch:
    kinds = [column for s in range(COLUMNS // 7 + 1) for column in columns_of(rows, seed=1_000 * seed + s).values()]
    return pa.RecordBatch.from_pydict({f"f:c{i}": pa.array(kinds[i]) for i in range(COLUMNS)})


def _search(layout: Layout, batch: pa.RecordBatch) -> list[np.ndarray]:
    return [
        np.bincount(np.searchsorted(c.edges, batch.column(c.stored_name).to_numpy()), minlength=c.cells)
        for c in layout.columns
    ]  # fmt: skip


if __name__ == "__main__":
    large()
    small()
