"""A batch cut by the windows its timestamps belong to."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from monitor.columns.batch import TIMESTAMP
from monitor.model.window import WindowSpec


def by_window(batch: pa.RecordBatch, spec: WindowSpec) -> list[tuple[int, pa.RecordBatch]]:
    """``(window start, rows)`` in window order; within a window rows keep their order."""
    if batch.num_rows == 0:
        return []
    instants = batch.column(TIMESTAMP).cast(pa.int64()).to_numpy()
    first = spec.start_of(int(instants.min()))
    if int(instants.max()) < spec.end_of(first):
        return [(first, batch)]
    starts = spec.starts_of(instants)
    found, inverse = np.unique(starts, return_inverse=True)
    order = np.argsort(inverse, kind="stable")
    bounds = np.searchsorted(inverse[order], np.arange(len(found) + 1))
    ordered = batch.take(pa.array(order))
    return [
        (int(start), ordered.slice(int(bounds[i]), int(bounds[i + 1] - bounds[i])))
        for i, start in enumerate(found)
    ]  # fmt: skip
