"""Retention by age on a file that has days of traffic: what becomes of its size, and of commits meanwhile.

    python -m benchmarks.retention [--days 12] [--kept 4] [--rows 20000] [--columns 20]

Each day's rows come in 24 batches, are folded and compacted; rows are kept for ``--kept`` days. While a day goes,
another thread commits a small batch of another model as fast as it can.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from benchmarks.fleet import START_US, stored, table
from monitor.columns.roles import Roles
from monitor.columns.table import canonical_batch
from monitor.evaluate.aging import age
from monitor.evaluate.compact import compact_version
from monitor.evaluate.context import Contexts
from monitor.jobs.runner import JobRunner
from monitor.jobs.settings import JobSettings
from monitor.model.entities import Model, Version
from monitor.model.retention import Retention
from monitor.model.time import DAY_US, HOUR_US
from monitor.store import models
from monitor.store.batches import count_rows, insert_batches
from monitor.store.engine import Store, open_store
from monitor.telemetry import Telemetry


def version_of(store: Store, *, name: str) -> int:
    """The id of the one version of a new model."""
    with store.write() as conn:
        model = models.insert_model(conn, Model(name=name))
        return models.insert_version(conn, Version(model_id=model.id, name="1", created_us=START_US)).id


def commits_beside(store: Store, *, version_id: int, over: threading.Event, rng: np.random.Generator) -> list[float]:
    """Seconds of each commit of a small batch until it is over."""
    seconds = []
    sent = table(rng, rows=10, columns=5, start_us=START_US)
    rows = canonical_batch(sent, schema=None, roles=Roles(), received_us=START_US).batch
    batch = stored(rows, version_id=version_id, schema_id=None, received_us=START_US)
    while not over.is_set():
        began = time.perf_counter()
        with store.write() as conn:
            insert_batches(conn, [batch])
        seconds.append(time.perf_counter() - began)
        time.sleep(0.002)
    return seconds


def main() -> None:
    """Prints a line a day."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("days", 12), ("kept", 4), ("rows", 20_000), ("columns", 20)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    retention, rng = Retention(rows_us=asked.kept * DAY_US), np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as directory:
        store = open_store("", data_dir=Path(directory), migrate=True)
        version_id, other = version_of(store, name="old"), version_of(store, name="busy")
        runner = JobRunner(store, Telemetry(), now_us=lambda: START_US, settings=JobSettings(fold_interval_us=0))
        for day in range(asked.days):
            now_us = START_US + (day + 1) * DAY_US
            for hour in range(24):
                start_us = START_US + day * DAY_US + hour * HOUR_US
                sent = table(rng, rows=asked.rows // 24, columns=asked.columns, start_us=start_us)
                rows = canonical_batch(sent, schema=None, roles=Roles(), received_us=start_us).batch
                with store.write() as conn:
                    insert_batches(
                        conn, [stored(rows, version_id=version_id, schema_id=None, received_us=start_us + HOUR_US)]
                    )
            runner.tick(now_us)
            compact_version(store, version_id=version_id)
            say(store, retention, version_id=version_id, other=other, now_us=now_us, directory=directory, rng=rng)
        store.close()


def say(
    store: Store, retention: Retention, *, version_id: int, other: int, now_us: int, directory: str,
    rng: np.random.Generator,
) -> None:  # fmt: skip
    """Ages the version beside commits of the other one, and prints what it took."""
    over, found = threading.Event(), [0.0]
    beside = threading.Thread(
        target=lambda: found.extend(commits_beside(store, version_id=other, over=over, rng=rng)), daemon=True
    )
    beside.start()
    began = time.perf_counter()
    aged = age(store, contexts=Contexts(), version_id=version_id, retention=retention, now_us=now_us)
    took = time.perf_counter() - began
    over.set()
    beside.join()
    with store.read() as conn:
        left, _ = count_rows(conn, version_id=version_id)
    size = (Path(directory) / "driftline.db").stat().st_size / 2**20
    print(
        f"day {(now_us - START_US) // DAY_US:3d}: {aged.rows:7,} rows gone in {took * 1e3:6.0f} ms, {left:8,} left, "
        f"file {size:6.1f} MiB, commits beside: {len(found) - 1}, slowest {max(found) * 1e3:.0f} ms"
    )


if __name__ == "__main__":
    main()
