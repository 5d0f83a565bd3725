"""Which labels are for a record that is folded already, as far as a bounded look can tell.

A label says when its record was by its timestamp, or by the time inside a UUIDv7. Its key is looked up in the id runs
of the windows that hold that time: at most ``MAX_WINDOWS`` of them, those with the most labels, and ``MAX_BYTES`` of
runs. It is what the answer tells, and nothing more: the join looks everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from monitor.columns.keyed_ids import Hashes, among
from monitor.columns.labels import UNKNOWN_US
from monitor.ingest.targets import LabelTarget
from monitor.model.errors import NotFound
from monitor.store import Store
from monitor.store.ids import IdRun, runs_of_windows
from monitor.store.run_cache import RunCache

MAX_WINDOWS = 16
MAX_BYTES = 64 << 20
_MAX_VERSIONS = 100


def count_matched(
    store: Store, runs: RunCache, *, target: LabelTarget, keys: Hashes, times_us: NDArray[np.int64]
) -> int:
    """How many of the labels have their record in a window of their time, in any version of the model."""
    placed = np.flatnonzero(times_us != UNKNOWN_US)
    if not len(placed) or not target.version_ids:
        return 0
    starts, window_of, counts = np.unique(
        target.model.window.starts_of(times_us[placed]), return_inverse=True, return_counts=True
    )
    chosen = np.argsort(-counts, kind="stable")[:MAX_WINDOWS]
    with store.read() as conn:
        found = runs_of_windows(
            conn, version_ids=target.version_ids[:_MAX_VERSIONS], starts_us=starts[chosen].tolist()
        )  # fmt: skip
    matched = 0
    for window, present in _bounded(found, starts[chosen].tolist()):
        here = np.unique(keys[placed[window_of == np.searchsorted(starts, window)]], return_inverse=True)
        matched += int(_among_any(here[0], present, runs)[here[1]].sum())
    return matched


def _bounded(runs: Sequence[IdRun], starts: Sequence[int]) -> list[tuple[int, list[IdRun]]]:
    """Window start → its runs, in the order of ``starts``, as long as windows and bytes last.

    A window counts once for each version that has it; the newest versions come first.
    """
    by_start: dict[int, dict[int, list[IdRun]]] = {start: {} for start in starts}
    for run in runs:
        by_start[run.window_start_us].setdefault(run.version_id, []).append(run)
    windows, left = 0, MAX_BYTES
    chosen: list[tuple[int, list[IdRun]]] = []
    for start, versions in by_start.items():
        present: list[IdRun] = []
        for _, own in sorted(versions.items(), reverse=True):
            windows, left = windows + 1, left - sum(run.bytes for run in own)
            if windows > MAX_WINDOWS or left < 0:
                return [*chosen, (start, present)]
            present += own
        chosen.append((start, present))
    return chosen


def _among_any(distinct: Hashes, present: Sequence[IdRun], runs: RunCache) -> NDArray[np.bool_]:
    found = np.zeros(len(distinct), np.bool_)
    for run in present:
        try:
            found |= among(distinct, runs.read(run.id))
        except NotFound:  # a fold has merged it into another since it was listed
            continue
    return found
