"""Calibrating 200 columns on 720 windows, and a stored window of 200 columns judged at every scale.

    python -m benchmarks.scales [--columns 200] [--history 720]

Processor milliseconds of one core. The baseline of a window is the same window judged alone, by the same calibration
without its longer scales; calibrating is held against the same history calibrated at one scale.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from dataclasses import replace

import numpy as np

from benchmarks.fleet import START_US, table
from benchmarks.window import evaluate, store_window
from monitor.alert.calibrate import Calibration, calibrate
from monitor.alert.cells import Counts, build_cells, reduce_profile
from monitor.alert.codec import encode_calibration
from monitor.alert.history import History
from monitor.alert.recent import LONGEST, encode_counts
from monitor.columns.roles import Roles
from monitor.evaluate.activation import Published
from monitor.evaluate.context import Contexts
from monitor.evaluate.recent_counts import counts_of
from monitor.evaluate.reference import set_reference
from monitor.evaluate.ruling import judged_of
from monitor.evaluate.window import Evaluator
from monitor.model.entities import Model, Version
from monitor.model.time import HOUR_US
from monitor.store import models
from monitor.store.calibrations import save_calibration
from monitor.store.engine import Store, open_store
from monitor.store.judged_counts import JudgedCounts, put_judged_counts

ROWS = 10_000
RUNS = 3


def drawn_history(made: Published, *, windows: int) -> History:
    """Healthy windows before the start: what was counted of the reference, drawn again as multinomials."""
    rng = np.random.default_rng(1)
    cells = build_cells(made.layout, reference=made.profile)
    whole = reduce_profile(cells, profile=made.profile)
    shares = whole.cells / np.maximum(whole.cells.sum(axis=1, keepdims=True), 1.0)
    missing = np.minimum(whole.hits / np.maximum(whole.rows, 1), 1.0)
    return History(
        layout_cells=cells, reference=whole, own=0,
        starts_us=START_US + (np.arange(windows) - windows) * HOUR_US, rows=np.full(windows, float(ROWS)),
        cells=rng.multinomial(ROWS, shares, (windows, len(shares))).astype(float),
        hits=rng.binomial(ROWS, missing, (windows, *missing.shape)).astype(float),
    )  # fmt: skip


def calibrating(history: History) -> tuple[Calibration, float]:
    """The calibration, and the median processor seconds of making it."""
    spent = []
    for _ in range(RUNS):
        began = time.process_time()
        calibration = calibrate(history, windows_per_month=720.0, per_month=1.0)
        spent.append(time.process_time() - began)
    return calibration, statistics.median(spent)


def keep_history(store: Store, *, version_id: int, made: Published, history: History) -> None:
    """The judged counts of the windows that a look may reach back to."""
    with store.write() as conn:
        for at in range(history.windows - LONGEST, history.windows):
            counts = Counts(rows=ROWS, cells=history.cells[at], hits=history.hits[at])
            put_judged_counts(
                conn,
                JudgedCounts(
                    version_id=version_id, window_start_us=int(history.starts_us[at]),
                    layout_id=made.reference.layout_id, reference_id=made.reference.id, payload=encode_counts(counts),
                ),
            )  # fmt: skip


def judging(store: Store, *, version_id: int, made: Published, calibration: Calibration) -> float:
    """Processor seconds of evaluating the stored window by the calibration."""
    with store.write() as conn:
        save_calibration(
            conn, version_id=version_id, reference_id=made.reference.id, made_us=START_US,
            payload=encode_calibration(calibration),
        )  # fmt: skip
    return evaluate(store, version_id=version_id, hour=0)[1]


def verdict(store: Store, *, version_id: int) -> float:
    """Processor seconds of the verdicts alone: the window's profile and what is kept of those before are in memory."""
    evaluator = Evaluator(store, contexts=Contexts())
    seen = evaluator.read(version_id=version_id, start_us=START_US)
    assert seen is not None
    profile = evaluator.profiles_of(seen).whole
    own = counts_of(seen.context, profile)
    spent = []
    for _ in range(5 * RUNS):
        began = time.thread_time()
        judged_of(seen, profile=profile, own=own, card=None, now_us=START_US)
        spent.append(time.thread_time() - began)
    return statistics.median(spent)


def main() -> None:
    """Prints both, each beside one scale alone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--columns", type=int, default=200)
    parser.add_argument("--history", type=int, default=720)
    told = parser.parse_args()
    rng = np.random.default_rng(7)
    hours = [table(rng, rows=2_000, columns=told.columns, start_us=START_US - (h + 1) * HOUR_US) for h in range(30)]
    with tempfile.TemporaryDirectory() as name:
        store = open_store("", data_dir=name, migrate=True)
        with store.write() as conn:
            model = models.insert_model(conn, Model(name="m"))
            version = models.insert_version(conn, Version(model_id=model.id, name="1"))
        made = set_reference(store, version_id=version.id, source=lambda: iter(hours), roles=Roles(), now_us=START_US)
        history = drawn_history(made, windows=told.history)
        calibration, spent = calibrating(history)
        keep_history(store, version_id=version.id, made=made, history=history)
        store_window(store, version_id=version.id, made=made, hour=0, rows=ROWS)
        every = judging(store, version_id=version.id, made=made, calibration=calibration)
        verdicts = verdict(store, version_id=version.id)
        alone = replace(calibration, scales=calibration.scales[:1])
        one = judging(store, version_id=version.id, made=made, calibration=alone)
        store.close()
    scales = ", ".join(str(scale.windows) for scale in calibration.scales)
    print(f"calibrating {told.columns} columns on {told.history} windows: {spent:.2f} s of a core (scales {scales})")
    print(f"a stored window judged at every scale: {every * 1e3:.1f} ms of a core, {every / one:.2f} of the same alone")
    print(f"the same at one scale: {one * 1e3:.1f} ms")
    print(f"the verdicts alone, every scale, neither read nor written: {verdicts * 1e3:.1f} ms")


if __name__ == "__main__":
    main()
